"""The command line, `roger-actors`: one file per command in `commands/`.

May import everything below it and is imported by nobody. Reading order: `app` (the command, its
errors and exit statuses), `options` (what commands share), `output` (tables, trees and JSON),
`first_process` (what process 1 of a container must do), `top_view`, `tree_drawing`,
`commands`.
"""

from __future__ import annotations

from roger_actors.cli.app import main

__all__ = ["main"]
