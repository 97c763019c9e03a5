"""Tables from a TOML file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.settings.checks import Phrase

_PLACE = re.compile(r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

_CREDENTIALS = re.compile(r"//\S*")
"""What a broken line may hold of a URL; half of it may be a password."""


def read_tables(file: Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises:
        InvalidConfig: It cannot be read, is no text or no TOML; names the line.
    """
    try:
        written = file.read_bytes().decode()
    except UnicodeDecodeError as error:
        problem = _problem(str(file), f"byte {error.object[error.start]:#04x} at {error.start}", "UTF-8 text")
    except OSError as error:
        detail = (error.strerror or type(error).__name__).lower()
        problem = _problem(str(file), detail, "a readable TOML file")
    else:
        return _parsed(file, written)
    raise InvalidConfig(source=str(file), problems=(problem,)) from None


def _parsed(file: Path, written: str) -> dict[str, Any]:
    try:
        return tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(source=str(file), problems=(_syntax(str(error), written),)) from None


def _syntax(detail: str, written: str) -> ConfigError:
    place = _PLACE.match(detail)
    lines = written.splitlines() or [""]
    number = int(place["line"]) if place and place["line"] else len(lines)
    line = lines[number - 1].strip() if number <= len(lines) else ""
    what = place["what"] if place else detail
    expected = f"valid TOML: {what[:1].lower()}{what[1:]}"
    return _problem(f"line {number}", repr(_CREDENTIALS.sub("//***", line)[:60]), expected)


def _problem(key: str, got: str, expected: str) -> ConfigError:
    return ConfigError(key=key, value=Phrase(got), expected=expected)
