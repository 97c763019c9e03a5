"""Lending worker hosts to jobs, in the kernel host.

May import the OTP layer and `worker_host.protocol`. Reading order: `message` (what is asked and
told), `entries` and `ledger` (who has what, and what to do next: pure), `hosts` (what the root host
is asked for), `state` and `pool` (the process that does it).

Source:
    New here: on the BEAM a job's process is the worker; here a job needs an OS process of its own.
"""
