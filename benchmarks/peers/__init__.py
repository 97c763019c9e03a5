"""Who is measured on RabbitMQ, one file each: how it enqueues, and how its workers are run.

Each module is started as a program of its own, gets everything through the environment, and has its
settings pinned. `driver` is the part they share.
"""
