import logging

from roger_actors import ChildSpec, DynamicSupervisor, GenServer, NoReply, Ok, Reply, Start, process
from roger_actors.errors import TooManyChildren
from roger_actors.testing import LocalNode

logging.disable()  # crashes are reported to the log; here the output shows them


class Room(GenServer[int]):
    def init(self, house, topic):
        return Ok(0)

    def handle_call(self, request, sender, visits):
        return Reply(visits, visits)

    def handle_cast(self, guests, visits):
        return NoReply(visits + guests)  # "many" crashes it


async def main():
    rooms = await DynamicSupervisor.start_link(max_children=2, extra_arguments=("red house",), name="rooms")
    for topic in ("erlang", "python", "ada"):
        room = ChildSpec(id="room", start=Start(Room, topic, name=topic), restart="transient")
        try:
            print(topic, await DynamicSupervisor.start_child(rooms, room))
        except TooManyChildren as error:
            print(topic, "refused:", error)

    Room.cast("erlang", 3)
    process.monitor("erlang")
    Room.cast("erlang", "many")  # an abnormal end: started again, empty
    print("down:", (await process.receive()).reason)
    print("erlang has", await Room.call("erlang", "visits"))

    await Room.stop("python")  # a clean end: a transient child stays away
    print(await DynamicSupervisor.count_children(rooms))


with LocalNode() as node:
    node.run(main)
