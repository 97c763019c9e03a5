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

from roger_actors.errors import ConfigError, InvalidConfig, RogerActorsError
from roger_actors.roger.config.settings import Phrase
from roger_actors.roger.config.value import Config
from roger_actors.roger.jobs.hooks import Hooks
from roger_actors.roger.jobs.registry import Registry

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


def check_imports(config: Config, *, children: bool = True) -> list[ConfigError]:
    """Try to import what a configuration names; for `check`, never for the kernel host.

    Runs the modules' top-level code in this process. The kernel host never does this.

    Args:
        config: A checked configuration.
        children: Whether to try the hooks and the children's classes too, not only the job modules.

    Returns:
        What cannot be imported or is of the wrong kind, in the order of the file.
    """
    trials = [_trial_of_jobs(f"node.jobs[{at}]", module) for at, module in enumerate(config.jobs)]
    if children and config.hooks is not None:
        trials.append(_trial("node.hooks", config.hooks, Hooks, "roger_actors.Hooks"))
    for at, child in enumerate(config.children if children else ()):
        trials.append(_trial(f"children[{at}].start", child.start))
    problems = [problem for problem in trials if problem is not None]
    return problems or _name_clashes(config)


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


def _trial_of_jobs(key: str, module: str) -> ConfigError | None:
    found = _imported(key, module)
    if isinstance(found, ConfigError):
        return found
    try:
        Registry.load([module])
    except RogerActorsError as error:
        return ConfigError(key=key, value=module, expected=f"a module of job classes ({error})")
    return None


def _name_clashes(config: Config) -> list[ConfigError]:
    try:
        Registry.load(config.jobs)
    except RogerActorsError as error:
        return [ConfigError(key="node.jobs", value=list(config.jobs), expected=f"different names ({error})")]
    return []


def _trial(key: str, path: str, base: type = object, base_name: str = "") -> ConfigError | None:
    module, _, attribute = path.partition(":")
    found = _imported(key, module, attribute)
    if isinstance(found, ConfigError):
        return found
    if not isinstance(found, type):
        return ConfigError(key=key, value=path, expected=f"a class, not a {type(found).__name__}")
    if not issubclass(found, base):
        return ConfigError(key=key, value=path, expected=f"a subclass of {base_name}")
    return None


def _imported(key: str, module: str, attribute: str = "") -> object:
    """Return what is imported, or the problem that this is."""
    try:
        found: object = importlib.import_module(module)
        for name in attribute.split(".") if attribute else ():
            found = getattr(found, name)
    # The user's modules run here and may raise anything; SystemExit is a script without its guard.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        path = f"{module}:{attribute}" if attribute else module
        return ConfigError(key=key, value=path, expected=f"something that can be imported ({cause})")
    return found
