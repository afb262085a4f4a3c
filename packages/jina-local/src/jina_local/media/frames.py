"""Messages between the engine and its media workers: a JSON header, and optionally raw bytes.

A message is the header's length in four bytes, the header, and as many bytes as the header's ``size`` says. Workers
read untrusted files, so the engine limits the sizes and never unpickles what they send.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

Header = dict[str, Any]

_LENGTH = struct.Struct(">I")


def write_frame(file: IO[bytes], header: Header, data: bytes | memoryview = b"") -> None:
    """Write a message."""
    head = json.dumps({**header, "size": len(data)}).encode()
    file.write(_LENGTH.pack(len(head)) + head)
    if data:
        file.write(data)
    file.flush()


def read_frame(file: IO[bytes], longest_header: int, largest: int) -> tuple[Header, bytes]:
    """Read a message.

    Args:
        file: The other side's output.
        longest_header: Maximum length of the header in bytes.
        largest: Maximum size of the raw bytes.

    Raises:
        EOFError: The other side has ended.
        ValueError: The message is too large or invalid.
    """
    [length] = _LENGTH.unpack(_read(file, _LENGTH.size))
    if length > longest_header:
        raise ValueError(f"a header of {length} bytes is longer than {longest_header}")
    header = json.loads(_read(file, length))
    if not isinstance(header, dict) or not isinstance(header.get("size"), int) or not 0 <= header["size"] <= largest:
        raise ValueError("the header is invalid")
    return header, _read(file, header["size"])


def _read(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data
