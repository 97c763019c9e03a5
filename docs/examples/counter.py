from roger_actors import GenServer, NoReply, Ok, Reply
from roger_actors.testing import LocalNode


class Counter(GenServer[int]):
    def init(self, start):
        return Ok(start)

    def handle_call(self, request, sender, state):
        match request:
            case "value":
                return Reply(state, state)

    def handle_cast(self, amount, state):
        return NoReply(state + amount)


async def main():
    pid = await Counter.start_link(5)
    Counter.cast(pid, 2)
    Counter.cast(pid, 3)
    print("value:", await Counter.call(pid, "value"))


with LocalNode() as node:
    node.run(main)
