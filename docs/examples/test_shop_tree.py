from roger_actors import ChildSpec, GenServer, NoReply, Ok, Reply, Start


class Basket(GenServer[list]):
    def init(self):
        return Ok([])

    def handle_call(self, request, sender, items):
        return Reply(items, items)

    def handle_cast(self, item, items):
        return NoReply([*items, item])


TREE = [
    ChildSpec(id="basket", start=Start(Basket, name="basket")),
    ChildSpec(id="till", start=Start(Basket, name="till")),
]


def test_a_crashed_basket_comes_back_empty_and_the_till_is_untouched(local_node):
    tree = local_node.supervise(TREE)
    till = local_node.whereis("till")

    local_node.crash("basket")

    assert local_node.call("basket", "items") == []
    assert local_node.whereis("till") == till
    assert set(local_node.children(tree)) == {"basket", "till"}


async def test_an_async_test_is_a_process(local_node):
    basket = await Basket.start_link()
    Basket.cast(basket, "apple")

    assert await Basket.call(basket, "items") == ["apple"]
