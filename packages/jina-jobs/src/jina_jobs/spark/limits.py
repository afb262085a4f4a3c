"""The limits of an account on Spark's driver, for the tasks of all executors."""

from __future__ import annotations

import secrets
import socket
import socketserver
import threading
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from types import TracebackType
from typing import Any, Self

from pyspark.sql import SparkSession

from ..errors import JobError
from ..limits import AccountLimits, Reply, Report, Totals, WorkerLimiter
from ..limits.account import LEASE
from .sessions import spark_context

# Seconds to wait for the driver beyond the time that a report asks it to wait.
_PATIENCE = 30.0


class DriverLimits:
    """The limits of one account, which all tasks of all functions that it is passed to keep together, exactly.

    A server in the driver's process holds them. Executors reach it at the driver's own address, and prove with a random
    key, which travels with the task, that they belong to the job. It ends with :meth:`close` or with the program.

    Example:
        >>> with DriverLimits(spark, requests_per_minute=500, tokens_per_minute=1_000_000) as limits:
        ...     vectors = embed(passages, column="text", model="jina-embeddings-v3", limits=limits)
        ...     vectors.write.parquet("vectors.parquet")

    Args:
        spark: the session. Spark Connect has no driver in the program.
        requests_per_minute: of the account; by default the limit that the service states when it rejects a request.
        tokens_per_minute: of the account; by default the limit that the service states when it rejects a request.
        max_concurrency: requests in flight of all tasks together; by default the number adapts to the service, up to
            64.
        port: the port of the server; by default a free one.
        lease: seconds after which the requests of a worker that died count no more.
        window: seconds that rates are counted over; by default a minute.

    Raises:
        JobUsageError: a session of Spark Connect.
        JobError: the port is in use.
        JinaInputError: a limit that is not a positive whole number.
    """

    def __init__(
        self,
        spark: SparkSession,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        max_concurrency: int | None = None,
        *,
        port: int = 0,
        lease: float = LEASE,
        window: float | None = None,
    ) -> None:
        limits = (requests_per_minute, tokens_per_minute, max_concurrency)
        self._account = AccountLimits(*limits, lease=lease, window=window)
        self._planned = limits[:2]
        conf = spark_context(spark, "DriverLimits").getConf()
        host = conf.get("spark.driver.host")
        key = secrets.token_bytes(32)
        try:
            self._server = _Server(conf.get("spark.driver.bindAddress", host), port, self._account, key)
        except OSError as error:
            raise JobError(f"cannot listen on port {port} of the driver: {error}. Pass another port=") from error
        self._link = DriverLink(host, self._server.server_address[1], key)
        # A daemon, and not waited for: the program may end at any time.
        options: dict[str, Any] = {"name": "jina-jobs-limits", "kwargs": {"poll_interval": 0.1}, "daemon": True}
        self._thread = threading.Thread(target=self._server.serve_forever, **options)
        self._thread.start()

    @property
    def totals(self) -> Totals:
        """The requests and tokens of all tasks so far."""
        return self._account.totals

    def limiter(self) -> WorkerLimiter:
        """Return a limiter for a client in any process that reaches the driver."""
        return WorkerLimiter(self._link, *self._planned)

    def close(self) -> None:
        """Stop the server. Tasks that still run fail."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DriverLimits({self._link!r})"


class DriverLink:
    """Reaches the limits on the driver. Each thread has a connection of its own.

    Args:
        host: the driver's address.
        port: the server's.
        key: proves to each side that the other belongs to the job.
    """

    def __init__(self, host: str, port: int, key: bytes) -> None:
        self._host, self._port, self._key = host, port, key
        self._thread = threading.local()

    def exchange(self, report: Report, wait: float) -> Reply:
        """Deliver a report, and return the reply."""
        try:
            connection = self._connection()
            connection.send((report, wait))
            if not connection.poll(wait + _PATIENCE):
                raise TimeoutError(f"{self!r} did not respond within {wait + _PATIENCE:g} s")
            reply: Reply = connection.recv()
        except BaseException:
            with suppress(AttributeError):
                self._thread.connection.close()
                del self._thread.connection
            raise
        return reply

    def _connection(self) -> Connection:
        if not hasattr(self._thread, "connection"):
            with socket.create_connection((self._host, self._port), timeout=_PATIENCE) as opened:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                opened.settimeout(None)
                self._thread.connection = Connection(opened.detach())
            answer_challenge(self._thread.connection, self._key)
            deliver_challenge(self._thread.connection, self._key)
        connection: Connection = self._thread.connection
        return connection

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._host, self._port, self._key)

    def __repr__(self) -> str:
        return f"the limits at {self._host}:{self._port}"


class _Server(socketserver.ThreadingTCPServer):
    """Takes reports. Messages are pickled, and read only from those who know the key."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, account: AccountLimits, key: bytes) -> None:
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        self.account, self.key = account, key
        self.connections: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def server_close(self) -> None:
        """Stop listening, and end the connections."""
        super().server_close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.connections.add(self.request)
        # The end of a connection, whatever broke it: the worker opens another one.
        with suppress(OSError, EOFError, AuthenticationError), Connection(self.request.dup().detach()) as connection:
            deliver_challenge(connection, self.server.key)
            answer_challenge(connection, self.server.key)
            while True:
                report, wait = connection.recv()
                connection.send(self.server.account.exchange(report, wait))

    def finish(self) -> None:
        self.server.connections.discard(self.request)
