from roger_actors import Application, GenServer, Ok, Reply


class Till(GenServer[int]):
    """Adds up what a tenant sells."""

    def init(self, tenant: str) -> Ok[int]:
        self.tenant = tenant
        self.currency = Application.get_env("tills", "currency")
        return Ok(0)

    def handle_call(self, amount: int, sender: object, total: int) -> Reply[int]:
        return Reply(f"{self.tenant}: {total + amount} {self.currency}", total + amount)


def rates() -> dict[str, float]:
    return {"USD": 1.1}
