"""Measure in fresh processes, so that one measurement leaves nothing behind for the next."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def measure_apart(
    name: str, command: Sequence[str], environment: Mapping[str, str] | None = None, timeout: float = 900
) -> dict[str, Any]:
    """Run a command whose last line is JSON, and return that.

    Args:
        name: what is measured, for the message if the command fails.
        command: the command.
        environment: its environment variables, by default those of this process.
        timeout: seconds that it may take.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def peak_memory() -> float:
    """Return the largest memory of this process so far in MB. On Linux it starts with that of the parent."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 2**20)
