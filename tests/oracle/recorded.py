"""The scenarios that are kept, in groups; Erlang's traces of a group stand in `recorded/<group>.json`.

Only `python -m tests.oracle record` writes those files; `check` plays all of them again and compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .differences import DIFFERENCES
from .scenario import (
    KILL,
    RESTARTS,
    STRATEGIES,
    Data,
    X,
    call,
    check,
    crash,
    delete_child,
    end,
    error,
    flagged,
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
    top,
    trapping,
    worker,
)
from .trace import Step

FOLDER = Path(__file__).parent / "recorded"
REASONS = [
    "normal",
    "shutdown",
    X,
    "boom",
    KILL,
    ["shutdown", "a", "b"],
    {"text": "shutdown"},
    ["normal", "x"],
]


def scenario(name: str, root: Data, *steps: Data, **more: object) -> Data:
    """Name a scenario, and say where the list and Erlang differ on it."""
    differs = DIFFERENCES.get(name)
    return {
        "name": name,
        "root": root,
        "steps": list(steps),
        **more,
        **({"differs": differs} if differs else {}),
    }


# ------------------------------------------------------------------ strategies x restart types x reasons


def ends() -> Iterable[Data]:
    """Each kind of child under each strategy ends in every way."""
    for strategy in STRATEGIES[:3]:
        for restart in RESTARTS:
            children = [trapping("a"), trapping("b", restart), trapping("c"), worker("d", "temporary")]
            again = [] if restart == "permanent" else [start_child("top", trapping("b", restart))]
            back = [restart_child("top", "b")] if restart == "transient" else again
            yield scenario(
                f"{strategy}: a {restart} child ends",
                top(children, strategy, intensity=100),
                *(step for reason in REASONS for step in (end("b", reason), *back)),
                error("b"),
                *back,
                stop("top"),
            )
    for restart in RESTARTS:
        labels = [f"x{number}" for number in range(len(REASONS) + 1)]
        yield scenario(
            f"simple_one_for_one: a {restart} child ends",
            top([trapping("child", restart)], "simple_one_for_one", intensity=100),
            *(start_child("top", label) for label in labels),
            *(end(label, reason) for label, reason in zip(labels, REASONS, strict=False)),
            error(labels[-1]),
            start_child("top", "last"),
            stop("top"),
        )


# ---------------------------------------------------------------------------------------- group restarts


def groups() -> Iterable[Data]:
    """Who goes down with whom, and in which order."""
    odd = ["z", "b", "y", "a", "x"]
    for strategy in STRATEGIES[:3]:
        yield scenario(
            f"{strategy}: the order is that of the list, not of the ids",
            top([trapping(label) for label in odd], strategy),
            crash("y"), end("x", KILL), crash("z"), stop("top"),
        )  # fmt: skip
        yield scenario(
            f"{strategy}: children added while it runs come last",
            top([trapping("m")], strategy),
            start_child("top", trapping("k")),
            start_child("top", trapping("a", "transient")),
            start_child("top", trapping("t", "temporary")),
            crash("k"), crash("m"), crash("a"), stop("top"),
        )  # fmt: skip
    for strategy in ("one_for_all", "rest_for_one"):
        yield scenario(
            f"{strategy}: bystanders: temporary ones go for good, transient and stopped ones come back",
            top(
                [
                    worker("a"),
                    trapping("t", "temporary"),
                    trapping("b", "transient"),
                    worker("c"),
                    worker("d"),
                ],
                strategy,
            ),
            terminate_child("top", "c"),
            end("b", "normal"),
            terminate_child("top", "d"),
            crash("a"),
            start_child("top", trapping("t", "temporary")),
            crash("c"),
            stop("top"),
        )
        yield scenario(
            f"{strategy}: a temporary child that dies takes nobody with it",
            top([trapping("a"), worker("t", "temporary"), trapping("b")], strategy),
            crash("t"), crash("b"), stop("top"),
        )  # fmt: skip
        yield scenario(
            f"{strategy}: bystanders that leave with reasons of their own",
            top(
                [
                    worker("a"),
                    worker("b", options={"trap": True, "last": "own"}),
                    worker("c", "transient", options={"trap": True, "last": "normal"}),
                    worker("d", "transient", options={"trap": True, "last": X}),
                    worker("e", "transient", options={"trap": True, "last": "stuck"}, shutdown=20),
                ],
                strategy,
            ),
            crash("a"), end("e", KILL),
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ nested


def nested() -> Iterable[Data]:
    """Supervisors below supervisors."""
    for outer in STRATEGIES[:3]:
        for inner in STRATEGIES[:3]:
            tree = top(
                [
                    trapping("a"),
                    supervisor(
                        "s", [trapping("x"), trapping("y"), worker("z", "transient")], inner, intensity=1
                    ),
                    trapping("b"),
                ],
                outer,
            )
            yield scenario(
                f"nested: {inner} below {outer}",
                tree,
                start_child("s", trapping("added")),
                crash("x"),
                crash("added"),
                crash("a"),
                end("s", KILL),
                crash("b"),
                stop("top"),
            )
    yield scenario(
        "nested: a middle supervisor is killed with a tree below it",
        top(
            [
                supervisor("s", [trapping("x"), supervisor("u", [trapping("p"), worker("q")]), worker("y")]),
                trapping("a"),
            ]
        ),
        end("s", KILL), end("u", KILL), crash("q"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "nested: three levels, each exhausts its restarts",
        top(
            [supervisor("s", [supervisor("u", [trapping("p"), trapping("q")], intensity=0)], intensity=1)],
            intensity=1,
        ),
        crash("p"), crash("q"), crash("p"), crash("q"), crash("p"), crash("q"),
    )  # fmt: skip
    for restart in RESTARTS:
        yield scenario(
            f"nested: a {restart} supervisor exhausts its restarts",
            top(
                [trapping("a"), supervisor("s", [trapping("x")], intensity=1, restart=restart)], "one_for_all"
            ),
            crash("x"), crash("x"), restart_child("top", "s"), crash("a"),
        )  # fmt: skip
    yield scenario(
        "nested: a simple_one_for_one supervisor below rest_for_one loses its children with its restart",
        top(
            [trapping("a"), supervisor("pool", [trapping("child")], "simple_one_for_one"), worker("b")],
            "rest_for_one",
        ),
        start_child("pool", "x1"), start_child("pool", "x2"), crash("x1"), crash("a"),
        start_child("pool", "x3"), end("pool", KILL), start_child("pool", "x4"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "nested: a supervisor that is stopped from outside is restarted by its type",
        top([supervisor("s", [trapping("x")]), supervisor("t", [trapping("y")], restart="transient")]),
        stop("s", "normal"), stop("s", "shutdown"), stop("s", "boom"),
        stop("t", "boom"), stop("t", "shutdown"), restart_child("top", "t"), stop("t", "normal"),
    )  # fmt: skip


# -------------------------------------------------------------------------------------- failing restarts


def failing() -> Iterable[Data]:
    """Restarts that fail, and what can be done meanwhile."""
    ways = ["fail", "raise", "garbage", "init_raises", "init_exits", "init_returns_garbage"]
    yield scenario(
        "failing: every way for a restart to fail, then it succeeds",
        top([trapping("a"), trapping("b")], intensity=100),
        *(step for way in ways for step in (plan("b", way, way), crash("b"))),
        plan("b", *ways),
        end("b", KILL),
        stop("top"),
    )
    for strategy in STRATEGIES[:3]:
        yield scenario(
            f"failing, {strategy}: another child fails in the group restart",
            top([trapping("a"), trapping("b"), trapping("c")], strategy),
            plan("b", "fail", "fail"), crash("a"),
            plan("c", "fail"), crash("b"),
            plan("c", "fail"), plan("a", "ok", "fail"), crash("a"),
            stop("top"),
        )  # fmt: skip
        yield scenario(
            f"failing, {strategy}: until the restarts are exhausted",
            top([trapping("a"), trapping("b"), trapping("c")], strategy, intensity=3),
            plan("b", *["fail"] * 9), crash("b"), start_child("top", worker("late")),
        )  # fmt: skip
        held = ["hold"] * 9
        yield scenario(
            f"failing, {strategy}: requests while a child is restarting",
            top([trapping("a"), trapping("b"), trapping("c")], strategy, intensity=100),
            plan("b", *held), crash("b"),
            call("which_children", "top"), call("count_children", "top"), start_child("top", trapping("b")),
            restart_child("top", "b"), delete_child("top", "b"), call("get_childspec", "top", id="b"),
            release("b", "fail"),
            terminate_child("top", "b"), call("which_children", "top"), restart_child("top", "b"),
            release("b", "fail"), release("b"),
            plan("b"), restart_child("top", "c"), stop("top"),
        )  # fmt: skip
        yield scenario(
            f"failing, {strategy}: stopped while a child is restarting",
            top([trapping("a"), trapping("b"), trapping("c")], strategy, intensity=100),
            plan("b", *held), crash("b"), stop("top"), release("b", "fail"),
        )  # fmt: skip
        yield scenario(
            f"failing, {strategy}: a restart that is ignored",
            top([trapping("a"), trapping("b", "transient"), trapping("c")], strategy),
            plan("b", "ignore"), crash("b"), crash("a"), plan("a", "ignore"), crash("a"),
            restart_child("top", "a"), delete_child("top", "b"), stop("top"),
        )  # fmt: skip
    yield scenario(
        "failing, simple_one_for_one: restarts fail, then succeed",
        top([trapping("child")], "simple_one_for_one"),
        start_child("top", "x1"), start_child("top", "x2"),
        plan("x1", "fail", "garbage", "init_raises"), crash("x1"), crash("x2"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "failing, simple_one_for_one: until the restarts are exhausted",
        top([trapping("child")], "simple_one_for_one", intensity=2),
        start_child("top", "x1"), start_child("top", "x2"), plan("x2", *["fail"] * 5), crash("x2"),
    )  # fmt: skip
    yield scenario(
        "failing, simple_one_for_one: a restarting child is terminated by its old pid",
        top([trapping("child")], "simple_one_for_one", intensity=100),
        start_child("top", "x1"), start_child("top", "x2"), plan("x1", "hold", "hold", "hold"), crash("x1"),
        call("which_children", "top"), call("count_children", "top"), release("x1", "fail"),
        terminate_pid("top", "x1"), restart_child("top", "child"), delete_child("top", "child"),
        release("x1", "fail"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "restart, simple_one_for_one: ignored",
        top([trapping("child")], "simple_one_for_one"),
        start_child("top", "x1"), start_child("top", "x2"), plan("x1", "ignore"), crash("x1"),
        call("count_children", "top"), plan("x2", "fail", "ignore"), crash("x2"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "failing: a supervisor whose child fails at its restart is tried again by its parent",
        top([supervisor("s", [trapping("x"), trapping("y")], intensity=0), trapping("a")], "one_for_all"),
        plan("y", "fail", "fail"), crash("x"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "failing: every way for a supervisor's restart to fail",
        top([supervisor("s", [trapping("x")], intensity=0), trapping("a")], intensity=100),
        plan("s", "fail", "init_raises", "init_exits", "init_returns_garbage", "raise", "garbage"),
        crash("x"),
        plan("s", "extra"), crash("x"),
        plan("s", "ignore"), crash("x"), restart_child("top", "s"), stop("top"),
    )  # fmt: skip


# ------------------------------------------------------------------------------------- restart intensity


def intensity() -> Iterable[Data]:
    """Too many restarts."""
    for strategy in STRATEGIES[:3]:
        for limit in (0, 1, 2):
            yield scenario(
                f"intensity {limit}, {strategy}: one more than that ends it",
                top([trapping("a"), trapping("b"), trapping("c")], strategy, intensity=limit),
                *(crash(child) for child in "abca"[: limit + 1]),
                call("which_children", "top"),
            )
    yield scenario(
        "intensity, simple_one_for_one: shared by all children",
        top([trapping("child")], "simple_one_for_one", intensity=2),
        *(start_child("top", label) for label in ("x1", "x2", "x3")),
        crash("x1"), crash("x2"), crash("x3"),
    )  # fmt: skip
    yield scenario(
        "intensity: requests and ends without a restart do not count",
        top([trapping("a"), trapping("b", "transient"), worker("t", "temporary")], intensity=1),
        *[terminate_child("top", "a"), restart_child("top", "a")] * 3,
        end("b", "normal"), restart_child("top", "b"), end("b", X), restart_child("top", "b"),
        end("t", KILL), start_child("top", worker("t", "temporary")), crash("t"),
        plan("n", "fail"), start_child("top", worker("n")), crash("a"), crash("b"),
    )  # fmt: skip
    yield scenario(
        "intensity: a permanent child's clean ends count",
        top([trapping("a"), trapping("b")], intensity=2),
        end("a", "normal"), end("a", "shutdown"), end("b", X),
    )  # fmt: skip
    yield scenario(
        "intensity: a restarted supervisor begins with an empty window",
        top([supervisor("s", [trapping("x")], intensity=1)], intensity=5),
        *[crash("x")] * 6,
    )


# ------------------------------------------------------------------------------------------- significant


def significant() -> Iterable[Data]:
    """Automatic shutdown."""
    for mode in ("never", "any_significant", "all_significant"):
        for restart in ("transient", "temporary"):
            mark = {} if mode == "never" else {"significant": True}
            marked = [worker("b", restart, **mark), worker("c", restart, **mark)]
            for reason in ("normal", "boom", KILL):
                yield scenario(
                    f"auto_shutdown {mode}: a {restart} child ends: {reason}",
                    top([trapping("a"), *marked, trapping("d")], auto_shutdown=mode),
                    end("b", reason), end("b", reason), end("c", reason), end("c", "normal"),
                )  # fmt: skip
    for strategy in ("one_for_all", "rest_for_one"):
        yield scenario(
            f"auto_shutdown, {strategy}: bystanders and terminate_child never trigger it",
            top(
                [
                    worker("a"),
                    worker("b", "transient", significant=True),
                    worker("c", "temporary", significant=True),
                    worker("d", "transient", significant=True),
                ],
                strategy,
                auto_shutdown="any_significant",
            ),
            crash("a"), terminate_child("top", "b"), restart_child("top", "b"), terminate_child("top", "d"),
            delete_child("top", "d"), start_child("top", worker("e", "temporary", significant=True)),
            terminate_child("top", "e"), end("b", "normal"),
        )  # fmt: skip
    for marked in (True, False):
        yield scenario(
            f"auto_shutdown: the inner end is {'' if marked else 'not '}significant for the outer",
            top(
                [
                    trapping("a"),
                    supervisor(
                        "s",
                        [trapping("x"), worker("y", "transient", significant=True)],
                        auto_shutdown="any_significant",
                        restart="transient",
                        significant=marked,
                    ),
                ],
                auto_shutdown="any_significant",
            ),
            crash("y"), end("y", "normal"), call("which_children", "top"),
        )  # fmt: skip
    yield scenario(
        "auto_shutdown: a permanent supervisor that shuts itself down is restarted",
        top([supervisor("s", [worker("y", "temporary", significant=True)], auto_shutdown="all_significant")]),
        end("y", "normal"), crash("y"),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------- run-time API


def api() -> Iterable[Data]:
    """Children added, stopped, started again and forgotten."""
    for restart in RESTARTS:
        yield scenario(
            f"api: the life of a {restart} child",
            top([worker("a")]),
            start_child("top", trapping("b", restart)),
            start_child("top", trapping("b", restart)),
            call("get_childspec", "top", id="b"),
            restart_child("top", "b"), delete_child("top", "b"),
            terminate_child("top", "b"), terminate_child("top", "b"),
            start_child("top", trapping("b", restart)),
            restart_child("top", "b"), terminate_child("top", "b"),
            delete_child("top", "b"), delete_child("top", "b"),
            restart_child("top", "b"), terminate_child("top", "b"), call("get_childspec", "top", id="b"),
            start_child("top", trapping("b", restart)), terminate_pid("top", "b"),
        )  # fmt: skip
        yield scenario(
            f"api: starts of a {restart} child that go otherwise",
            top([worker("a")]),
            *(
                step
                for how in ("ignore", "extra", "fail", "raise", "garbage", "init_raises", "init_exits",
                            "init_returns_garbage")
                for step in (
                    plan("b", how), start_child("top", worker("b", restart)),
                    terminate_child("top", "b"), plan("b", how), restart_child("top", "b"), plan("b"),
                    terminate_child("top", "b"), delete_child("top", "b"),
                )
            ),
            stop("top"),
        )  # fmt: skip
    yield scenario(
        "api, simple_one_for_one: every request",
        top([trapping("child")], "simple_one_for_one"),
        start_child("top", "x1"), start_child("top", "x2"),
        terminate_child("top", "child"), restart_child("top", "child"), delete_child("top", "child"),
        terminate_pid("top", "x1"), terminate_pid("top", "x1"), terminate_pid("top", "top"),
        call("get_childspec", "top", id="child"), call("get_childspec", "top", pid="x2"),
        call("get_childspec", "top", id="unknown"),
        *(
            step
            for how in ("ignore", "extra", "fail", "raise", "garbage", "init_raises", "init_exits")
            for step in (plan("x3", how), start_child("top", "x3"), terminate_pid("top", "x3"))
        ),
        stop("top"), start_child("top", "x4"),
    )  # fmt: skip
    yield scenario(
        "api, simple_one_for_one: supervisors as children are counted as such",
        top([supervisor("child", [worker("inner")], restart="transient")], "simple_one_for_one"),
        call("count_children", "top"), start_child("top", "s1"), crash("inner"), end("s1", KILL),
        terminate_pid("top", "s1"), stop("top"),
    )  # fmt: skip
    yield scenario(
        "api, simple_one_for_one: a foreign process is not found and not touched",
        top(
            [
                worker("a"),
                supervisor("pool", [trapping("child", "temporary")], "simple_one_for_one"),
                supervisor("other", [trapping("child2")], "simple_one_for_one"),
            ]
        ),
        start_child("pool", "x1"), start_child("other", "x2"),
        terminate_pid("pool", "a"), terminate_pid("pool", "x2"), call("get_childspec", "pool", pid="a"),
        crash("x1"), terminate_pid("pool", "x1"), terminate_pid("pool", "x2"),
    )  # fmt: skip
    yield scenario(
        "api: a supervisor that is gone, or never was",
        top([worker("a")]),
        stop("top", "normal"),
        start_child("top", worker("b")), terminate_child("top", "a"), restart_child("top", "a"),
        delete_child("top", "a"), call("which_children", "top"), call("count_children", "top"),
        call("get_childspec", "top", id="a"), stop("top"), call("which_children", "nowhere"),
    )  # fmt: skip
    yield scenario(
        "api: which_child",
        top([worker("a"), supervisor("s", [])]),
        call("which_child", "top", id="a"), call("which_child", "top", id="b"),
        terminate_child("top", "a"), call("which_child", "top", id="a"), call("which_child", "top", id="s"),
    )  # fmt: skip
    yield scenario(
        "api: what becomes of requests in the queue when the supervisor is killed",
        top([trapping("a"), trapping("b")]),
        plan("a", "hold"), crash("a"), start_child("top", worker("c")), call("which_children", "top"),
        end("top", KILL),
    )  # fmt: skip
    yield scenario(
        "api: specs written out",
        top(
            [
                worker("a"),
                worker("b", "transient", shutdown="brutal_kill"),
                worker("c", "temporary", shutdown=0, type="supervisor"),
                supervisor("s", [], shutdown=100),
                supervisor("t", [], restart="temporary"),
                worker("d", shutdown="infinity"),
            ]
        ),
        *(call("get_childspec", "top", id=child) for child in "abcstd"),
    )


# ---------------------------------------------------------------------------------- starts, stops, signals


def starts() -> Iterable[Data]:
    """How the whole begins, or does not."""
    family = [trapping("a"), trapping("b"), trapping("c")]
    for how in ("ignore", "init_raises", "init_returns_garbage", "fail"):
        yield scenario(f"start: the root's init: {how}", {**top(family), "first": {"top": [how]}})
    for how in ("fail", "raise", "garbage", "init_raises", "init_exits", "init_returns_garbage"):
        yield scenario(f"start: the second child: {how}", {**top(family), "first": {"b": [how]}})
    tree = top(
        [trapping("a"), supervisor("s", [trapping("x"), supervisor("u", [trapping("p"), trapping("q")])])]
    )
    yield scenario("start: a child two levels down fails", {**tree, "first": {"q": ["fail"]}})
    yield scenario("start: a supervisor in the tree is ignored", {**tree, "first": {"s": ["ignore"]}},
                   restart_child("top", "s"), stop("top"))  # fmt: skip
    for restart in RESTARTS:
        yield scenario(
            f"start: a {restart} child is ignored",
            {**top([trapping("a"), trapping("b", restart), worker("c")]), "first": {"b": ["ignore"]}},
            restart_child("top", "b"), crash("a"), stop("top"),
        )  # fmt: skip
    yield scenario("start: no children", top([]), stop("top"))


def stops() -> Iterable[Data]:
    """How the whole ends, and signals that do not end it."""
    last = [
        trapping("a"),
        worker("b"),
        worker("c", options={"trap": True, "last": "own"}),
        worker("d", options={"trap": True, "last": "stuck"}, shutdown=30),
        worker("e", options={"trap": True, "last": "stuck"}, shutdown="brutal_kill"),
        worker("g", options={"unlink": True}),
        worker("h", "transient", options={"trap": True, "last": "normal"}),
        worker("i", options={"trap": True, "last": "normal"}, shutdown="infinity"),
        worker("j", "temporary", options={"trap": True, "last": X}),
        supervisor("s", [trapping("x"), worker("y", options={"trap": True, "last": "own"})]),
    ]
    for strategy in STRATEGIES[:3]:
        yield scenario(f"stop, {strategy}: children of every kind", top(last, strategy), stop("top"))
    yield scenario(
        "stop: a permanent child leaves with {shutdown, x}",
        top([worker("a", options={"trap": True, "last": X})]),
        terminate_child("top", "a"),
    )
    yield scenario("stop: one by one", top(last), *(terminate_child("top", child["id"]) for child in last))
    for reason in ("normal", "shutdown", X, "boom", KILL):
        yield scenario(
            f"stop: its parent leaves: {reason}",
            top([trapping("a"), supervisor("s", [trapping("x")]), worker("b")]),
            leave(reason),
        )
        yield scenario(
            f"stop: from outside: {reason}",
            top([trapping("a"), supervisor("s", [trapping("x")]), worker("b")]),
            *([end("top", KILL)] if reason == KILL else [stop("top", reason)]),
        )
    for options, name in (
        ({}, "obey"),
        ({"last": "own"}, "leave as they like"),
        ({"last": "stuck"}, "are stuck"),
    ):
        for limit in (20, "brutal_kill"):
            if options != {"last": "own"} or limit == 20:
                yield scenario(
                    f"stop, simple_one_for_one: children {name}, shutdown {limit}",
                    top(
                        [worker("child", options={"trap": True, **options}, shutdown=limit)],
                        "simple_one_for_one",
                    ),
                    *(start_child("top", label) for label in ("x1", "x2", "x3")),
                    terminate_pid("top", "x2"),
                    stop("top"),
                )
    yield scenario(
        "signals: a stranger's signals and messages do not harm a supervisor",
        top([worker("a"), trapping("b"), supervisor("s", [trapping("x")])]),
        signal("top", "shutdown"), signal("top", "normal"), signal("s", "boom"), send("top"), send("s"),
        signal("a", "normal"), signal("b", "boom"), signal("a", "boom"), signal("a", "shutdown"), crash("x"),
    )  # fmt: skip
    yield scenario(
        "signals: a child that removed its link is not seen to end",
        top([worker("a", options={"unlink": True}), worker("b")], "one_for_all"),
        crash("a"), terminate_child("top", "a"), restart_child("top", "a"), crash("b"), stop("top"),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- wrong specs


def wrong() -> Iterable[Data]:
    """Wrong flags and wrong specs."""
    flags: list[tuple[str, object]] = [
        ("strategy", "one_by_one"), ("intensity", -1), ("intensity", 1.5), ("intensity", "infinity"),
        ("period", 0), ("period", -1), ("period", "infinity"), ("auto_shutdown", "always"),
    ]  # fmt: skip
    for key, value in flags:
        yield scenario(f"wrong flags: {key} {value}", flagged({key: value}, [worker("a")]))
    yield scenario("wrong flags: no flags at all", flagged(42, [worker("a")]))
    yield scenario("wrong flags: none is needed", flagged({}, [worker("a")]), crash("a"), crash("a"))
    for number in (0, 2):
        children = [worker(f"a{n}") for n in range(number)]
        yield scenario(
            f"wrong flags: simple_one_for_one with {number} specs", top(children, "simple_one_for_one")
        )
    yield scenario(
        "wrong flags: simple_one_for_one with auto_shutdown",
        top([worker("a", "temporary")], "simple_one_for_one", auto_shutdown="any_significant"),
    )
    yield scenario("wrong flags: a key that is not known", flagged({"strategy": "one_for_all", "size": 3}))
    specs: list[tuple[str, Data]] = [
        ("no id", {"restart": "sometimes"}),
        ("no start", {"id": "b", "start": "missing", "restart": "sometimes"}),
        ("a start that is none", {"id": "b", "start": "begin"}),
        ("restart", worker("b", "sometimes")),
        ("shutdown below 0", worker("b", shutdown=-1)),
        ("shutdown word", worker("b", shutdown="gently")),
        ("type", worker("b", type="boss")),
        ("modules", worker("b", modules="static")),
        ("module", worker("b", modules=["fine", 42])),
        ("several faults", worker("b", "sometimes", shutdown=-1, type="boss")),
        ("a key that is not known", worker("b", colour="red")),
        ("significant word", worker("b", "transient", significant="very")),
        ("significant and permanent", worker("b", "permanent", significant=True)),
        ("significant and no restart", worker("b", significant=True)),
        ("significant without auto_shutdown", worker("b", "transient", significant=True)),
        ("no spec", {"raw": 42}),
        ("the same id twice", worker("a")),
    ]
    for name, child in specs:
        yield scenario(
            f"wrong spec: {name}",
            top([trapping("a"), child]),
        )
        yield scenario(
            f"wrong spec given later: {name}",
            top([trapping("a"), supervisor("s", [trapping("x")], auto_shutdown="any_significant")]),
            start_child("top", child), start_child("s", child), check([child]), check([worker("a"), child]),
            check([child], "any_significant"), check([child], "never"), stop("top"),
        )  # fmt: skip
    yield scenario("wrong spec: a spec instead of a list is checked", top([]), check(worker("a")), check([]))
    yield scenario(
        "right specs: all that is allowed",
        top([]),
        *(
            check([worker("a", restart, shutdown=shutdown, type=kind, modules=modules)])
            for restart in RESTARTS
            for shutdown in (0, 1000, "infinity", "brutal_kill")
            for kind in ("worker", "supervisor")
            for modules in ("dynamic", [], ["m"], ["m", "n"])
        ),
    )


# --------------------------------------------------------------------------------------------- reports


def reports() -> Iterable[Data]:
    """Progress reports, which other scenarios leave out."""
    yield scenario(
        "reports: progress",
        top([worker("a"), supervisor("s", [worker("x")])]),
        crash("a"), start_child("top", worker("b")), terminate_child("top", "b"), restart_child("top", "b"),
        crash("b"),
        progress=True,
    )  # fmt: skip
    yield scenario(
        "reports: progress, simple_one_for_one",
        top([worker("child")], "simple_one_for_one"),
        start_child("top", "x1"), crash("x1"),
        progress=True,
    )  # fmt: skip


GROUPS = {
    function.__name__: list(function())
    for function in (
        ends,
        groups,
        nested,
        failing,
        intensity,
        significant,
        api,
        starts,
        stops,
        wrong,
        reports,
    )
}


# ------------------------------------------------------------------------------------------------ files


def written(scenarios: list[Data], traces: list[list[Step]]) -> str:
    """Return a group's file: each scenario and its trace, a line for each step and each event."""
    entries = []
    for one, trace in zip(scenarios, traces, strict=True):
        parts = [f" {json.dumps(key)}: {_laid_out(value)}" for key, value in {**one, "trace": trace}.items()]
        entries.append("{\n" + ",\n".join(parts) + "\n}")
    return "[\n" + ",\n".join(entries) + "\n]\n"


def _laid_out(value: object) -> str:
    if isinstance(value, list):
        inner = ",\n".join(f"  {_step(item) if _is_step(item) else json.dumps(item)}" for item in value)
        return f"[\n{inner}\n ]" if value else "[]"
    return json.dumps(value, ensure_ascii=False)


def _is_step(item: object) -> bool:
    return isinstance(item, dict) and "events" in item


def _step(step: Step) -> str:
    return json.dumps(step, indent=1, ensure_ascii=False).replace("\n", "\n  ")


def read(group: str) -> list[Data]:
    """Return a group's scenarios with their traces."""
    found: list[Data] = json.loads((FOLDER / f"{group}.json").read_text(encoding="utf-8"))
    return found
