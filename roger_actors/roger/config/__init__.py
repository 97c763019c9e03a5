"""What is configured: one checked, frozen value, and the file it is read from.

May import `otp`, `broker` and below, and from `roger` only what names and finds job classes.

Reading order: `settings` (checked reading of nested tables), `broker_url` (an address without its
password), `supervision` (`Child` and `Supervision`), `reading` (from tables to settings), `value`
(`Config`), `tree_file` (TOML, and a trial of what it names), `tree_plan` (the
supervision tree that a configuration means).
"""

from __future__ import annotations

from roger_actors.roger.config.supervision import SUPERVISION, Child, Strategy, Supervision
from roger_actors.roger.config.tree_file import check_imports, load
from roger_actors.roger.config.tree_plan import Branch, planned
from roger_actors.roger.config.value import RETRY_LEVELS, Config

__all__ = [
    "RETRY_LEVELS",
    "SUPERVISION",
    "Branch",
    "Child",
    "Config",
    "Strategy",
    "Supervision",
    "check_imports",
    "load",
    "planned",
]
