"""The supervision-tree file: TOML to a checked `Config`, and a trial of what it names.

`load` is what a node, a client and the command line call. It is the only place that reads the
environment (for `${NAME}`), and it does so once.

Source:
    Mix's `config/config.exs`, as data instead of code.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path

from roger_actors.errors import ConfigError, RogerActorsError
from roger_actors.roger.config.value import Config
from roger_actors.roger.jobs.hooks import Hooks
from roger_actors.roger.jobs.registry import Registry
from roger_actors.settings import read_tables


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
        read_tables(file),
        source=str(path),
        directory=file.parent.resolve(),
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
    problems = [problem for problem in trials if problem is not None] or _name_clashes(config)
    return [*problems, *(config.application.trial() if children else ())]


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


def _trial(key: str, path: str, base: type, base_name: str) -> ConfigError | None:
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
