"""The oracle: scenarios played on Erlang's `supervisor` and on ours, step by step the same.

A scenario is data: a tree of supervisors and steps that happen to it. Both players print what came of it,
and `trace` makes both comparable. Modules in reading order:

- `scenario`: the words that scenarios are made of;
- `ours`: plays one on our supervisors, in virtual time; `erlang`: on Erlang's (`*.erl`), in its own node;
- `trace`: one text for what both say;
- `recorded`: the scenarios that are kept, with Erlang's traces in `recorded/*.json`;
- `randomly`: trees and steps that hypothesis makes up;
- `python -m tests.oracle record | check | random` (with Erlang); `test_recorded.py` (without).
"""
