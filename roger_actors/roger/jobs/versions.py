"""What a host can run, as words: the names of its job classes, and the version of each above the first.

A worker host says so to the kernel, which never has a class in its hands. Pure.

Source:
    New here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping


def known_words(versions: Mapping[str, int]) -> list[str]:
    """Return each name, and `name@version` for each above version 1, sorted.

    Args:
        versions: The version of each job class, by registered name.
    """
    versioned = [f"{name}@{version}" for name, version in versions.items() if version > 1]
    return sorted([*versions, *versioned])


def is_known(words: Collection[str], name: str, version: int) -> bool:
    """Whether a host can run a job.

    Args:
        words: What it has said that it knows.
        name: Registered name of the job's class.
        version: The version that the job was made for.
    """
    if version == 1 or name not in words:
        return name in words
    parts = (word.rpartition("@") for word in words)
    return any(of == name and said.isdecimal() and int(said) >= version for of, _, said in parts)
