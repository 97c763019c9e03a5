"""Who has keys in a registry, and a registry of a user."""

from __future__ import annotations

from roger_actors.errors import NoProcess, RogerActorsError
from roger_actors.otp import ChildSpec, GenServer, NoReply, Ok, Registry, Reply, Start, process


class Keeper(GenServer):
    """Uses a registry: `(function, *arguments)`, the registry's name left out. Tells what it was sent."""

    def init(self, registry, trap=False):
        if trap:
            process.trap_exit()
        return Ok((registry, []))

    async def handle_call(self, request, sender, state):
        function, *arguments = request
        registry, got = state
        if function == "got":
            return Reply(got, state)
        try:
            return Reply(await getattr(Registry, function)(registry, *arguments), state)
        except RogerActorsError as error:
            return Reply(error, state)

    def handle_info(self, message, state):
        state[1].append(message)
        return NoReply(state)


class Keepers:
    """Starts keepers of one registry, beside it or on another host."""

    def __init__(self, world, registry):
        self._world = world
        self._registry = registry
        self._number = 0

    async def start(self, supervisor, where, **options):
        """Start a temporary keeper under a supervisor."""
        from roger_actors.otp import Supervisor

        self._number += 1
        registry = self._registry if where == "beside" else (self._registry, int(process.self().host))
        target = "conformance_registry:Keeper" if self._world.transport == "real" else Keeper
        spec = ChildSpec(
            id=("keeper", self._number),
            start=Start(target, registry, **options),
            restart="temporary",
            host=self._world.place(where),
        )
        return await Supervisor.start_child(supervisor, spec)


class Names:
    """A registry of a user: a dict."""

    def __init__(self):
        self.known = {}

    def register_name(self, key, pid):
        if key in self.known:
            return False
        self.known[key] = pid
        return True

    def unregister_name(self, key):
        del self.known[key]

    def whereis_name(self, key):
        return self.known.get(key)

    def send(self, key, message):
        if key not in self.known:
            raise NoProcess(process=key)
        process.send(self.known[key], message)
