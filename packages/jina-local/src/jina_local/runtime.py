"""onnxruntime, made fit for a library that promises to stay on this machine and to survive a fork."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

# Since 1.29 onnxruntime reports its use over the network, from a thread that starts when it is imported (and that makes
# a forked child hang when it exits). Whoever wants that can set the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime  # type: ignore[import-untyped]

_sessions: weakref.WeakSet[Any] = weakref.WeakSet()


def open_session(graph: bytes, weights_folder: Path, threads: int | None = None) -> Any:
    """An ``onnxruntime.InferenceSession`` on the processor.

    Args:
        graph: the serialised ONNX model.
        weights_folder: where the files are that its external tensors name; no symbolic link.
        threads: how many threads compute one run; at most, and by default, one for each core.
    """
    if os.environ["ORT_DISABLE_TELEMETRY"] != "0":
        # For the case that the program had imported onnxruntime before.
        onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, min(threads or cores(), cores()))
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Threads that wait by spinning gain little on an idle machine and double the time of a text on a busy one, and this
    # one is shared: with the program that embeds the engine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(weights_folder))
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    _sessions.add(session)
    return session


def cores() -> int:
    """The cores that this process may use, which in a container can be fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep_inherited_sessions() -> None:
    """In a forked child, never destroy the parent's sessions: that waits for threads that the child does not have."""
    if _sessions:
        import ctypes

        for session in list(_sessions):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited_sessions)
