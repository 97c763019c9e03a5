from roger_actors import GenServer, NoReply, Ok, process


class Greeter(GenServer[int]):
    """Says hello every few seconds."""

    def init(self, greeting: str, every: float = 5.0) -> Ok[int]:
        self.greeting = greeting
        self.every = every
        process.send_after(every, process.self(), "greet")
        return Ok(0)

    def handle_info(self, message: object, count: int) -> NoReply[int]:
        print(self.greeting, "for the", count + 1, "time")
        process.send_after(self.every, process.self(), "greet")
        return NoReply(count + 1)
