"""The tree of errors: drawn as it is, each with named data, each able to cross processes."""

from __future__ import annotations

import pickle
import re
import string

import pytest

from roger_actors import errors
from roger_actors.errors import RogerActorsError

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RogerActorsError)
]


def drawn_parents() -> dict[str, str]:
    """Return each class of the drawing in the module's docstring with its parent."""
    drawing = (errors.__doc__ or "").split("```")[1]
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in drawing.strip().splitlines():
        found = re.match(r"(?P<branch>[│ ]*(?:[├└]── )?)(?P<name>\w+)", line)
        assert found, line
        depth = len(found["branch"]) // 4
        path[depth:] = [found["name"]]
        if depth:
            parents[found["name"]] = path[depth - 1]
    return parents


def data_of(kind: type[RogerActorsError]) -> dict[str, object]:
    fields = [name for _, name, _, _ in string.Formatter().parse(kind.template) if name]
    return {re.split(r"[.\[!:]", field)[0]: 7 for field in fields}


def make(kind: type[RogerActorsError]) -> RogerActorsError:
    data = data_of(kind)
    if "problems" in data:
        data["problems"] = [errors.ConfigError(key="a.b", value=1, expected="text")]
    return kind(**data)


def test_the_drawing_shows_every_class_under_its_parent() -> None:
    classes = {kind.__name__: kind.__bases__[0].__name__ for kind in KINDS if kind is not RogerActorsError}

    assert drawn_parents() == classes


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling(kind: type[RogerActorsError]) -> None:
    error = make(kind)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.data.keys() == error.data.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_one_line(kind: type[RogerActorsError]) -> None:
    assert "\n" not in str(make(kind))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_datum_of_a_message_is_named_in_the_docstring(kind: type[RogerActorsError]) -> None:
    if "template" not in vars(kind) or kind is RogerActorsError:
        return

    missing = [name for name in data_of(kind) if f"`{name}`" not in (kind.__doc__ or "")]

    assert not missing
