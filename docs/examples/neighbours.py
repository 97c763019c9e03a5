from roger_actors import GenServer, Node, NoReply, Ok, Reply, Supervisor


class Lobby(GenServer[list]):
    def init(self):
        return Ok([])

    def handle_call(self, request, sender, guests):
        return Reply(guests, guests)

    def handle_cast(self, guest, guests):
        return NoReply([*guests, guest])


class Porter(GenServer[None]):
    def init(self):
        return Ok(None)

    async def handle_call(self, guest, sender, state):
        children = await Supervisor.which_children("top")
        lobby = next(child.pid for child in children if child.id == "lobby")
        Lobby.cast(lobby, guest)
        return Reply(await Lobby.call(lobby, "guests"), state)


config = {
    "node": {"name": "hotel", "broker": "embedded:hotel.db"},
    "logging": {"level": "ERROR"},
    "children": [
        {"id": "lobby", "start": "neighbours:Lobby", "host": "own"},
        {"id": "porter", "start": "neighbours:Porter"},
    ],
}

if __name__ == "__main__":
    with Node.start(config) as node:
        print(node.call("porter", "Ann"))
        print(node.call("porter", "Bob"))
