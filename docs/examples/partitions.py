from roger_actors import ChildSpec, GenServer, NoReply, Ok, PartitionSupervisor, Reply, Start, Supervisor
from roger_actors.testing import LocalNode


class Visits(GenServer[dict]):
    def init(self, partition):
        return Ok({"partition": partition})

    def handle_call(self, user, sender, state):
        return Reply((state.get(user, 0), state["partition"]), state)

    def handle_cast(self, user, state):
        return NoReply({**state, user: state.get(user, 0) + 1})


def visits_of(user):
    return PartitionSupervisor.via("visits", user)


async def main():
    partitions = PartitionSupervisor.child_spec(
        ChildSpec(id="visits", start=Start(Visits)),
        name="visits",
        partitions=4,
        with_arguments=lambda args, number: (*args, number),
    )
    await Supervisor.start_link([partitions], strategy="one_for_one")

    for user in ("ann", "bob", "cleo", "ann"):
        Visits.cast(visits_of(user), user)
    for user in ("ann", "bob", "cleo"):
        count, number = await Visits.call(visits_of(user), user)
        print(user, "came", count, "times, says partition", number)


with LocalNode() as node:
    node.run(main)
