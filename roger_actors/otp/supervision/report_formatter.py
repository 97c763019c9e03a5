"""A log formatter that prints reports on one line, within limits of depth and length.

Source: OTP `logger_formatter` with `single_line`, `depth` and `chars_limit`; `supervisor:format_log/2`.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from roger_actors.otp.reason import Crash, shown, written

_ITEMS: Final = 20
"""Items of a list or dict that are printed."""

_FIRST: Final = ("supervisor", "context", "id", "pid", "nb_children", "reason")
_KEPT: Final = ("supervisor", "context", "id")


class ReportFormatter(logging.Formatter):
    """Formats every record on one line; supervisor reports keep supervisor and child id however short.

    Args:
        fmt: As for `logging.Formatter`; by default level, logger and message.
        datefmt: Likewise.
        depth: Levels of nested data that are printed; deeper ones are `…`.
        chars_limit: Characters of the message that are printed, 40 or more.

    Example:
        ```python
        handler = logging.StreamHandler()
        handler.setFormatter(ReportFormatter("%(asctime)s %(message)s", chars_limit=200))
        logging.getLogger("roger_actors").addHandler(handler)
        ```
    """

    def __init__(
        self,
        fmt: str = "%(levelname)s %(name)s: %(message)s",
        datefmt: str | None = None,
        *,
        depth: int = 5,
        chars_limit: int = 1000,
    ) -> None:
        if depth < 1 or chars_limit < 40:
            raise ValueError(f"depth is 1 or more and chars_limit 40 or more, not {depth}, {chars_limit}")
        super().__init__(fmt, datefmt)
        self._depth = depth
        self._limit = chars_limit

    def format(self, record: logging.LogRecord) -> str:
        """Return the record on one line."""
        report = getattr(record, "report", None)
        line = copy.copy(record)
        line.msg = self._of_report(report) if isinstance(report, dict) else self._of_text(record)
        line.args = ()
        line.exc_info = line.exc_text = line.stack_info = None
        return _on_one_line(super().format(line))

    def _of_text(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return _cut(_on_one_line(text), self._limit)

    def _of_report(self, report: dict[str, Any]) -> str:
        given = {**report, **report.get("offender", {})}
        kept = self._limit // 4
        head = [f"{name}={_cut(within(given[name], self._depth), kept)}" for name in _KEPT if name in given]
        others = [
            name for name in (*_FIRST, *given) if name in given and name not in {*_KEPT, "kind", "offender"}
        ]
        rest = [f"{name}={within(given[name], self._depth)}" for name in dict.fromkeys(others)]
        first = _on_one_line(" ".join(head))
        return f"{first} {_cut(_on_one_line(' '.join(rest)), max(1, self._limit - len(first) - 1))}"


def within(value: Any, depth: int) -> str:
    """Return a value as text, data nested deeper than so many levels as `…`."""
    if isinstance(value, Crash):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{within(key, depth - 1)}: {within(item, depth - 1)}" for key, item in value.items())
        return _joined("{", pairs, "}", depth)
    if isinstance(value, msgspec.Struct):
        fields = (within(item, depth - 1) for item in written(value))
        return _joined(f"{type(value).__qualname__}(", fields, ")", depth)
    if type(value) in {list, tuple, set, frozenset}:
        return _joined("[", (within(item, depth - 1) for item in value), "]", depth)
    return shown(value, 10_000)


def _joined(left: str, items: Iterable[str], right: str, depth: int) -> str:
    if depth <= 0:
        return "…"
    found = [item for _, item in zip(range(_ITEMS + 1), items, strict=False)]
    return left + ", ".join([*found[:_ITEMS], *(["…"] if len(found) > _ITEMS else [])]) + right


def _on_one_line(text: str) -> str:
    return re.sub(r"\s*[\r\n]+\s*", " | ", text.strip())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
