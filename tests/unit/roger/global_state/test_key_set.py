"""Sets of keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.errors import UndecodableJob
from roger_actors.roger.global_state.key_set import KeySet


@pytest.mark.roger_line(4)
def test_a_key_is_contained_from_its_adding_to_its_removal():
    keys = KeySet()

    keys.add("a")
    assert keys.contains("a")
    assert "a" in keys

    keys.remove("a")
    keys.remove("a")
    assert not keys.contains("a")


@pytest.mark.roger_line(4)
def test_many_keys_are_added_at_once():
    keys = KeySet(["a"])

    keys.add_many(["b", "a", "c"])

    assert list(keys) == ["a", "b", "c"]
    assert len(keys) == 3


@pytest.mark.roger_line(4)
def test_union_and_difference_change_the_first_only():
    first, second = KeySet("ab"), KeySet("bc")

    first.union(second)
    assert (first, second) == (KeySet("abc"), KeySet("bc"))

    first.difference(second)
    assert (first, second) == (KeySet("a"), KeySet("bc"))


@pytest.mark.roger_line(4)
@given(st.sets(st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_was_saved_loads_equal(keys):
    assert KeySet.load(KeySet(keys).save()) == KeySet(keys)


@pytest.mark.parametrize("saved", [b"", b"{}", b"[1]", b"\xff"])
def test_what_was_not_saved_is_refused(saved):
    with pytest.raises(UndecodableJob, match="a saved key set is a JSON array of strings"):
        KeySet.load(saved)


def test_a_key_set_shows_its_keys_and_is_no_dictionary_key():
    assert repr(KeySet("ba")) == "KeySet(['a', 'b'])"
    assert KeySet("a") != {"a"}
    with pytest.raises(TypeError):
        hash(KeySet())
