"""The manifest beside an output: what the job is, how far it is, and what it wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from .errors import JobError

Status = Literal["running", "interrupted", "stopped", "complete", "complete with failed rows"]


@dataclass
class Manifest:
    """The content of the manifest.

    Attributes:
        status: ``running`` also after a crash.
        job: the options that the results depend on.
        source: the digests of the input.
        counts: ``rows`` that were read, ``results``, ``failed`` rows, and ``tokens``.
        files: the path, size and checksum of each file that was written, or what a database was given.
        seconds: of all runs.
        runs: how often the job was started.
        started, updated: times.
        versions: of the programs.
    """

    status: Status
    job: dict[str, Any]
    source: dict[str, Any]
    counts: dict[str, int] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    runs: int = 0
    started: str = ""
    updated: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """Return the manifest of a file; ``None`` without one.

        Raises:
            JobError: the file is something else.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise JobError(f"{path} is not a manifest of jina-jobs: move it, or pass --overwrite") from error

    def write(self, path: Path) -> None:
        """Replace the file."""
        self.updated = now()
        self.started = self.started or self.updated
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with temporary.open("wb") as stream:
                content = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
                # Names of files may have bytes that are not valid UTF-8; escaped, they are read back as they were.
                stream.write(content.encode("utf-8", "backslashreplace"))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError as error:
            raise JobError(f"cannot write {path}: {error.strerror}") from error

    def check_same(self, job: Mapping[str, Any], source: Mapping[str, Any]) -> None:
        """Check that a resumed job has the same options and the same input.

        Raises:
            JobError: something differs; the message names it.
        """
        before, after = _plain(self.job), _plain(job)
        for name in {**before, **after}:
            if before.get(name) != after.get(name):
                raise JobError(
                    f"--resume needs the same options: {name} was {before.get(name)!r} and is {after.get(name)!r}. "
                    "Pass the earlier value, or start again with --overwrite"
                )
        files, known = _plain(source).get("files", {}), self.source.get("files", {})
        for name in {**known, **files}:
            if files.get(name) != known.get(name):
                change = "is new" if name not in known else "is gone" if name not in files else "has changed"
                raise JobError(
                    f"--resume needs the same input: {name} {change} since the job started. "
                    "Restore it, or start again with --overwrite"
                )
        if _plain(source) != self.source:
            raise JobError(
                f"--resume needs the same input: it was {self.source} and is {_plain(source)}. "
                "Restore it, or start again with --overwrite"
            )


def now() -> str:
    """Return the time, as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
