"""What a partition must agree on, wherever its jobs run: kept in the broker's durable tables.

May import the broker's contract. Reading order: `queue_key` (unique jobs), `flags` (cancelled jobs,
paused queues), `key_set` (sets of keys). All of it is values and changes of values.

Source:
    `Roger.Partition.Global`, `Roger.KeySet`.
"""
