"""Files: finding them, decompressing them, and recognizing that one has changed."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import JobError

STDIN = "-"

TABLE_SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
MEDIA_SUFFIXES = {
    **dict.fromkeys((".txt", ".md", ".text"), "text"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"), "image"),
    ".pdf": "pdf",
}
_COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}

# Files up to this size are compared by all of their content; larger ones by samples and the time of their last change.
_HASHED_WHOLE = 64 * 2**20
_SAMPLE = 2**16
_SAMPLES = 16

_BUFFER = 2**18

# What reading damaged compressed data raises.
DAMAGED = (EOFError, OSError, lzma.LZMAError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of the input.

    Attributes:
        path: where it is; ``-`` is standard input.
        kind: ``jsonl``, ``csv``, ``tsv``, ``parquet``, ``text``, ``image`` or ``pdf``.
        size: bytes; 0 for standard input.
    """

    path: Path
    kind: str
    size: int


def find_files(spec: str) -> list[InputFile]:
    """Return the files that an argument names: one file, a folder, a pattern, or ``-`` for standard input.

    Raises:
        JobError: nothing is there, a format is unknown, or tables and other files are mixed.
    """
    if spec == STDIN:
        return [InputFile(Path(STDIN), "stdin", 0)]
    path = Path(spec).expanduser()
    if path.is_dir():
        paths = sorted(each for each in path.rglob("*") if each.is_file() and not _is_hidden(each, path))
        named = [file for each in paths if (file := _as_file(each))]
    elif path.exists():
        named = [file] if (file := _as_file(path)) else []
        paths = [path]
    elif has_magic(spec):
        paths = sorted(each for name in glob(str(path), recursive=True) if (each := Path(name)).is_file())  # noqa: PTH207
        named = [file for each in paths if (file := _as_file(each))]
    else:
        raise JobError(
            f"the input {spec} does not exist: pass a file, a folder, a quoted pattern such as 'data/*.jsonl', or -"
        )
    if not named:
        contents = f"{len(paths)} files, such as {paths[0].name}" if paths else "no file"
        raise JobError(
            f"the input {spec} has {contents}, but none of a known format: "
            f"{', '.join((*TABLE_SUFFIXES, *MEDIA_SUFFIXES))}, also with {', '.join(_COMPRESSED)}"
        )
    tables = [file for file in named if file.kind in TABLE_SUFFIXES.values()]
    if tables and len(tables) < len(named):
        other = next(file for file in named if file.kind not in TABLE_SUFFIXES.values())
        raise JobError(
            f"the input {spec} mixes tables ({tables[0].path.name}) with texts or media ({other.path.name}): "
            "pass a pattern that matches one kind"
        )
    return named


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)


def _as_file(path: Path) -> InputFile | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    kind = {**TABLE_SUFFIXES, **MEDIA_SUFFIXES}.get(suffixes[-1]) if suffixes else None
    return InputFile(path, kind, path.stat().st_size) if kind else None


@contextmanager
def opened(path: Path, on_read: Callable[[int], None] = lambda size: None) -> Iterator[io.BufferedReader[Any]]:
    """Open a file, or standard input, and decompress it if its first bytes say so.

    Args:
        path: the file.
        on_read: called with the number of bytes of the file that were read, before decompression.
    """
    raw = _Counting(io.FileIO(0, closefd=False) if str(path) == STDIN else io.FileIO(path), on_read)
    with io.BufferedReader(raw, _BUFFER) as stream:
        head = stream.peek(8)[:8]
        method = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        with io.BufferedReader(_decompressed(stream, method), _BUFFER) if method else stream as content:
            yield content


def _decompressed(stream: io.BufferedReader[Any], method: str) -> Any:
    match method:
        case "gzip":
            return gzip.GzipFile(fileobj=stream)
        case "bz2":
            return bz2.BZ2File(stream)
        case "xz":
            return lzma.LZMAFile(stream)
        case _:
            return pa.CompressedInputStream(stream, method)


class _Counting(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: io.FileIO, on_read: Callable[[int], None]) -> None:
        self._file = file
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._file.readinto(buffer)
        self._on_read(count or 0)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def content_digest(path: Path) -> str:
    """Return a digest that changes with a file: of all of it if it is small, otherwise of samples and its time."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        size = path.stat().st_size
        if size <= _HASHED_WHOLE:
            while block := stream.read(2**20):
                digest.update(block)
        else:
            digest.update(str(path.stat().st_mtime_ns).encode())
            for number in range(_SAMPLES):
                stream.seek((size - _SAMPLE) * number // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()
