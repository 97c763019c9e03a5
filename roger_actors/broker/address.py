"""A broker's URL that names several servers of one cluster, taken apart. Pure.

`amqp://user:password@one,two:5673,three/vhost` names three: each has its own port, or the scheme's.
"""

from __future__ import annotations

import re
from typing import Final

_PARTS: Final = re.compile(
    r"(?P<scheme>[^:/?#]*://)(?P<user>[^/?#]*@)?(?P<servers>[^/?#]*)(?P<rest>.*)", re.DOTALL
)


def each_server(url: str) -> tuple[str, ...]:
    """Return a URL for each server that a URL names, in its order; the URL itself if that is one.

    Args:
        url: `amqp://user:password@host[:port][,host[:port]…]/vhost`, or anything else, which is returned as
            it is.
    """
    found = _PARTS.fullmatch(url)
    if found is None or "," not in found["servers"]:
        return (url,)
    before, rest = found["scheme"] + (found["user"] or ""), found["rest"]
    return tuple(f"{before}{server}{rest}" for server in found["servers"].split(","))
