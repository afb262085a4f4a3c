"""Configure onnxruntime for use inside a library: no telemetry, few threads, and safe to fork."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

# Since version 1.29 onnxruntime reports its use over the network, from a thread that starts on import and makes a
# forked child hang when it exits. A user who wants the reports can set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime  # type: ignore[import-untyped]

_sessions: weakref.WeakSet[Any] = weakref.WeakSet()


class SessionOptions(onnxruntime.SessionOptions):  # type: ignore[misc]
    """Options of a session whose idle threads sleep instead of spinning.

    Spinning threads gain little on an idle machine and double the latency on a busy one, and the engine shares its
    machine with the program that embeds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_session_config_entry("session.intra_op.allow_spinning", "0")


def open_session(graph: bytes, weights_folder: Path, threads: int | None = None) -> Any:
    """Open an ``onnxruntime.InferenceSession`` on the CPU.

    Args:
        graph: The serialized ONNX model.
        weights_folder: Folder of the files that hold the graph's external tensors. It must not be a symbolic link.
        threads: Threads that compute one run; at most, and by default, one per core.

    Returns:
        The session.
    """
    if os.environ.get("ORT_DISABLE_TELEMETRY") != "0":
        # Covers programs that imported onnxruntime before this module set the variable.
        onnxruntime.disable_telemetry_events()
    options = SessionOptions()
    options.intra_op_num_threads = max(1, min(threads or cores(), cores()))
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(weights_folder))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    _sessions.add(session)
    return session


def disable_spinning() -> None:
    """Let the sessions that another library opens from now on in this process have :class:`SessionOptions`."""
    onnxruntime.SessionOptions = SessionOptions


def cores() -> int:
    """Return the number of cores that this process may use; in a container it can be lower than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep_inherited_sessions() -> None:
    """Leak the parent's sessions in a forked child: destroying one waits for threads that the child does not have."""
    if _sessions:
        import ctypes

        for session in list(_sessions):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited_sessions)
