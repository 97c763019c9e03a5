"""Job classes by registered name."""

from __future__ import annotations

import sys
import types

import pytest

from roger_actors.errors import InvalidJob, UnknownJobClass
from roger_actors.roger.jobs.job import Job
from roger_actors.roger.jobs.registry import Registry
from roger_actors.roger.jobs.versions import is_known


class Square(Job):
    def perform(self, args): ...


class Named(Job):
    job_name = "named"

    def perform(self, args): ...


@pytest.fixture
def module(monkeypatch):
    def put(name, **attributes):
        made = types.ModuleType(name)
        vars(made).update(attributes)
        monkeypatch.setitem(sys.modules, name, made)
        return name

    return put


def test_the_job_classes_of_the_listed_modules_are_known_by_name(module):
    registry = Registry.load(
        [module("one", Job=Job, Square=Square, number=7, int=int), module("two", Named=Named)]
    )

    assert registry.names == ["named", f"{__name__}.Square"]
    assert registry.find("named") is Named


def test_a_class_may_be_listed_twice(module):
    assert len(Registry.load([module("one", A=Square, B=Square), module("two", C=Square)]).names) == 1


@pytest.mark.roger_fault("payload runs code")
def test_a_name_that_is_not_registered_is_refused_and_nothing_is_imported():
    with pytest.raises(
        UnknownJobClass, match=r"no job class is registered as 'antigravity.Fly' on this node"
    ):
        Registry([Square]).find("antigravity.Fly")
    assert "antigravity" not in sys.modules


def test_two_classes_of_one_name_are_refused_with_both_their_places():
    other = type("Other", (Named,), {"job_name": "named"})

    with pytest.raises(InvalidJob, match=r"named: .*Other and .*Named both have this name"):
        Registry([Named, other])


def test_a_module_without_jobs_is_refused(module):
    with pytest.raises(InvalidJob, match="module empty: has no job class"):
        Registry.load([module("empty", Job=Job)])


def test_a_class_without_perform_cannot_be_registered():
    with pytest.raises(InvalidJob, match=r"defines no perform\(self, args\)"):
        Registry([type("Base", (Job,), {})])


class Versioned(Job):
    job_name = "versioned"
    version = 12

    @classmethod
    def upcast(cls, args, from_version):
        return args

    def perform(self, args): ...


def test_a_job_of_a_newer_version_than_the_class_is_not_known():
    registry = Registry([Versioned])

    assert registry.find("versioned", 1) is registry.find("versioned", 12) is Versioned
    with pytest.raises(UnknownJobClass, match=r"'versioned' has version 12 on this node, .* version 13"):
        registry.find("versioned", 13)


def test_a_registry_says_what_its_host_can_run():
    known = Registry([Versioned, Named]).known

    assert known == ["named", "versioned", "versioned@12"]
    assert [version for version in range(1, 20) if is_known(known, "versioned", version)] == [*range(1, 13)]
    assert [version for version in (1, 2) if is_known(known, "named", version)] == [1]
    assert not is_known(known, "other", 1)
    assert not is_known(["odd@name", "versioned@x"], "odd", 2)
