"""Trees and steps that hypothesis makes up, played on both sides; they must agree step by step.

Left out is what OTP leaves to chance, and what the list wants otherwise than OTP 25 does (see `differences`):
children that end with `{shutdown, x}` when they are stopped, restarts that are ignored under
`simple_one_for_one`.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from . import ours, trace
from .erlang import ErlangNode
from .scenario import (
    KILL,
    RESTARTS,
    STRATEGIES,
    Data,
    X,
    call,
    delete_child,
    end,
    error,
    leave,
    plan,
    release,
    restart_child,
    send,
    signal,
    start_child,
    stop,
    supervisor,
    terminate_child,
    terminate_pid,
    worker,
    written,
)

REASONS = ["boom", "boom", KILL, KILL, "normal", "shutdown", X, ["shutdown", "a", "b"]]
FAILURES = ["fail", "fail", "raise", "garbage", "init_raises", "init_exits", "init_returns_garbage"]
SIMPLE = "simple_one_for_one"
QUOTAS = {"failing restarts": 30, "nested": 30, **dict.fromkeys((*STRATEGIES, *RESTARTS), 10)}
"""Of what a round must hold how many in a hundred."""


# ------------------------------------------------------------------------------------------------- trees


class _Tree:
    """What the steps may name: made up together with the tree."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.used = 0
        self.workers: list[str] = []
        self.supervisors: dict[str, Data] = {}
        self.members: dict[str, list[Data]] = {}

    def label(self, letter: str) -> str:
        """Return a new label."""
        self.used += 1
        return f"{letter}{self.used}"

    def a(self, *values: Any) -> Any:
        """Choose one."""
        return self.draw(st.sampled_from(values))

    def chance(self, percent: int) -> bool:
        """Decide; shrinks to no."""
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def supervisor(self, label: str, depth: int, **spec: Any) -> Data:
        """A supervisor with its children."""
        strategy = self.a(*STRATEGIES)
        auto = (
            self.a("any_significant", "all_significant") if strategy != SIMPLE and self.chance(15) else None
        )
        children: list[Data] = []
        limit = self.a(*((8, 3, 1, 30) if label == "top" else (2, 0, 1, 4)))
        made = supervisor(label, children, strategy, intensity=limit, auto_shutdown=auto, **spec)
        self.supervisors[label] = made
        self.members[label] = children
        if strategy == SIMPLE:
            children.append(self.worker(made, "template"))
        else:
            children.extend(self.child(made, depth) for _ in range(self.draw(st.integers(1, 4))))
        return made

    def child(self, parent: Data, depth: int) -> Data:
        """A child of a supervisor."""
        if depth and self.chance(45):
            return self.supervisor(self.label("s"), depth - 1, **self.spec(parent))
        made = self.worker(parent, self.label("w"))
        self.workers.append(made["id"])
        return made

    def worker(self, parent: Data, label: str) -> Data:
        """A worker's spec."""
        options: Data = {"trap": True} if self.chance(60) else {}
        if self.chance(8):
            options["last"] = self.a("own", "normal")
        if self.chance(5):
            options["unlink"] = True
        more = {"shutdown": self.a("brutal_kill", "infinity", 1000)} if self.chance(20) else {}
        return worker(label, options=options, **self.spec(parent), **more)

    def spec(self, parent: Data) -> Data:
        """Restart type and significance of a child."""
        restart = self.a(*RESTARTS)
        mode = parent["supervisor"]["flags"].get("auto_shutdown", "never")
        if restart != "permanent" and mode != "never" and self.chance(60):
            return {"restart": restart, "significant": True}
        return {"restart": restart}

    # ------------------------------------------------------------------------------------------- steps

    def steps(self) -> Iterator[Data]:
        """One thing that happens, with what prepares it."""
        label = self.a(*self.supervisors)
        simple = self.supervisors[label]["supervisor"]["flags"]["strategy"] == SIMPLE
        kind = self.a("end", "failing", "failing", "held", "api", "api", "supervisor", "other")
        if kind == "end":
            yield from self.ends()
        elif kind == "failing":
            yield from self.fails(label)
        elif kind == "held":
            yield from self.holds(label, simple=simple)
        elif kind == "api":
            yield from self.simple_api(label) if simple else self.api(label)
        elif kind == "supervisor":
            below = [it for it in self.supervisors if it != "top"]
            if below:
                label = self.a(*below)
                yield self.a(end(label, KILL), stop(label, self.a("shutdown", "normal", "boom", X)))
        else:
            to = self.a(*self.supervisors, *self.workers)
            yield self.a(
                send(label), signal(to, self.a("boom", "normal", "shutdown")), call("which_children", label)
            )

    def ends(self) -> Iterator[Data]:
        """A worker ends by itself."""
        if self.workers:
            child = self.a(*self.workers)
            yield error(child) if self.chance(10) else end(child, self.a(*REASONS))

    def fails(self, label: str) -> Iterator[Data]:
        """A worker ends and restarts fail: its own or those of a sibling, or of its supervisor."""
        if not self.workers:
            return
        failures = [self.a(*FAILURES) for _ in range(self.draw(st.integers(1, 3)))]
        child = self.a(*self.workers)
        members = self.ids(label)
        if members and self.chance(50):
            yield plan(self.a(*members), *failures)
            yield end(self.a(*members), self.a("boom", KILL))
        elif label != "top" and self.chance(20):
            yield plan(label, *(self.a("fail", "init_raises", "init_returns_garbage") for _ in failures))
            yield end(label, KILL)
        else:
            yield plan(child, *failures)
            yield end(child, self.a("boom", KILL))

    def holds(self, label: str, *, simple: bool) -> Iterator[Data]:
        """A restart is held; what is asked meanwhile comes between this attempt and the next."""
        below = self.members.get(f"{label} children", []) if simple else self.ids(label)
        if not below:
            return
        child = self.a(*below)
        asked = self.draw(st.integers(1, 3))
        yield from (plan(child, "hold", "hold", "hold"), end(child, self.a("boom", KILL)))
        for _ in range(asked):
            if simple:  # a restarting child that is terminated by its pid is line 145
                yield self.a(call("which_children", label), delete_child(label, "template"))
            else:
                yield from self.api(label)
        yield from (release(child, "fail"), plan(child), release(child, self.a("ok", "ok", "fail")))

    def ids(self, label: str) -> list[str]:
        """Return the ids of the workers that a supervisor may have."""
        return [it["id"] for it in self.members[label] if "supervisor" not in it and it["id"] != "template"]

    def api(self, label: str) -> Iterator[Data]:
        """A request about a child by its id."""
        parent, members = self.supervisors[label], self.members[label]
        if self.chance(35):
            known = members and self.chance(60)
            child = self.a(*members) if known else self.child(parent, 1)
            if not known:
                members.append(child)
            if self.chance(25):
                yield plan(child["id"], self.a("fail", "ignore", "extra", "init_raises"))
            yield start_child(label, child)
            return
        ids = [it["id"] for it in members] or ["nobody"]
        id_ = self.a(*ids, self.a(*ids), "nobody")
        if self.chance(15):
            yield plan(id_, self.a("fail", "ignore", "extra", "raise"))
        if self.chance(10):
            yield call("get_childspec", label, id=id_)
            return
        yield self.a(terminate_child, terminate_child, restart_child, restart_child, delete_child)(label, id_)

    def simple_api(self, label: str) -> Iterator[Data]:
        """A request to a supervisor of many children of one spec."""
        children = self.members.setdefault(f"{label} children", [])
        if not children or self.chance(60):
            child = self.label("x")
            if self.chance(15):
                yield plan(child, self.a("fail", "extra", "garbage", "init_exits"))
            yield start_child(label, child)
            children.append(child)
            self.workers.append(child)
            return
        yield self.a(
            terminate_pid(label, self.a(*children)),
            terminate_pid(label, self.a(*self.workers)),
            delete_child(label, "template"),
            restart_child(label, "template"),
            terminate_child(label, "template"),
        )


@st.composite
def scenarios(draw: Any) -> Data:
    """A tree of up to three levels and up to a dozen things that happen to it."""
    draw(st.integers(0, 1 << 62))  # the engine wants every example to begin in a new way
    tree = _Tree(draw)
    root = tree.supervisor("top", 2)
    if tree.chance(10):
        child = tree.a(*tree.workers) if tree.workers else "top"
        root["first"] = {child: [tree.a("fail", "ignore", "init_raises")]}
    steps: list[Data] = []
    for _ in range(draw(st.integers(3, 12))):
        steps.extend(tree.steps())
    steps.append(tree.a(stop("top"), leave(tree.a("normal", "shutdown", "boom"))))
    return {"root": root, "steps": steps}


# ------------------------------------------------------------------------------------------------ rounds


class Disagreement(Exception):
    """The two sides part."""


class _Round:
    """Some hundred scenarios of one seed.

    Each comes from an engine of its own, whose first example is always the simplest there is: that one is
    passed over. One engine for all would make most of them by changing earlier ones a little.
    """

    def __init__(self, erlang: ErlangNode) -> None:
        self.erlang = erlang
        self.found: Counter[str] = Counter()
        self.shrunk = ""

    def play(self, number: int) -> None:
        """Make up one scenario and play it; shrink it if it is the first on which the two sides part."""
        phases = (Phase.generate,) if self.shrunk else (Phase.generate, Phase.shrink)
        calls = []

        @seed(number)
        @settings(
            max_examples=2,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(scenarios())
        def play(scenario: Data) -> None:
            calls.append(scenario)
            if len(calls) == 1:
                return
            theirs = trace.readable(scenario, self.erlang.play(scenario))
            if len(calls) == 2:
                self.found.update(["played", *_features(scenario, theirs)])
            wrong = _difference(scenario, theirs)
            if wrong:
                last[:] = [wrong]
                raise Disagreement
            if len(calls) == 2:
                self.found["agree"] += 1

        last: list[str] = []
        try:
            play()
        except Disagreement:
            self.shrunk = self.shrunk or last[0]


def agree(erlang: ErlangNode, number: int, examples: int) -> int:
    """Play a round and say how it went; return 0 if both agree on all of it and no quota is missed."""
    begun = time.monotonic()
    round_ = _Round(erlang)
    for example in range(examples):
        round_.play(number * examples + example)
    found = round_.found
    shares = {name: 100 * found[name] / found["played"] for name in QUOTAS}
    missed = [name for name, share in shares.items() if share < QUOTAS[name]]
    print(f"seed {number}: {found['agree']}/{examples} agree ({time.monotonic() - begun:.1f} s)")
    print("  " + ", ".join(f"{name} {share:.0f} %" for name, share in shares.items()), flush=True)
    if round_.shrunk:
        print(f"the first on which they part, shrunk:\n{round_.shrunk}")
    if missed:
        print(f"too few of: {', '.join(missed)}")
    return int(bool(missed) or found["agree"] < examples)


def _difference(scenario: Data, theirs: list[trace.Step]) -> str:
    """Return what is different, with the scenario and both traces; empty if nothing is."""
    try:
        mine = trace.readable(scenario, ours.play(scenario))
        wrong = trace.difference(theirs, mine)
    except Exception:
        mine, wrong = [], f"ours could not play it:\n{traceback.format_exc()}"
    if not wrong:
        return ""
    steps = "\n".join(written(step) for step in scenario["steps"])
    traces = f"erlang\n{trace.shown(theirs)}\n\nours\n{trace.shown(mine)}"
    return f"{_drawn(scenario['root'])}\n\n{steps}\n\n{traces}\n\n{wrong}"


def _drawn(child: Data, depth: int = 0) -> str:
    fields = {key: value for key, value in child.items() if key not in {"id", "supervisor"}}
    below = child.get("supervisor", {})
    line = f"{'  ' * depth}{child['id']} {fields} {below.get('flags', '')}".rstrip()
    return "\n".join([line, *(_drawn(it, depth + 1) for it in below.get("children", []))])


def _features(scenario: Data, theirs: list[trace.Step]) -> Iterator[str]:
    """Give what the quotas count, each once."""
    yield from {feature for child in _children(scenario["root"]) for feature in _of_child(child)}
    if any("supervisor" in child for child in scenario["root"]["supervisor"]["children"]):
        yield "nested"
    if any(_has_failing_restart(step) for step in theirs[1:]):
        yield "failing restarts"


def _children(child: Data) -> Iterator[Data]:
    yield child
    for below in child.get("supervisor", {}).get("children", []):
        yield from _children(below)


def _of_child(child: Data) -> Iterator[str]:
    if "supervisor" in child:
        yield child["supervisor"]["flags"]["strategy"]
    yield child.get("restart", "")


def _has_failing_restart(step: trace.Step) -> bool:
    asked = step["do"].startswith(("start_child", "restart_child"))
    return not asked and any(" fails to start " in event for event in step["events"])
