"""What is kept aside: buried jobs, quarantined payloads, parked jobs.

May import the broker's contract and, for `parking`, the OTP layer. Reading order: `shelf` (what is
kept and how it is moved), `parking` (the process that tries parked jobs again).
"""
