# mypy: allow-untyped-defs
# pyright: basic
"""The shortest program of the documentation: without annotations, and no complaint about ours."""

from roger_actors import Client, Job, Node


class Resize(Job):
    queue_type = "images"  # or a classmethod queue_type(cls, args)
    retryable = True
    max_execution_time = 30.0  # seconds

    @classmethod
    def queue_key(cls, args):
        return f"resize-{args['id']}"

    def perform(self, args):  # or async def; self.record is the JobRecord
        return args["width"]


def service():
    with Node.start("roger.toml") as node:  # a node and its client
        record = Resize.create({"id": 7, "width": 320})
        node.enqueue(record, "acme")

    with Client("roger.toml") as client:  # a web process that only enqueues
        client.enqueue(record, "acme")
