"""Whose long jobs run nowhere any more."""

from __future__ import annotations

from typing import Any, cast

import attrs

from roger_actors.roger.kernel import Kernel
from roger_actors.roger.worker_pool.long_jobs import Record, orphans


@attrs.frozen
class Me:
    """What of a kernel counts here."""

    node: str = "n1"
    run: str = "r1"
    incarnation: str = "i1"


def record(**changes: Any) -> Record:
    values = {"node": "n2", "run": "r2", "incarnation": "i2", **changes}
    return Record("acme-default", "acme", "job", b"", {}, **values)


def found(one: Record, *, kernels: tuple[str, ...] = (), mine: tuple[str, ...] = ()) -> bool:
    return orphans([one], kernels, cast(Kernel, Me()), mine) == [one]


def test_the_job_of_a_kernel_host_without_an_entry_runs_nowhere():
    assert found(record())
    assert not found(record(), kernels=("n2/i2",))


def test_a_new_run_under_the_same_name_does_not_make_the_old_one_s_job_its_own():
    assert not found(record(node="n1"), kernels=("n1/i2",))
    assert found(record(node="n1"), kernels=("n1/i3",))


def test_the_job_of_an_earlier_kernel_host_of_this_run_is_dead_whatever_its_entry_says():
    assert found(record(node="n1", run="r1"), kernels=("n1/i2",))


def test_a_job_of_this_kernel_host_is_an_orphan_only_if_nobody_here_knows_it():
    own = record(node="n1", run="r1", incarnation="i1")

    assert not found(own, mine=("acme/job",))
    assert found(own, kernels=("n1/i1",))
