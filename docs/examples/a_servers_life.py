from roger_actors import GenServer, NoReply, Ok, Reply, Stop, Timeout, process
from roger_actors.otp import NORMAL
from roger_actors.testing import LocalNode


class Cache(GenServer[dict]):
    """Loads slowly, answers quickly, closes itself when nobody asks for a minute."""

    trap_exit = True  # so that terminate runs when a supervisor stops it

    def init(self, name):
        return Ok({}, then=("load", name))  # the starter goes on; nobody is answered before this

    async def handle_continue(self, token, entries):
        print("loading", token[1])
        await process.sleep(2.0)
        return NoReply({"answer": 42}, timeout=60.0)

    def handle_call(self, request, sender, entries):
        match request:
            case ("get", key) if key in entries:
                return Reply(entries[key], entries, timeout=60.0)
            case ("get", key):
                process.spawn(look_up, key, sender)  # answers later; others are served meanwhile
                return NoReply(entries, timeout=60.0)
            case "close":
                return Stop(NORMAL, entries, reply="bye")
        return super().handle_call(request, sender, entries)  # ends it with bad_call

    def handle_info(self, message, entries):
        if isinstance(message, Timeout):
            return Stop(NORMAL, entries)
        return super().handle_info(message, entries)  # logs it

    def terminate(self, reason, entries):
        print("closing:", reason)


async def look_up(key, sender):
    await process.sleep(1.0)
    GenServer.reply(sender, f"looked up {key}")


async def main():
    pid = await Cache.start("prices")
    print(await Cache.call(pid, ("get", "answer")))
    print(await Cache.call(pid, ("get", "question")))
    ref = process.monitor(pid)
    down = await process.receive()  # a minute later
    print("down:", down.ref == ref, down.reason)

    second = await Cache.start("rates")
    print(await Cache.call(second, "close"))


with LocalNode() as node:
    node.run(main)
