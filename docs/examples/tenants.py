from roger_actors import ChildSpec, GenServer, NoReply, Ok, Registry, Reply, Start, Supervisor, process
from roger_actors.errors import NoProcess
from roger_actors.testing import LocalNode


class Cart(GenServer[list]):
    def init(self, tenant):
        return Ok([])

    def handle_call(self, request, sender, items):
        return Reply(items, items)

    def handle_cast(self, item, items):
        return NoReply([*items, item])


def cart(tenant, zone):
    name = Registry.via("carts", tenant, {"zone": zone})
    return ChildSpec(id=tenant, start=Start(Cart, tenant, name=name))


async def main():
    carts = ChildSpec(id="carts", start=Start(Registry, "unique", name="carts"))
    children = [carts, cart("acme", "eu"), cart("zeta", "us")]
    await Supervisor.start_link(children, strategy="rest_for_one")

    acme = Registry.via("carts", "acme")
    Cart.cast(acme, "apples")
    print(await Cart.call(acme, "items"))

    process.exit(process.whereis(acme), "crash")  # it is restarted under its name
    await process.sleep(0.1)
    print(await Cart.call(acme, "items"))

    try:
        await Cart.call(Registry.via("carts", "nobody"), "items")
    except NoProcess as error:
        print(error)

    in_eu = await Registry.select("carts", lambda _tenant, _pid, value: value["zone"] == "eu")
    print([tenant for tenant, _, _ in in_eu])


with LocalNode() as node:
    node.run(main)
