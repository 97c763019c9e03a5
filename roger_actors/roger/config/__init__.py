"""What is configured: one checked, frozen value, and the file it is read from.

May import `otp`, `broker` and below, and from `roger` only what names and finds job classes.

Reading order: `broker_url` (an address without its password), `supervision` (the supervisors that may
be tuned), `reading` (from tables to settings), `value`
(`Config`), `tree_file` (TOML, and a trial of what it names), `tree_plan` (the
supervision tree that a configuration means).
"""

from __future__ import annotations

from roger_actors.roger.config.checking import Checked, Problem, check
from roger_actors.roger.config.schema import FILE as SCHEMA_FILE
from roger_actors.roger.config.setup import Setup, pack_setup, setup_of, unpack_setup
from roger_actors.roger.config.supervision import SUPERVISION
from roger_actors.roger.config.tree_file import check_imports, load
from roger_actors.roger.config.tree_plan import Branch, planned
from roger_actors.roger.config.value import RETRY_LEVELS, Config

__all__ = [
    "RETRY_LEVELS",
    "SCHEMA_FILE",
    "SUPERVISION",
    "Branch",
    "Checked",
    "Config",
    "Problem",
    "Setup",
    "check",
    "check_imports",
    "load",
    "pack_setup",
    "planned",
    "setup_of",
    "unpack_setup",
]
