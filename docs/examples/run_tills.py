from roger_actors import Application, GenServer, process
from roger_actors.testing import LocalNode


async def main():
    await Application.load("tills.toml").start()
    await GenServer.call("acme", 5)
    print(await GenServer.call("acme", 2))
    process.exit(process.whereis("acme"), "out of paper")
    await process.sleep(0.1)
    print(await GenServer.call("acme", 1), "after a restart")
    await Application.stop("tills")
    print("running:", Application.started_applications())


with LocalNode() as node:
    node.run(main)
