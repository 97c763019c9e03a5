from roger_actors import ChildSpec, Start, Supervisor, Task, TaskExit, TaskOk, TaskSupervisor, process
from roger_actors.testing import LocalNode


async def fetch(page):
    await process.sleep(0.1)
    if page == "broken":
        raise ConnectionError(page)
    return f"the text of {page}"


async def main():
    first, second = Task.async_(fetch, "one"), Task.async_(fetch, "two")  # both are under way
    print(await Task.await_(first))
    print(await Task.await_(second, timeout=1.0))

    tasks = ChildSpec(id="tasks", start=Start(TaskSupervisor, name="tasks"))
    await Supervisor.start_link([tasks], strategy="one_for_one")

    task = await TaskSupervisor.async_nolink("tasks", fetch, "broken")  # its crash will not harm us
    match await Task.yield_(task, timeout=1.0) or await Task.shutdown(task):
        case TaskOk(text):
            print(text)
        case TaskExit(reason):
            print("no text:", reason)

    pages = ["one", "broken", "three"]
    async for outcome in TaskSupervisor.async_stream_nolink("tasks", pages, fetch, max_concurrency=2):
        print(outcome.value if isinstance(outcome, TaskOk) else "crashed")


with LocalNode() as node:
    node.run(main)
