"""Lending worker hosts to jobs, in the kernel host.

May import the OTP layer and `worker_host.protocol`. Reading order: `ledger` (who has what, and what
to do next: pure), `pool` (the process that does it).

Source:
    New here: on the BEAM a job's process is the worker; here a job needs an OS process of its own.
"""
