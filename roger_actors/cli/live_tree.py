"""A running supervision tree, as a node tells it, turned into what `tree_drawing` draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from roger_actors.roger import Branch

_ROLES: Final = {"root": "root host", "kernel": "kernel host", "app": "app host", "worker": "worker host"}
_ONLY_CHILD: Final = "worker"
"""Role of the hosts whose single process is not worth a line."""


def live(name: str, tree: Mapping[str, Any]) -> Branch:
    """Return a node's running tree.

    Args:
        name: The node's.
        tree: What `Node.tree` returned.
    """
    root = Branch(
        id=_ROLES["root"],
        kind="host",
        notes=(_count(tree),),
        children=tuple(_branch(child) for child in tree["tree"]["children"]),
    )
    return Branch(id=name, kind="node", children=(root,))


def restarts(branch: Branch) -> int:
    """Return how often anything in a tree was restarted."""
    return (branch.restarts or 0) + sum(restarts(child) for child in branch.children)


def _branch(child: Mapping[str, Any]) -> Branch:
    role = child.get("role")
    below = () if role == _ONLY_CHILD else child["children"]
    return Branch(
        id=_ROLES.get(role or "", str(child["id"])),
        kind="host" if role else ("supervisor" if child["type"] == "supervisor" else "worker"),
        notes=(_count(child),) if role else (),
        restarts=child["restarts"],
        pid=str(child["pid"]),
        children=tuple(_branch(each) for each in below),
    )


def _count(host: Mapping[str, Any]) -> str:
    return f"{host['processes']} processes"
