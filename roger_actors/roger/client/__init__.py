"""Roger from outside: enqueue, cancel, pause, look and mend, with or without a node.

May import what is below the trees. Reading order: `due` (when a job may start), `enqueuing` (jobs into
the broker), `shelves` (what is kept aside, moved), `async_client`
(the operations, on one loop), `client` (the same for any thread of any process).

Source:
    `Roger.Job.enqueue`, `Roger.Partition.Global`, `Roger.Queue`, `Roger.Info`.
"""
