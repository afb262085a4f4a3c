"""Running ``jina-jobs`` as a process, as people do, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = ["-m", "jina_jobs.cli"]
"""For warm.start and warm.run."""


@dataclass
class Done:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


RunJob = Callable[..., Done]


def write_lines(path: Path, rows: Iterable[dict[str, Any] | str]) -> Path:
    """Write JSON lines; a string is written as it is."""
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def texts(count: int) -> list[dict[str, Any]]:
    return [{"key": f"k{number}", "text": f"text number {number}", "more": number % 7} for number in range(count)]
