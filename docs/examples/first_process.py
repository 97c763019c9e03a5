from roger_actors import ChildSpec, GenServer, NoReply, Ok, Reply, Start, Supervisor, process
from roger_actors.errors import ServerExited
from roger_actors.testing import LocalNode


class Counter(GenServer[int]):
    def init(self, start):
        return Ok(start)

    def handle_call(self, request, sender, state):
        return Reply(10 // request + state, state)  # 10 // 0 crashes the server

    def handle_cast(self, amount, state):
        return NoReply(state + amount)


async def main():
    counter = ChildSpec(id="counter", start=Start(Counter, 5, name="counter"))
    await Supervisor.start_link([counter], strategy="one_for_one", max_restarts=3, max_seconds=5.0)
    Counter.cast("counter", 2)
    print("before:", await Counter.call("counter", 1), "in", process.whereis("counter"))
    try:
        await Counter.call("counter", 0)
    except ServerExited as error:
        print("crashed:", error)
    await process.sleep(0.1)
    print("after:", await Counter.call("counter", 1), "in", process.whereis("counter"))


with LocalNode() as node:
    node.run(main)
