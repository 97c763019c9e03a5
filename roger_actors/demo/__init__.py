"""A run that shows what the system promises, and a checker that believes only what it reads.

Two tenants, a few hundred jobs over real files, and everything bad that a job can do. What became
of every job is decided from two append-only logs: one by whoever enqueues, one by the jobs and
hooks themselves. The node's own counters are never asked. The fault tests kill the same run.

May import every layer below the command line; only `roger_actors.cli` and tests import it.

- `log`: the two logs, as lines and as values.
- `checker`: from logs to a verdict (pure).
- `history`: what one job's lines may be, one after another (pure).
- `tampering`: the checker's own test: a line removed or doubled must be noticed (pure).
- `recorded`, `jobs`: the jobs, and the hooks that write what jobs cannot.
- `plan`: what is enqueued, from a seed.
- `enqueuing`: does it, and logs before and after.
- `processes`: what of a run still lives, from `/proc`.
- `run`: puts it together.
"""
