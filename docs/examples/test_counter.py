from roger_actors import GenServer, Ok, Reply, process
from roger_actors.testing import LocalNode


class Session(GenServer[int]):
    """Counts visits, and ends itself after a minute without one."""

    def init(self):
        return Ok(0, timeout=60.0)

    def handle_call(self, request, sender, visits):
        return Reply(visits + 1, visits + 1, timeout=60.0)

    def handle_info(self, message, visits):
        process.exit("idle")


def test_a_session_ends_after_a_minute_without_a_visit():
    with LocalNode() as node:
        session = node.run(Session.start)

        node.advance(59.0)
        assert node.run(Session.call, session, "visit") == 1
        node.advance(59.0)
        assert node.runtime().find(session) is not None
        node.advance(2.0)
        assert node.runtime().find(session) is None


if __name__ == "__main__":
    test_a_session_ends_after_a_minute_without_a_visit()
    print("passed")
