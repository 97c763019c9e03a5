"""What every host of a node does first, packed small: hosts are started often.

A host that runs one job or one child needs nothing else of the configuration, and reads none of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from roger_actors.roger.config.value import Config


class Setup(msgspec.Struct, frozen=True, array_like=True):
    """How a host logs, and what `Application.get_env` finds there.

    Attributes:
        level: Of the root logger, where `logging` is None.
        logging: A table for `logging.config.dictConfig`, or None for plain lines.
        application: The application's name.
        env: Its environment.
    """

    level: str
    logging: dict[str, Any] | None
    application: str
    env: dict[str, Any]


def setup_of(config: Config) -> Setup:
    """Return what a node's hosts are set up with."""
    logging = None if config.logging is None else dict(config.logging)
    return Setup(config.log_level, logging, config.application.name, dict(config.application.env))


def pack_setup(config: Config) -> bytes:
    """Return the same as bytes."""
    return msgspec.msgpack.encode(setup_of(config))


def unpack_setup(packed: bytes) -> Setup:
    """Return what `pack_setup` packed."""
    return msgspec.msgpack.decode(packed, type=Setup)
