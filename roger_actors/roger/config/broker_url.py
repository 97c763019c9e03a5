"""Where the broker is, as one string: checking it, and printing it without its password."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final
from urllib.parse import SplitResult, urlsplit

from roger_actors.broker import each_server
from roger_actors.settings import Check, Phrase, Spot

SCHEMES: Final = ("amqp", "amqps")
EMBEDDED: Final = "embedded:"
EXPECTED: Final = "'embedded:PATH' or a URL like amqp://user:password@host:5672/vhost"

_USERINFO: Final = re.compile(r"^([a-z]*:?//)?(.*)@")
_NO_PORT: Final = re.compile(r"(?<=//)([^:/\[]*):(?!\d*(?:[/?#]|$)).*")
_QUERY_SECRET: Final = re.compile(r"(?i)((?:password|passwd|secret|token)=)[^&#\s]*")


def redacted(address: str) -> str:
    """Return a broker's address with its password replaced by `***`.

    It works on malformed ones too, and then rather hides too much.
    """
    hidden = _USERINFO.sub(_without_password, address) if "@" in address else _NO_PORT.sub(r"\1:***", address)
    return _QUERY_SECRET.sub(r"\1***", hidden)


def broker_address(directory: PurePath | None) -> Check[str]:
    """Return the check for a broker's address.

    Args:
        directory: What the path of an embedded broker is relative to; None leaves it relative.
    """

    def check(spot: Spot) -> str:
        if isinstance(spot.value, Phrase):
            spot.refuse(f"{EXPECTED}; a node without jobs has one, too, and 'embedded:PATH' needs no server")
        if not isinstance(spot.value, str):
            spot.refuse(EXPECTED)
        if spot.value.startswith(EMBEDDED):
            return _embedded(spot, spot.value.removeprefix(EMBEDDED), directory)
        return _amqp(spot, spot.value)

    return Check(check, {"type": "string", "pattern": "^(embedded:|amqps?://)"})


def _embedded(spot: Spot, path: str, directory: PurePath | None) -> str:
    if not path.strip() or "\0" in path:
        spot.refuse("'embedded:PATH' with the path of a file")
    return EMBEDDED + str(directory / path if directory is not None else path)


def _amqp(spot: Spot, url: str) -> str:
    for one in each_server(url):
        try:
            fault = _fault(urlsplit(one))
        except ValueError:  # its text would quote a part of the URL, perhaps of the password
            fault = "its port or host is malformed"
        if fault is not None:
            spot.refuse(f"{EXPECTED} ({fault})", redacted(url))
    return url


def _fault(parts: SplitResult) -> str | None:
    if parts.scheme not in SCHEMES:
        return "no such scheme" if parts.scheme else "it has no scheme"
    if not parts.hostname:
        return "it names no host"
    if parts.port == 0:
        return "port 0 is none"
    if parts.username and parts.password is None:
        return "it names a user and no password"
    return _fault_of_text(parts)


def _fault_of_text(parts: SplitResult) -> str | None:
    if "/" in parts.path.removeprefix("/"):
        return "a '/' in a vhost's name is written %2F"
    return "a URL has no blanks" if re.search(r"\s", parts.geturl()) else None


def _without_password(found: re.Match[str]) -> str:
    user, colon, _ = found[2].partition(":")
    return f"{found[1] or ''}{user}{':***' if colon else ''}@"
