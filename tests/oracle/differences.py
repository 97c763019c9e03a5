"""Where the list and OTP 25 differ: the scenario, the line, and what the list wants in the steps that differ.

In those steps ours must do what stands here, and Erlang must do something else; else the entry is stale.
Two lines of the list leave no trace here: line 34 (OTP 25 tells of a failed start a moment before the process
is gone) and line 153 (OTP 25 has no `supervisor:stop`; `gen_server:stop` does the same).
"""

from __future__ import annotations

from .scenario import Data

DIFFERENCES: dict[str, Data] = {
    "wrong flags: simple_one_for_one with auto_shutdown": {
        "line": 29,
        "why": "OTP 25 lets it pass; its children cannot be significant",
        "ours": {
            "0": {
                "events": ["root fails to start top: {supervisor_data,bad_combination}"],
                "answers": ["1: {error,{supervisor_data,bad_combination}}"],
                "children": {},
            }
        },
    },
    "restart, simple_one_for_one: ignored": {
        "line": 61,
        "why": "OTP 25 keeps `undefined` as if it were the pid of a child, and cannot stop it",
        "ours": {
            "4": {"children": {"top#1": "undefined=x2#1; specs 1, active 1, supervisors 0, workers 1"}},
            "5": {
                "answers": ["4: {1,1,0,1}"],
                "children": {"top#1": "undefined=x2#1; specs 1, active 1, supervisors 0, workers 1"},
            },
            "6": {"children": {"top#1": "undefined=x2#1; specs 1, active 1, supervisors 0, workers 1"}},
            "7": {"children": {"top#1": "none; specs 1, active 0, supervisors 0, workers 0"}},
            "8": {"events": ["top#1 exits: shutdown"], "answers": ["5: ok"]},
        },
    },
    "stop: a permanent child leaves with {shutdown, x}": {
        "line": 112,
        "why": "Erlang reports that of a permanent child",
        "ours": {
            "1": {"events": ["a#1 terminates: shutdown", "a#1 exits: {shutdown,x}"]},
        },
    },
    "api: which_child": {
        "line": 143,
        "why": "OTP 25 has no which_child",
        "ours": {
            "1": {"answers": ["2: {ok,{a,a#1,worker}}"]},
            "2": {"answers": ["3: {error,not_found}"]},
            "4": {"answers": ["5: {ok,{a,undefined,worker}}"]},
            "5": {"answers": ["6: {ok,{s,s#1,supervisor}}"]},
        },
    },
    "failing, simple_one_for_one: a restarting child is terminated by its old pid": {
        "line": 145,
        "why": "Erlang goes on to count the terminated child as restarting, so one active child is missing",
        "ours": {
            "11": {"children": {"top#1": "undefined=x2#1; specs 1, active 1, supervisors 0, workers 1"}},
        },
    },
    "reports: progress": {
        "line": 219,
        "why": "OTP 25 reports the progress of start_child too",
        "ours": {"2": {"events": ["top#1 starts b#1"]}},
    },
    "reports: progress, simple_one_for_one": {
        "line": 219,
        "why": "Erlang does not report the progress of these children's restarts",
        "ours": {
            "2": {
                "events": [
                    "x1#1 terminates: boom",
                    "x1#1 exits: boom",
                    "top#1 reports child_terminated: child boom",
                    "top#1 starts x1#2",
                    "top#1 reports progress: child",
                ]
            }
        },
    },
}
"""By scenario: `line`, `why`, and `ours`: steps by number, with the parts that differ."""
