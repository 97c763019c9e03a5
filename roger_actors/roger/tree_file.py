"""The supervision-tree file: TOML to a checked `Config`, and a trial of what it names.

`load` is what a node, a client and the command line call. It is the only place that reads the
environment (for `${NAME}`), and it does so once.

Source:
    Mix's `config/config.exs`, as data instead of code.
"""

from __future__ import annotations

import importlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.roger.config import Config
from roger_actors.roger.settings import Phrase

_PLACE = re.compile(r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

_CREDENTIALS = re.compile(r"//\S*")
"""What a broken line may hold of a URL; half of it may be a password."""


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Config:
    """Read and check a supervision-tree file.

    Args:
        path: The TOML file. The path of an embedded broker in it is relative to the file's folder.
        environ: Where `${NAME}` is looked up; None for the process's environment.

    Raises:
        InvalidConfig: It cannot be read, is no TOML (names the line), or has wrong settings (all of
            them are listed).
    """
    file = Path(path)
    return Config.from_mapping(
        _tables(file),
        source=str(path),
        directory=file.absolute().parent,
        environ=os.environ if environ is None else environ,
    )


def check_imports(config: Config) -> list[ConfigError]:
    """Try to import everything that a configuration names; for `check`, never for the kernel host.

    Runs the modules' top-level code in this process. The kernel host never does this.

    Args:
        config: A checked configuration.

    Returns:
        What cannot be imported or is of the wrong kind, in the order of the file.
    """
    named: list[tuple[str, str]] = [(f"node.jobs[{at}]", module) for at, module in enumerate(config.jobs)]
    if config.hooks is not None:
        named.append(("node.hooks", config.hooks))
    named += [(f"children[{at}].start", child.start) for at, child in enumerate(config.children)]
    found = [_trial(key, path) for key, path in named]
    return [problem for problem in found if problem is not None]


def _tables(file: Path) -> dict[str, Any]:
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


def _trial(key: str, path: str) -> ConfigError | None:
    module, colon, attribute = path.partition(":")
    try:
        found: object = importlib.import_module(module)
        for name in attribute.split(".") if colon else ():
            found = getattr(found, name)
    # The user's modules run here and may raise anything; SystemExit is a script without its guard.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        return ConfigError(key=key, value=path, expected=f"something that can be imported ({cause})")
    if colon and not isinstance(found, type):
        return ConfigError(key=key, value=path, expected=f"a class, not a {type(found).__name__}")
    return None
