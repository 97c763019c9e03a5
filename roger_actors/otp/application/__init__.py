"""Applications: a supervised tree with its environment, from code or from a file of the same meaning.

May import everything in `otp`. Modules, in reading order: `short_names` (what a file starts by a short name),
`tables` (tables to child specs and flags, and back), `importing` (what a tree names, imported and tried),
`advice` (what a supervisor takes and would be regretted), `application` (starting and stopping one), `schema`
(the tables for editors).
"""

from roger_actors.otp.application.application import Application, ApplicationType
from roger_actors.otp.application.schema import (
    application_table,
    children_array,
    definitions,
    described,
    flags_table,
    schema_table,
)
from roger_actors.otp.application.short_names import (
    BEHAVIOURS,
    flags_of_child,
    nested_specs,
    placed,
    short_name,
    walk,
)
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
    "application_table",
    "children_array",
    "definitions",
    "described",
    "flags_of_child",
    "flags_table",
    "nested_specs",
    "options_table",
    "placed",
    "read_application",
    "read_options",
    "schema_table",
    "short_name",
    "table_of",
    "walk",
]
