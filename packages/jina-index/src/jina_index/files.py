"""The two binary files of an index, their headers and checksums, and the folder that holds them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from zlib_ng.zlib_ng import crc32

from .errors import IndexFileError

DATABASE = "index.sqlite3"
"""The name of the SQLite file. A folder with this file holds an index."""

_MAGIC = b"jinaindx"
HEADER_LENGTH = len(_MAGIC) + 16


def header(generation: str) -> bytes:
    """Return the first bytes of a binary file: a mark of the format, and the generation that the file belongs to."""
    return _MAGIC + generation.encode()


def as_bytes(content: Any) -> memoryview:
    """Return the bytes of an array in row-major order."""
    return np.ascontiguousarray(content).reshape(-1).data


def crc(content: Any) -> int:
    """Return the CRC-32 of an array's bytes."""
    return crc32(as_bytes(content))


def compare(content: NDArray[np.uint8], batches: Sequence[tuple[int, int, int]], path: Path) -> None:
    """Compare rows with the checksums of their batches.

    Args:
        content: the rows.
        batches: the first row, the number of rows and the checksum of each batch.
        path: the file that they were read from.

    Raises:
        IndexFileError: a checksum is wrong.
    """
    for first, count, checksum in batches:
        if crc(content[first : first + count]) != checksum:
            raise damaged(path.parent, f"rows {first} to {first + count - 1} of {path.name}")


def damaged(folder: Path, part: str) -> IndexFileError:
    """Return the error for damaged files.

    Args:
        folder: the index folder.
        part: the part of the files that is damaged, such as ``rows 0 to 49 of codes-….bin``.
    """
    return IndexFileError(f"{folder} is damaged: {part} is not as it was written; restore the folder from a copy")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Report an error of the system while the block writes to a folder, with what to do.

    Raises:
        IndexFileError: the disk is full, for example.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise IndexFileError(
            f"{folder} cannot be written ({error}), and is as it was before: make room on the disk, or check the "
            "permissions, and repeat the call"
        ) from error


def reject_links(folder: Path) -> None:
    """Check that the folder holds an index and no symbolic links, which could lead out of it.

    Raises:
        IndexFileError: it holds no index, or a link.
    """
    if not (folder / DATABASE).is_file():
        raise IndexFileError(f"{folder} holds no index ({DATABASE} is missing); check the path, or add vectors first")
    for path in folder.iterdir():
        if path.is_symlink():
            raise IndexFileError(
                f"{path} is a link: all files of an index must be in its own folder; copy the file into it"
            )


def check_file(path: Path, generation: str, content: int, folder: Path) -> None:
    """Check that a binary file exists, belongs to a generation, and is complete.

    Args:
        path: the file.
        generation: the generation that SQLite names.
        content: the bytes after the header that SQLite knows of. The file may be longer.
        folder: the index folder, for messages.

    Raises:
        IndexFileError: one of these is not so.
    """
    if not path.is_file():
        raise IndexFileError(f"{path} is missing; restore the folder from a copy")
    with path.open("rb") as file:
        if file.read(HEADER_LENGTH) != header(generation):
            raise damaged(folder, f"the beginning of {path.name}")
    size = path.stat().st_size
    if size < HEADER_LENGTH + content:
        raise IndexFileError(
            f"{path} has {size} bytes instead of {HEADER_LENGTH + content}: the file was cut short; "
            "restore the folder from a copy"
        )


def write(path: Path, offset: int, parts: Iterable[Any]) -> int:
    """Write arrays after the header, one after another from ``offset`` on, and return the CRC-32 of their bytes."""
    checksum = 0
    with path.open("r+b", buffering=0) as file:
        file.seek(HEADER_LENGTH + offset)
        for part in parts:
            content = as_bytes(part)
            checksum = crc32(content, checksum)
            while content:
                content = content[file.write(content) :]
    return checksum


def flush(path: Path) -> None:
    """Flush a file to the disk."""
    with path.open("r+b", buffering=0) as file:
        os.fsync(file.fileno())


def read_into(file: RawIOBase, content: memoryview) -> None:
    """Fill ``content`` from a file. If the file is too short, the rest stays as it is."""
    while content and (count := file.readinto(content)):
        content = content[count:]


def flush_folder(folder: Path) -> None:
    """Flush the renaming of a file to the disk. Windows does not open folders, so nothing happens there."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
