from shop_jobs import Crash, Invoice

from roger_actors import Node
from roger_actors.errors import DuplicateJob

with Node.start("shop.toml") as node:
    node.pause("default", "acme")
    node.enqueue(Invoice.create({"order": 7}), "acme")
    try:
        node.enqueue(Invoice.create({"order": 7}), "acme")
    except DuplicateJob:
        print("refused: order 7 has its invoice queued already", flush=True)
    node.enqueue(Crash.create({}), "acme")
    node.wait(timeout=3.0)  # a service would stay here
    node.resume("default", "acme")
    node.wait(timeout=1.0)
