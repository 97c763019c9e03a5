"""One tenant on one node, in the kernel host.

May import the OTP layer, the broker's contract and the modules of `roger` below it. Reading order:
`subscriptions` (what to open and close: pure), `worker` (one job), `consumer` (deliveries in, Workers
out), `supervisor` (a partition's tree), `manager` (which partitions this node runs).

Source:
    `Roger.Partition` and what is below it.
"""
