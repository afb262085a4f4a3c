"""The process that decodes pictures, renders pages and reads text for the engine: see :mod:`jina_local.media.pool`.

It imports neither the engine nor numpy until a picture needs them, so it starts quickly.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any

from .documents import page_pictures, page_texts
from .frames import read_frame, write_frame
from .pictures import TextReader, UnreadableMediumError, decode, decode_for_reading

try:
    import resource
    import signal

    _HAS_LIMITS = True
except ImportError:  # Windows has neither; there the engine's own timer limits a worker.
    _HAS_LIMITS = False

LARGEST_FILE = 64 * 2**20
"""Maximum size of a file in bytes. The engine itself accepts smaller ones."""

STRIP_BYTES = 4 * 2**20
"""A picture is sent in strips of about this size, so that no second copy of it is needed."""

_NICENESS = 15
# Parts of the messages that libraries raise, besides MemoryError, when an allocation fails.
_ALLOCATION_MESSAGES = ("bad_alloc", "llocat", "nsufficient memory", "ut of memory")


def main() -> None:
    """Serve the requests that arrive on standard input until it ends."""
    options = json.loads(sys.argv[1])
    requests = os.fdopen(os.dup(0), "rb")
    responses = os.fdopen(os.dup(1), "wb")
    # A library that prints must not break the messages.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    _limit_process(options["memory"])
    worker = _Worker(options, responses)
    while True:
        try:
            header, data = read_frame(requests, 10_000, LARGEST_FILE)
        except (EOFError, OSError):
            return
        if not worker.serve(header, data):
            return


class _Worker:
    """Serves requests one after another.

    Args:
        options: ``seconds`` of processor time per picture or page, ``wall_seconds``, ``characters`` of all texts of a
            file, and ``threads``.
        responses: Receives the messages.
    """

    def __init__(self, options: dict[str, Any], responses: IO[bytes]) -> None:
        self._options, self._responses = options, responses
        self._reader: TextReader | None = None

    def serve(self, header: dict[str, Any], data: bytes) -> bool:
        """Serve one request, and return whether the process can serve another one."""
        try:
            self._start_timer()
            steps = self._texts(header, data) if header["task"] == "texts" else self._pictures(header, data)
            for step in steps:
                step()
                self._start_timer()
            self._send({"end": True})
        except UnreadableMediumError as error:
            self._send({"error": str(error)})
        except ImportError:
            self._send({"missing": True})
        except Exception as error:
            if not isinstance(error, MemoryError) and not any(part in str(error) for part in _ALLOCATION_MESSAGES):
                self._send({"error": f"The file cannot be read ({type(error).__name__})"})
                return True
            self._send({"failure": "memory"})
            return False
        finally:
            self._stop_timer()
        return True

    def _texts(self, header: dict[str, Any], data: bytes) -> Iterator[Callable[[], None]]:
        if header["kind"] == "pdf":
            texts = page_texts(data, self._text_of)
        else:
            texts = iter([self._text_of(decode_for_reading(data))])
        left = self._options["characters"]
        for text in texts:
            left -= len(text)
            if left < 0:
                message = f"The file contains more than {self._options['characters']:,} characters of text"
                raise UnreadableMediumError(message)
            yield lambda text=text: self._send({"text": text})  # type: ignore[misc]

    def _pictures(self, header: dict[str, Any], data: bytes) -> Iterator[Callable[[], None]]:
        images = page_pictures(data) if header["kind"] == "pdf" else iter([decode(data)])
        for image in images:
            yield lambda image=image: self._send_picture(image)  # type: ignore[misc]

    def _send_picture(self, image: Any) -> None:
        # Sending depends on the engine's speed, so it does not count.
        self._stop_timer()
        width, height = image.size
        self._send({"picture": [width, height]})
        rows = max(1, STRIP_BYTES // (3 * width))
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            strip = image.crop((0, top, width, bottom)).tobytes()
            write_frame(self._responses, {"strip": [top, bottom]}, strip)

    def _text_of(self, picture: Any) -> str:
        if self._reader is None:
            # The time to load the models is not the file's.
            self._stop_timer()
            self._reader = TextReader(self._options["threads"])
            self._start_timer()
        return self._reader.text_of(picture)

    def _send(self, header: dict[str, Any]) -> None:
        write_frame(self._responses, header)

    def _start_timer(self) -> None:
        """Let the system kill this process if the next picture or page takes too long, whatever it is executing."""
        if _HAS_LIMITS:
            signal.setitimer(signal.ITIMER_PROF, self._options["seconds"])
            signal.setitimer(signal.ITIMER_REAL, self._options["wall_seconds"])

    def _stop_timer(self) -> None:
        if _HAS_LIMITS:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_process(memory: int) -> None:
    """Limit memory, leave the processor to text requests, and leave Ctrl-C to the engine."""
    if not _HAS_LIMITS:
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Linux counts private writable memory only. Elsewhere the whole address space is the closest limit.
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or hard > memory:
        resource.setrlimit(kind, (memory, memory))
