"""Jobs as values: what a user subclasses, what travels, and how.

May import `queue` and below. Reading order: `arguments` (what may travel), `job_class` (what a class
must be), `job` (the class and the record), `codec` (to bytes and back), `registry` (classes by name),
`versions` (what a host says of them), `hooks` (what runs around a job), `retry` (when a failed one runs
again). Importing it loads nothing.

Source:
    `Roger.Job`, `Roger.Partition.Retry`, `Roger.Partition.Worker.Callback`.
"""
