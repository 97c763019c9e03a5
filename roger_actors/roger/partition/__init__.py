"""One tenant on one node.

May import the OTP layer, the broker's contract and what is below it in `roger`. Reading order:
`subscriptions` (what to open, close and hold: pure), `run`, `follow_up` and `worker` (one job),
`holding` and `opening`
(what a consumer holds, and how its queues are opened), `consumer` (deliveries in, Workers out),
`supervisor` (the partition's tree), `remembered` and `manager` (which partitions this node runs).

Source:
    `Roger.Partition` and the modules below it.
"""
