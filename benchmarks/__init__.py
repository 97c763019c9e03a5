"""Ours and others measured side by side, in one run, on one machine.

`python -m benchmarks NAME [--quick] [--out DIR]` runs one benchmark (`all` for every one), prints a
table, and writes `NAME.json`, `NAME.png` and `NAME.svg`. A benchmark is a module here with a
function `prepare(plan)` that returns a context manager giving a `Benchmark`: what is measured, and
the contenders with their settings pinned. The harness runs one repetition of every contender, then
the next, so that a machine that drifts drifts for all of them; what it compares are ratios taken
within one repetition.

May import the package as a user would, and the peers, each in `peers/` in a file of its own.

Modules in reading order: `harness` (what a benchmark is, running it), `summary` (median, spread,
ratios), `machine` (where it ran), `plot` (the drawing), `page` (the page in the docs), `digest_log`
(the job all contenders run, and the checker of its log), `subprocesses` (starting and ending peers),
`marked` (finding every process of theirs), `erlang` (real Erlang, where it is installed), `rabbitmq`
(the node they share), `contenders` (who, with which settings), then the benchmarks `transport`,
`processes`, `restarts`, `supervisors`, `jobs`, `enqueue` and `latency`.
"""
