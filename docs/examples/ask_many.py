from roger_actors import GenServer, NoReply, Ok, Reply, process
from roger_actors.errors import CallTimeout
from roger_actors.otp import NO_REPLY, RequestIds
from roger_actors.testing import LocalNode


class Shop(GenServer[float]):
    def init(self, seconds):
        return Ok(seconds)

    async def handle_call(self, request, sender, seconds):
        await process.sleep(seconds)  # it looks on its shelves
        return Reply(f"{request} after {seconds:g} s", seconds)


class Buyer(GenServer[object]):
    """Asks in one callback and takes the answer in another: no callback waits."""

    def init(self):
        return Ok(None)

    def handle_cast(self, shop, state):
        return NoReply(Shop.send_request(shop, "tea"))

    def handle_info(self, message, request):
        if (answer := Shop.check_response(message, request)) is NO_REPLY:
            return super().handle_info(message, request)
        print("buyer:", answer)
        return NoReply(None)


async def main():
    shops = {seconds: await Shop.start_link(seconds) for seconds in (3.0, 1.0, 60.0)}

    # One request: go on, and wait later. Its time limit leaves it valid.
    request = Shop.send_request(shops[3.0], "bread")
    try:
        await Shop.wait_response(request, timeout=1.0)
    except CallTimeout:
        print("not yet")
    print(await Shop.wait_response(request))

    # Many requests: the first answer of all. Five seconds without one, and the rest is given up.
    requests = RequestIds()
    for seconds, shop in shops.items():
        Shop.send_request(shop, "salt", label=seconds, requests=requests)
    try:
        while (answer := await Shop.receive_response(requests, timeout=5.0)) is not None:
            print(answer.label, "->", answer.value)
    except CallTimeout as error:
        print(error)

    # A server asks, and takes the answer as a message.
    Buyer.cast(await Buyer.start_link(), shops[1.0])
    await process.sleep(2.0)


with LocalNode() as node:
    node.run(main)
