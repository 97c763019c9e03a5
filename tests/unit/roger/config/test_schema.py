"""The schema for editors: shipped as it is generated, and of one mind with what reads the file."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from roger_actors.errors import InvalidConfig
from roger_actors.otp import BEHAVIOURS
from roger_actors.roger.config import SCHEMA_FILE, Config
from roger_actors.roger.config.schema import rendered, schema

DOCS = Path(__file__).parents[4] / "docs"
VALIDATOR = Draft7Validator(schema())
NODE = {"name": "a", "broker": "embedded:a.db"}


def takes(tables) -> bool:
    return VALIDATOR.is_valid(tables)


def reads(tables) -> bool:
    try:
        Config.from_mapping(tables, environ={"X": "1"})
    except InvalidConfig:
        return False
    return True


def test_the_shipped_file_is_what_the_code_means():
    text = SCHEMA_FILE.read_text()

    assert text == rendered(), "write it anew: python -m roger_actors.roger.config.schema"


def test_it_is_a_schema():
    Draft7Validator.check_schema(schema())


EXAMPLES = {path.name: path.read_text() for path in (DOCS / "examples").rglob("*.toml")}
FENCED = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = {
    f"{page.relative_to(DOCS / 'pages')}-{number}": block
    for page in (DOCS / "pages").rglob("*.md")
    for number, block in enumerate(
        re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    )
    if "--8<--" not in block
}


@pytest.mark.parametrize("text", [*EXAMPLES.values(), *BLOCKS.values()], ids=[*EXAMPLES, *BLOCKS])
def test_every_example_of_the_docs_is_good(text):
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(tomllib.loads(text))]

    assert errors == []


WRONG = [None, -1, 0, 1, 0.5, True, "", "word", "a.b:c", [], ["a"], {}, {"a": 1}, 10**12]


CHILDREN = {
    "server": {"id": "mine", "start": "a.b:c"},
    **{name: {"id": name, "start": name} for name in BEHAVIOURS},
    "Supervisor": {"id": "mine", "start": "Supervisor", "strategy": "one_for_one", "children": []},
    "PartitionSupervisor": {
        "id": "mine",
        "start": "PartitionSupervisor",
        "child": {"id": "a", "start": "a.b:c"},
    },
    "Agent": {"id": "mine", "start": "Agent", "function": "a.b:c"},
}


def with_setting(path, value):
    tables = {"node": dict(NODE)}
    if path[0] == "children" and len(path) > 1:
        place = dict(CHILDREN[path[1]])
        tables["children"] = [place]
    else:
        place = tables
        for key in path[:-1]:
            place = place.setdefault(key, {})
    if value is None:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    return tables


def settings():
    properties = VALIDATOR.schema["properties"]
    yield from (("node", key) for key in properties["node"]["properties"])
    for name, flags in properties["supervision"]["properties"].items():
        yield from (("supervision", name, key) for key in flags["properties"])
    for name in CHILDREN:
        for key in VALIDATOR.schema["definitions"][name]["properties"]:
            yield "children", name, key
    yield from [("logging", "level"), ("partitions", "acme", "queues", "default"), ("application", "env")]
    yield from [("node",), ("partitions", "acme", "queues"), ("children",), ("unknown",), ("node", "unknown")]


ALONE = {"significant": [True], "node": [None]}
"""What the schema takes and the reader does not: a significant child here is permanent, and a file of an
application alone has no node."""


@pytest.mark.parametrize("path", list(settings()), ids=lambda path: ".".join(map(str, path)))
def test_it_takes_a_setting_when_the_reader_does(path):
    words = ["permanent", "transient", "worker", "own", "same", "app", "brutal_kill", "infinity", "dynamic"]
    words += [
        "one_for_one",
        "one_for_all",
        "never",
        "unique",
        "quorum",
        "INFO",
        "512 MiB",
        "amqp://localhost",
    ]
    different = []
    for value in [*WRONG, *words]:
        tables = with_setting(path, value)
        if takes(tables) != reads(tables):
            different.append(value)

    assert different == ALONE.get(path[-1], [])


@pytest.mark.parametrize(
    ("strategy", "auto_shutdown"),
    list(itertools.product(["one_for_one", "simple_one_for_one", "x"], ["never", "any_significant", "y"])),
)
def test_it_knows_the_words_of_flags(strategy, auto_shutdown):
    tables = with_setting(("supervision", "children", "strategy"), strategy)
    tables["supervision"]["children"]["auto_shutdown"] = auto_shutdown

    assert takes(tables) == (strategy != "x" and auto_shutdown != "y")
