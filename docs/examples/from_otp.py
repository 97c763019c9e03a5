import logging

from roger_actors import (
    ChildSpec,
    DynamicSupervisor,
    GenServer,
    NoReply,
    Ok,
    Reply,
    Start,
    Supervisor,
    process,
)
from roger_actors.testing import LocalNode

logging.disable()  # a crash is reported to the log; here the output shows it


class Room(GenServer[list]):
    """A chat room: remembers what was said, and crashes on a swear word."""

    def init(self, topic):
        return Ok([topic])

    def handle_call(self, request, sender, said):
        return Reply(said, said)

    def handle_cast(self, text, said):
        if text == "damn":
            raise ValueError(text)
        return NoReply([*said, text])


TREE = [
    ChildSpec(id="lobby", start=Start(Room, "lobby", name="lobby")),
    ChildSpec(id="rooms", start=Start(DynamicSupervisor, name="rooms")),
]


async def main():
    top = await Supervisor.start_link(TREE, strategy="rest_for_one")
    room = ChildSpec(id="room", start=Start(Room, "erlang", name="erlang"), restart="transient")
    pid = await DynamicSupervisor.start_child("rooms", room)
    Room.cast(pid, "hello")
    print("said:", await Room.call("erlang", "all"))

    watch = process.monitor(pid)
    Room.cast(pid, "damn")
    down = await process.receive(5.0)
    print("down:", down.ref == watch, down.reason)
    print("again:", await Room.call("erlang", "all"), process.whereis("erlang") != pid)

    for child in await Supervisor.which_children(top):
        print("child:", child.id, child.type, child.modules)
    print("count:", await DynamicSupervisor.count_children("rooms"))


with LocalNode() as node:
    node.run(main)
