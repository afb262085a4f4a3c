"""Read media in worker processes, so that no file can crash the engine, keep it busy or fill its memory.

A worker has limits on processor time, wall time, memory and output. The system kills a worker that exceeds them, the
request gets the reason, and the next medium starts another worker. Workers start only when media arrive, and end when
they have been idle for a minute.

The workers are started as programs and not by :mod:`multiprocessing`, which would import the main module of the program
that embeds the engine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from ..cancellation import RequestScope, current_scope
from ..errors import FlatError, stopping
from .frames import Header, read_frame, write_frame
from .pictures import MAX_PIXELS, UnreadableMediumError
from .worker import STRIP_BYTES

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']; from jina_local.media.worker import main; main()"
)
# One thread and one arena each: idle threads and arenas count towards a worker's memory.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
# Names of variables that a process which reads untrusted files must not see.
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
_BYTES_PER_CHARACTER = 6  # of JSON
_KILL_SECONDS = 5.0
_OWN_END_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """Limits of the processes that read media. Each process of a program has its own pool of workers.

    Attributes:
        workers: Maximum number of worker processes.
        seconds: Processor time in seconds for one picture, or one page of a PDF.
        wall_seconds: Wall time in seconds for one file, the start of the worker included.
        memory: Memory of one worker in bytes.
        characters: Maximum number of characters of text in one file.
        waiting: Maximum number of files that wait for a worker. Requests above that get a 503.
        idle_seconds: A worker that has been idle for this long ends.
    """

    workers: int = 1
    seconds: float = 40.0
    wall_seconds: float = 120.0
    memory: int = 640 * 2**20
    characters: int = 4_000_000
    waiting: int = 16
    idle_seconds: float = 60.0


class MediaPool:
    """A pool of worker processes. Thread-safe.

    Args:
        limits: Limits of the workers.
        threads: Threads that compute one picture; defaults to one per core.
    """

    def __init__(self, limits: MediaLimits, threads: int | None = None) -> None:
        self._limits, self._threads = limits, threads
        self._changed = threading.Condition()
        self._idle: list[_WorkerProcess] = []
        self._in_use: set[_WorkerProcess] = set()
        self._waiting = 0
        self._timer: threading.Timer | None = None
        self._closed = False

    def texts(self, kind: str, data: bytes) -> list[str]:
        """Return the text of a picture, or of each page of a PDF.

        Args:
            kind: ``image`` or ``pdf``.
            data: Content of the file.

        Raises:
            UnreadableMediumError: The file cannot be read, contains no text, or exceeds a limit.
            ImportError: The extra ``images`` is not installed.
            FlatError: Too many files wait, or the request was cancelled (503).
        """
        return [header["text"] for header, _ in self._responses("texts", kind, data) if "text" in header]

    def pictures(self, kind: str, data: bytes) -> Iterator[Any]:
        """Yield a picture, or each page of a PDF, as a ``PIL.Image`` in RGB.

        Args:
            kind: ``image`` or ``pdf``.
            data: Content of the file.

        Raises:
            UnreadableMediumError: The file cannot be read, or exceeds a limit.
            ImportError: The extra ``images`` is not installed.
            FlatError: Too many files wait, or the request was cancelled (503).
        """
        from PIL import Image

        picture: Any = None
        for header, pixels in self._responses("pictures", kind, data):
            if "picture" in header:
                width, height = header["picture"]
                if not 0 < width * height <= MAX_PIXELS:
                    raise UnreadableMediumError("The file cannot be read (invalid size)")
                picture = Image.new("RGB", (width, height))
                continue
            if picture is not None and "strip" in header:
                top, bottom = header["strip"]
                picture.paste(Image.frombytes("RGB", (picture.width, bottom - top), pixels), (0, top))
                if bottom == picture.height:
                    yield picture
                    picture = None

    def check_room(self) -> None:
        """Check that another file may wait. A caller does this before it decodes or fetches the file.

        Raises:
            FlatError: Too many files wait (503).
        """
        if self._waiting >= self._limits.waiting:
            message = f"{self._waiting} images and PDFs wait to be read. Please retry with exponential backoff."
            raise FlatError(503, message, "SERVICE_UNAVAILABLE", {"retry-after": "1"})

    def close(self) -> None:
        """Kill all workers."""
        with self._changed:
            self._closed = True
            workers = [*self._idle, *self._in_use]
            self._idle.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.kill()

    def _responses(self, task: str, kind: str, data: bytes) -> Iterator[tuple[Header, bytes]]:
        scope = current_scope()
        with self._lease(scope) as worker, scope.on_cancel(worker.end), worker.deadline(self._limits.wall_seconds):
            try:
                worker.send({"task": task, "kind": kind}, data)
                while True:
                    header, content = worker.receive()
                    if "error" in header:
                        worker.is_ready = True
                        raise UnreadableMediumError(header["error"])
                    if "missing" in header:
                        raise ImportError("an image library is not installed")
                    if "failure" in header:
                        raise UnreadableMediumError(self._memory_message())
                    if "end" in header:
                        worker.is_ready = True
                        return
                    yield header, content
            except (EOFError, OSError, ValueError, KeyError, TypeError):
                scope.check()
                if self._closed:
                    raise stopping() from None
                raise UnreadableMediumError(self._reason(worker)) from None

    @contextmanager
    def _lease(self, scope: RequestScope) -> Iterator[_WorkerProcess]:
        worker = self._take(scope)
        try:
            yield worker
        finally:
            self._give_back(worker)

    def _take(self, scope: RequestScope) -> _WorkerProcess:
        with scope.on_cancel(self._notify), self._changed:
            self.check_room()
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._closed or scope.is_cancelled or self._is_free())
            finally:
                self._waiting -= 1
            scope.check()
            if self._closed:
                raise stopping()
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    worker.is_ready = False
                    self._in_use.add(worker)
                    return worker
            worker = _WorkerProcess(self._limits, self._threads)
            self._in_use.add(worker)
            return worker

    def _is_free(self) -> bool:
        return bool(self._idle) or len(self._in_use) < self._limits.workers

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _give_back(self, worker: _WorkerProcess) -> None:
        if not worker.is_ready:
            worker.end()
            worker.kill()
        with self._changed:
            self._in_use.discard(worker)
            if worker.is_ready and not self._closed:
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                self._end_idle_later()
            self._changed.notify_all()
        if self._closed:
            worker.end()
            worker.kill()

    def _end_idle_later(self) -> None:
        """Start the timer that ends the worker which has been idle for longest, unless it runs."""
        if self._timer is None and self._idle:
            idle = time.monotonic() - self._idle[0].idle_since
            self._timer = threading.Timer(max(0.0, self._limits.idle_seconds - idle), self._end_idle)
            self._timer.daemon = True
            self._timer.start()

    def _end_idle(self) -> None:
        with self._changed:
            earliest = time.monotonic() - self._limits.idle_seconds
            ended = [worker for worker in self._idle if worker.idle_since <= earliest]
            self._idle = [worker for worker in self._idle if worker not in ended]
            self._timer = None
            self._end_idle_later()
        for worker in ended:
            worker.end()
            worker.kill()

    def _memory_message(self) -> str:
        return f"Reading the file needs more than {self._limits.memory // 2**20} MB of memory"

    def _reason(self, worker: _WorkerProcess) -> str:
        """Return the reason why a worker ended before it answered."""
        status = worker.kill()
        if status == -getattr(signal, "SIGPROF", 0):
            return f"Reading one picture or page takes more than {self._limits.seconds:g} seconds of processor time"
        if status == -getattr(signal, "SIGALRM", 0) or worker.is_late:
            return f"Reading the file takes more than {self._limits.wall_seconds:g} seconds"
        memory = self._limits.memory // 2**20
        return f"The file crashes its decoder: it is damaged, or needs more than {memory} MB of memory"


class _WorkerProcess:
    """A running worker, with one request at a time."""

    def __init__(self, limits: MediaLimits, threads: int | None) -> None:
        options = {**asdict(limits), "threads": threads, "path": sys.path}
        self._longest_header = limits.characters * _BYTES_PER_CHARACTER + 1000
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            # Ctrl-C in the terminal ends the engine, and the engine ends its workers.
            process_group=0,
        )
        self._ending = threading.Lock()
        self.is_ready = False
        self.is_late = False
        self.idle_since = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def send(self, header: Header, data: bytes) -> None:
        """Send a request."""
        assert self._process.stdin
        write_frame(self._process.stdin, header, data)

    def receive(self) -> tuple[Header, bytes]:
        """Return the next message of the response."""
        assert self._process.stdout
        return read_frame(self._process.stdout, self._longest_header, STRIP_BYTES + 3 * MAX_PIXELS // 1000)

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Kill the process if the block takes longer."""

        def end() -> None:
            self.is_late = True
            self.end()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def end(self) -> None:
        """End the process immediately."""
        self.is_ready = False
        self._process.kill()

    def kill(self) -> int:
        """End the process, close its pipes, and return its exit status."""
        self.is_ready = False
        with self._ending:
            # A process that has closed its output is ending by itself, and its status says why.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_OWN_END_SECONDS)
            self._process.kill()
            status = self._process.wait(_KILL_SECONDS)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            return status


def _environment() -> dict[str, str]:
    """Return the environment of a worker: that of this process without its secrets."""
    inherited = {
        name: value for name, value in os.environ.items() if not any(secret in name.upper() for secret in _SECRETS)
    }
    return inherited | _ENVIRONMENT
