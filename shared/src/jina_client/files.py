"""Files that the caller names. Only regular files are opened, and each is read within a limit."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import JinaInputError

MB = 2**20
HEAD_BYTES = 8192
"""Bytes that determine the kind of a file."""


@contextmanager
def opened(path: Path, name: str, limit: int | None = None) -> Iterator[BinaryIO]:
    """Open a regular file of at most ``limit`` bytes for the block.

    Args:
        path: the file.
        name: the input's name in error messages.
        limit: the most bytes that the file may have; ``None`` for any number.

    Raises:
        JinaInputError: no regular file, a file that cannot be opened, or one that is too large.
    """
    with _reporting(path, name):
        # Checked before opening, because opening a pipe blocks until someone writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise JinaInputError(f"{name} must be a regular file, not a folder, pipe or device: {path}")
        file = path.open("rb")
    with file:
        if limit is not None and os.fstat(file.fileno()).st_size > limit:
            raise _too_long(path, name, limit)
        yield file


def head_of(path: Path, name: str) -> tuple[bytes, int]:
    """Return the first bytes of a file, and its size in bytes."""
    with opened(path, name) as file, _reporting(path, name):
        return file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size


def content_of(path: Path, name: str, limit: int) -> bytes:
    """Return a whole file of at most ``limit`` bytes."""
    with opened(path, name, limit) as file, _reporting(path, name):
        # The file may grow while it is read.
        content = file.read(limit + 1)
    if len(content) > limit:
        raise _too_long(path, name, limit)
    return content


def _too_long(path: Path, name: str, limit: int) -> JinaInputError:
    return JinaInputError(f"{name} is larger than the limit of {limit // MB} MB: {path}; split or shrink the file")


@contextmanager
def _reporting(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JinaInputError(f"{name} cannot be read: {error.strerror or error} ({path})") from None
