from roger_actors import Agent, ChildSpec, Start, Supervisor
from roger_actors.errors import ServerExited
from roger_actors.testing import LocalNode


def add(basket, item, count=1):
    return {**basket, item: basket.get(item, 0) + count}


def take(basket, item):
    return basket.pop(item), basket


async def main():
    basket = ChildSpec(id="basket", start=Start(Agent, dict, name="basket"))
    await Supervisor.start_link([basket], strategy="one_for_one")

    await Agent.update("basket", add, "apples", 3)
    Agent.cast("basket", add, "pears")
    print(await Agent.get("basket", dict))
    print("took", await Agent.get_and_update("basket", take, "apples"))
    try:
        await Agent.get_and_update("basket", take, "melons")
    except ServerExited as error:
        print("crashed:", error.reason)
    print(await Agent.get("basket", dict))


with LocalNode() as node:
    node.run(main)
