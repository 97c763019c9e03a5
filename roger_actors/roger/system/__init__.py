"""The cluster's bus: what nodes and clients ask of all nodes.

May import the broker's contract and, for the server, the OTP layer. Reading order: `message`
(what travels), `call` (asking, from anywhere with a broker), `server` (answering, in the kernel),
`health` (whether all is consumed).

Source:
    `Roger.System`, `Roger.System.Command`, `Roger.ApplySystem`.
"""
