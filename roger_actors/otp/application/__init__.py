"""Applications: a supervised tree with its environment, from code or from a file of the same meaning.

May import everything in `otp`. Modules, in reading order: `short_names` (what a file starts by a short name),
`tables` (tables to child specs and flags, and back), `importing` (what a tree names, imported and tried),
`application` (starting and stopping one).
"""

from roger_actors.otp.application.application import Application, ApplicationType
from roger_actors.otp.application.short_names import BEHAVIOURS, flags_of_start, nested_specs, placed, walk
from roger_actors.otp.application.tables import (
    DEFAULT_FLAGS,
    options_table,
    read_application,
    read_options,
    table_of,
)

__all__ = [
    "BEHAVIOURS",
    "DEFAULT_FLAGS",
    "Application",
    "ApplicationType",
    "flags_of_start",
    "nested_specs",
    "options_table",
    "placed",
    "read_application",
    "read_options",
    "table_of",
    "walk",
]
