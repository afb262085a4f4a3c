"""Python programs that start in milliseconds: forked from a process that has imported the packages already.

``run`` and ``start`` take the arguments of ``python``, as :func:`subprocess.run` and :class:`subprocess.Popen` do with
``sys.executable`` in front, and each program is a process of its own, with its own signals, files and end. What it does
not have is a fresh import: a test of imports, or of what ``python`` reads from the environment when it starts, such as
``PYTHONWARNINGS``, needs :mod:`subprocess`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

PRELOADED = (
    "aiohttp",
    "faiss",
    "haystack.components.generators.chat.openai",
    "haystack_integrations.components.embedders.jina",
    "haystack_integrations.components.rankers.jina",
    "haystack_integrations.tools.jina",
    "ipykernel.kernelapp",
    "jina_jobs.cli",
    "jina_local.engine",
    "jina_local.server",
    "langchain.agents",
    "langchain_jina.retrievers",
    "llama_index.core.agent.workflow",
    "llama_index.embeddings.jinaai",
    "matplotlib.pyplot",
    "onnxruntime",
    "pandas",
    "psycopg",
    "qdrant_client",
    "uvicorn",
)
_LARGEST = 2**20
_FILES = 4
"""Standard input, output and error, and the socket for the exit status."""


class Process:
    """A running program, with the part of the interface of :class:`subprocess.Popen` that tests use.

    Attributes:
        pid: its process id.
        returncode: its exit status, negative for a signal; ``None`` until :meth:`poll` or :meth:`wait` has seen it.
        stdin, stdout, stderr: the parent's ends of its pipes; ``None`` for those that are not pipes.
    """

    def __init__(
        self, request: dict[str, Any], streams: Sequence[int | None], modes: Sequence[str], text: bool
    ) -> None:
        pipes: list[IO[Any] | None] = []
        given: list[int] = []
        for stream, mode in zip(streams, modes, strict=True):
            if stream != subprocess.PIPE:
                pipes.append(None)
                given.append(os.open(os.devnull, os.O_RDWR) if stream == subprocess.DEVNULL else os.dup(len(given)))
                continue
            ends = os.pipe()
            own, other = ends if mode == "r" else ends[::-1]
            pipes.append(open(own, mode if text else mode + "b"))  # noqa: PTH123, SIM115
            given.append(other)
        self.stdin, self.stdout, self.stderr = pipes
        self._status, other_end = socket.socketpair()
        try:
            pid = _server().start(request, [*given, other_end.fileno()])
        finally:
            other_end.close()
            for file in given:
                os.close(file)
        self.pid = pid
        self.returncode: int | None = None

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.wait()

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, when there is one."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                self.returncode = int(self._status.recv(16))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a warm process", timeout or 0.0) from None
            self._status.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or ``None`` if the program still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write the input, read all output, and wait for the end."""
        read: dict[int, Any] = {}
        pipes = {1: self.stdout, 2: self.stderr}
        readers = [
            threading.Thread(target=lambda number=number, pipe=pipe: read.update({number: pipe.read()}))
            for number, pipe in pipes.items()
            if pipe and not pipe.closed
        ]
        for reader in readers:
            reader.start()
        if self.stdin:
            with contextlib.suppress(BrokenPipeError), self.stdin as stdin:
                if input is not None:
                    stdin.write(input)
        self.wait(timeout)
        for reader in readers:
            reader.join()
        for pipe in pipes.values():
            if pipe:
                pipe.close()
        return read.get(1), read.get(2)


def start(
    arguments: Sequence[object],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    text: bool = False,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start ``python`` with these arguments: ``-c CODE``, ``-m MODULE`` or the path of a program, and its own."""
    request = {
        "arguments": [str(argument) for argument in arguments],
        "folder": str(cwd or Path.cwd()),
        "environment": dict(os.environ if env is None else env),
    }
    return Process(request, (stdin, stdout, stderr), ("w", "r", "r"), text)


def run(
    arguments: Sequence[object],
    *,
    input: Any = None,
    timeout: float | None = None,
    text: bool = False,
    check: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run ``python`` with these arguments to its end, and return its status and output."""
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    process = start(arguments, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text, **options)
    try:
        output, errors = process.communicate(input, timeout)
    finally:
        process.kill()
    done = subprocess.CompletedProcess(list(arguments), process.wait(), output, errors)
    if check:
        done.check_returncode()
    return done


class _Server:
    """A connection to the process that all programs are forked from: one for all processes of a test run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        # A name without a file, which only one socket can have.
        address = f"\0jina-tests-{os.getuid()}-{run}"
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening, contextlib.suppress(OSError):
                listening.bind(address)
                listening.listen(64)
                command = [sys.executable, __file__, str(listening.fileno())]
                self._process = subprocess.Popen(command, pass_fds=[listening.fileno()], cwd=Path(__file__).parent)
            with contextlib.suppress(ConnectionRefusedError):
                self._socket.connect(address)
                return
            # Another process has bound the name and is about to listen, or the server is about to end.
            time.sleep(0.01)
        raise ConnectionError("no server for programs could be started")

    def close(self) -> None:
        """Leave the server, which ends after its last connection. Programs that still run continue."""
        self._socket.close()
        if self._process:
            self._process.wait()

    def start(self, request: dict[str, Any], files: Sequence[int]) -> int:
        """Fork a program that has these open files, and return its process id."""
        content = json.dumps(request, ensure_ascii=True).encode()
        with self._lock:
            socket.send_fds(self._socket, [str(len(content)).encode()], files)
            for first in range(0, len(content), _LARGEST // 16):
                self._socket.send(content[first : first + _LARGEST // 16])
            return int(self._socket.recv(16))


@cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.close)
    return server


def _requests(listening: socket.socket) -> Iterator[tuple[dict[str, Any], list[int], list[socket.socket]]]:
    """Return each request with its files, and the sockets, its own connection first, until the last connection ends."""
    connections: list[Any] = []
    while True:
        ready, _, _ = select.select([listening, *connections], [], [], None if connections else 0.2)
        if not ready:
            return
        for connection in ready:
            if connection is listening:
                connections.append(listening.accept()[0])
                continue
            size, files, _, _ = socket.recv_fds(connection, 32, _FILES)
            if not size:
                connections.remove(connection)
                connection.close()
                continue
            content = b""
            while len(content) < int(size):
                content += connection.recv(_LARGEST)
            yield json.loads(content), files, [connection, *connections, listening]


def _next_program() -> dict[str, Any] | None:
    """Return the program that this process has become, a fork of the server; ``None`` when the server itself ends."""
    for request, files, sockets in _requests(socket.socket(fileno=int(sys.argv[1]))):
        # A process in between waits for the program, and tells its exit status.
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            program = os.fork()
            if program:
                sockets[0].send(str(program).encode())
            for each in sockets:
                each.close()
            if program == 0:
                for target, file in enumerate(files[:3]):
                    os.dup2(file, target)
                for file in files:
                    os.close(file)
                return request
            for file in files[:3]:
                os.close(file)
            os.closerange(0, 3)
            status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
            with contextlib.suppress(OSError):
                os.write(files[3], str(status).encode())
            os._exit(0)
        for file in files:
            os.close(file)
    return None


def _namespace_of(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Prepare this process for a program, and return its code and its ``__main__``."""
    from importlib.util import find_spec
    from types import ModuleType

    # Some packages set variables when they are imported.
    set_by_imports = {name: value for name, value in os.environ.items() if name not in INHERITED}
    os.environ.clear()
    os.environ.update(set_by_imports | request["environment"])
    os.chdir(request["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, *arguments = request["arguments"]
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    names = vars(main)
    sys.path[0] = ""
    if kind == "-c":
        sys.argv = ["-c", *arguments[1:]]
        return compile(arguments[0], "<string>", "exec"), names
    if kind == "-m":
        spec = find_spec(arguments[0])
        assert spec
        assert spec.origin
        names.update(__spec__=spec, __file__=spec.origin, __package__=spec.parent)
        sys.argv = [spec.origin, *arguments[1:]]
    else:
        names.update(__file__=kind)
        sys.path[0] = str(Path(kind).resolve().parent)
        sys.argv = [kind, *arguments]
    return compile(Path(names["__file__"]).read_text(), names["__file__"], "exec"), names


def _leave_modules(names: set[str]) -> None:
    """Leave modules out of the end of this program, which would spend most of its time on freeing them."""
    kept = [sys.modules.pop(name) for name in names if name in sys.modules]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))


if __name__ == "__main__":
    INHERITED = set(os.environ)
    imported: set[str] = set()
    # Registered first, so it runs after everything that the imports below register.
    atexit.register(_leave_modules, imported)
    # As a kernel of Jupyter sets it, before it imports Matplotlib.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    gc.disable()
    for module in PRELOADED:
        __import__(module)
    # Otherwise each program would spend most of its time on freeing, at its end, what was imported here.
    gc.collect()
    gc.freeze()
    gc.enable()
    # This project's own modules end as they do in any program.
    imported.update(name for name in sys.modules if "jina" not in name and name not in ("__main__", "builtins", "sys"))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if (program := _next_program()) is not None:
        code, names = _namespace_of(program)
        del program
        exec(code, names)
