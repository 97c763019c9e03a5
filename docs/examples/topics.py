from roger_actors import Registry, process
from roger_actors.testing import LocalNode


async def follow(topic, who):
    await Registry.register("topics", topic, who)
    print(who, "hears:", await process.receive())


async def main():
    await Registry.start_link("duplicate", name="topics")
    for who in ("ann", "bob"):
        process.spawn(follow, "prices", who)
    await process.sleep(0.1)

    def publish(followers):
        for pid, _who in followers:
            process.send(pid, "they rise")

    await Registry.dispatch("topics", "prices", publish)
    await process.sleep(0.1)
    print("followers now:", await Registry.lookup("topics", "prices"))


with LocalNode() as node:
    node.run(main)
