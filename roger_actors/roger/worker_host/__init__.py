"""Where jobs run: an OS process that imports the user's code and executes it.

May import the OTP layer and the values of `roger_actors.roger`; nothing of the kernel's. Reading order:
`protocol` (what crosses between kernel and worker host), `mark` (what a host does, for when it is
dead), `failure` (an exception as text), `executor` (the job thread), `host` (the process that the
kernel talks to). The kernel imports `protocol` and `mark` alone.
"""
