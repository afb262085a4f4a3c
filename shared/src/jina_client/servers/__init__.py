"""Several servers of one service, such as replicas: which of them gets a request.

A request waits in the queues of all servers at once, and takes the first slot that a working server has free: that of
the least busy one, where a server that is slower than the others counts as busier. Each server has a rate limiter of
its own, see :mod:`jina_client.limiter`, so a limit or a rejection of one holds for that one only. A limiter that the
caller shares between clients comes first, for all servers together.

A server that is much slower gets no request if the others would sooner be done with all that waits, so that a call
does not end by waiting for it.

A server is left out after three failures in a row, or after one timeout. It gets a single request after half a second,
then after 1, 2, 4, and every 5 seconds; the first success brings it back. If no server works, all of them are
tried, as the only one would be.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .health import ServerState
    from .pool import ServerRoute, Servers

__all__ = [
    "ServerRoute",
    "ServerState",
    "Servers",
]

load_on_use(
    __name__,
    {
        ".health": "ServerState",
        ".pool": "ServerRoute Servers",
    },
)
