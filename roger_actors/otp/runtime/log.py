"""Logging that cannot hurt a process.

Handlers and filters are users' code, and a process logs while it ends or while it restarts others. What they
raise is written to stderr, as `logging` does with what its own handlers catch, and the process goes on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any


class Log:
    """A logger for code that must go on.

    Args:
        name: The logger's.
    """

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def is_on(self, level: int) -> bool:
        """Return whether records of a level are wanted."""
        return self._logger.isEnabledFor(level)

    def debug(self, message: str, *args: Any, **options: Any) -> None:
        """Log at debug level; takes what `logging.Logger.debug` takes."""
        self._write(logging.DEBUG, message, args, options)

    def info(self, message: str, *args: Any, **options: Any) -> None:
        """Log at info level; takes what `logging.Logger.info` takes."""
        self._write(logging.INFO, message, args, options)

    def warning(self, message: str, *args: Any, **options: Any) -> None:
        """Log at warning level; takes what `logging.Logger.warning` takes."""
        self._write(logging.WARNING, message, args, options)

    def error(self, message: str, *args: Any, **options: Any) -> None:
        """Log at error level; takes what `logging.Logger.error` takes."""
        self._write(logging.ERROR, message, args, options)

    def exception(self, message: str, *args: Any) -> None:
        """Log at error level with the exception that is being handled."""
        self._write(logging.ERROR, message, args, {"exc_info": True})

    def _write(self, level: int, message: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        try:
            self._logger.log(level, message, *args, stacklevel=3, **options)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - whatever a handler raises is not the process's affair
            _tell()


def _tell() -> None:
    if not logging.raiseExceptions or sys.stderr is None:
        return
    try:
        traceback.print_exc()
    except (OSError, ValueError):  # stderr is closed
        return
