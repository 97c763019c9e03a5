"""The commands, one file each, in the order of `app.COMMANDS`.

Each module has one `command`. They talk to `bootstrap` and `roger`, print through `output`, and
raise what went wrong; `app` turns that into a line and a status.
"""
