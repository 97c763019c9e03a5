"""Where run directories go, who may use them, and which are swept."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from roger_actors.errors import TransportDown
from roger_actors.transport.thespian import run_directory


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short private directory, and an environment that names nothing."""
    for name in ("ROGER_RUNTIME_DIR", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return Path("run")


def test_the_first_writable_candidate_is_taken(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setenv("ROGER_RUNTIME_DIR", "file")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "run")

    assert run_directory.parent_directory() == Path(f"run/roger-actors-{os.geteuid()}")


def test_the_directory_is_private_even_if_it_was_not(place: Path) -> None:
    place.mkdir()
    place.chmod(0o755)

    run_directory.parent_directory(str(place))

    assert place.stat().st_mode & 0o777 == 0o700


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    place.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(TransportDown, match="not a directory of this user"):
        run_directory.parent_directory(str(place))


def test_nowhere_to_go_says_what_was_tried_and_what_to_set(place: Path) -> None:
    place.write_text("no directory")

    with pytest.raises(TransportDown, match="ROGER_RUNTIME_DIR"):
        run_directory.parent_directory(str(place))


def test_a_run_is_alive_as_long_as_its_lock_is_held(place: Path) -> None:
    run = run_directory.create("node", run_directory.parent_directory(str(place)))
    assert run_directory.is_alive(run.path)

    os.close(run.lock)

    assert not run_directory.is_alive(run.path)


def test_a_dead_run_is_swept_and_a_living_one_is_not(place: Path) -> None:
    parent = run_directory.parent_directory(str(place))
    dead, living = run_directory.create("node", parent), run_directory.create("node", parent)
    os.close(dead.lock)

    run_directory.sweep(parent)

    assert list(parent.iterdir()) == [living.path]
    os.close(living.lock)


def test_a_run_that_is_just_being_made_is_not_swept(place: Path) -> None:
    parent = run_directory.parent_directory(str(place))
    (parent / ".forming-abc").mkdir()

    run_directory.sweep(parent)

    assert (parent / ".forming-abc").exists()


def test_a_living_node_is_found_by_name_and_by_directory(place: Path) -> None:
    run = run_directory.create("shop/eu", run_directory.parent_directory(str(place)))
    run.describe({"node": "shop/eu", "admin": 1})

    assert run_directory.find("shop/eu", str(place))[0] == run.path
    assert run_directory.find(str(run.path.resolve()))[1]["admin"] == 1
    os.close(run.lock)


def test_two_living_nodes_of_one_name_must_be_told_apart(place: Path) -> None:
    parent = run_directory.parent_directory(str(place))
    runs = [run_directory.create("twin", parent) for _ in range(2)]
    for run in runs:
        run.describe({"node": "twin"})

    with pytest.raises(TransportDown, match="several are running"):
        run_directory.find("twin", str(place))
    for run in runs:
        os.close(run.lock)


def test_a_dead_node_is_not_found(place: Path) -> None:
    run = run_directory.create("gone", run_directory.parent_directory(str(place)))
    run.describe({"node": "gone"})
    os.close(run.lock)

    with pytest.raises(TransportDown, match="no such node"):
        run_directory.find("gone", str(place))


def test_a_plain_system_that_nobody_listens_for_is_swept(place: Path) -> None:
    parent = run_directory.parent_directory(str(place))
    dead, living = parent / "system-1", parent / "system-2"
    for directory in (dead, living):
        directory.mkdir()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(directory / "left"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(living / "admin"))
        listener.listen()
        for directory in (dead, living):
            os.utime(directory, (0, 0))

        run_directory.sweep(parent)

    assert list(parent.iterdir()) == [living]


def test_a_plain_system_that_is_just_beginning_is_not_swept(place: Path) -> None:
    parent = run_directory.parent_directory(str(place))
    (parent / "system-1").mkdir()

    run_directory.sweep(parent)

    assert (parent / "system-1").exists()
