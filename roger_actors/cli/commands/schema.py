"""`roger-actors schema`: the JSON Schema of the supervision-tree file, for editors."""

from __future__ import annotations

import click

from roger_actors.roger import SCHEMA_FILE


@click.command()
@click.option("--path", is_flag=True, help="Print where the schema lies instead.")
def command(path: bool) -> None:
    """Print the JSON Schema of the supervision-tree file.

    An editor that knows the "#:schema" line of TOML files completes and checks keys with it.
    """
    print(SCHEMA_FILE if path else SCHEMA_FILE.read_text().rstrip())
