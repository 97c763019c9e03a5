from roger_actors import Job, Node


class Hello(Job):
    job_name = "hello"

    def perform(self, args):
        print("hello,", args["name"])


config = {
    "node": {"name": "first", "broker": "embedded:first.db", "jobs": ["first_job"]},
    "partitions": {"acme": {"queues": {"default": 10, "mail": 2}}},
}

if __name__ == "__main__":
    with Node.start(config) as node:
        node.enqueue(Hello.create({"name": "world"}), "acme")
        node.wait(timeout=1.0)  # a service would stay here
