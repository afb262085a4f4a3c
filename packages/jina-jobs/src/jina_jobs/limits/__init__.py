"""The limits of one account, shared by the processes of a cluster.

:class:`AccountLimits` holds the limits in one place, and :class:`WorkerLimiter` is the ``limiter=`` of a client in
another process. A :class:`Link` carries the messages between them: a call of a Ray actor, or of a server on Spark's
driver.

Example:
    >>> limits = AccountLimits(requests_per_minute=500, tokens_per_minute=1_000_000)
    >>> with JinaClient(limiter=WorkerLimiter(limits)) as client:  # in the same process: the limits are their own link
    ...     client.embed(["a text"], model="jina-embeddings-v3")
    >>> limits.totals.tokens
    4
"""

from .account import AccountLimits
from .messages import Finish, Link, Queued, Reply, Report, Totals
from .worker import WorkerLimiter

__all__ = ["AccountLimits", "Finish", "Link", "Queued", "Reply", "Report", "Totals", "WorkerLimiter"]
