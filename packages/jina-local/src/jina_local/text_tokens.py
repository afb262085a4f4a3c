"""Tokenize texts for segmentation, with OpenAI's tokenizers where their files are on this machine.

The hosted service counts with OpenAI's tokenizers, whose vocabulary files no Python package promises to contain. The
engine downloads none of them. It uses a tokenizer if tiktoken is installed and the folder that ``TIKTOKEN_CACHE_DIR``
names holds the tokenizer's files. It checks their hashes first, so tiktoken has no reason to download them again.
Otherwise the backend's own tokenizer counts, and the response names it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .weights import MODEL_NAME

Piece = tuple[str, list[int]]
"""The text of a token and its id. It has several ids if one character takes several tokens."""

STAND_IN = f"{MODEL_NAME} (WordPiece)"
"""The tokenizer that a response names if the requested tokenizer is not on this machine."""

_SOURCE = "https://openaipublic.blob.core.windows.net"
_VOCABULARIES = {
    "r50k_base": ("306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",),
    "p50k_base": ("94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",),
    "cl100k_base": ("223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",),
    "o200k_base": ("446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",),
}
# The files of each tokenizer, as tiktoken names them, with their sha256.
_FILES: dict[str, dict[str, str]] = {
    **{name: {f"{_SOURCE}/encodings/{name}.tiktoken": hashes[0]} for name, hashes in _VOCABULARIES.items()},
    "p50k_edit": {f"{_SOURCE}/encodings/p50k_base.tiktoken": _VOCABULARIES["p50k_base"][0]},
    "gpt2": {
        f"{_SOURCE}/gpt-2/encodings/main/vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        f"{_SOURCE}/gpt-2/encodings/main/encoder.json": (
            "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
        ),
    },
}
FOLDER_VARIABLE = "TIKTOKEN_CACHE_DIR"
"""Environment variable that names the folder of the vocabularies. tiktoken reads it too."""


def pieces(text: str, tokenizer: str, own: Callable[[str], tuple[str, list[Piece]]]) -> tuple[str, list[Piece]]:
    """Tokenize a text.

    Args:
        text: Any text.
        tokenizer: Name of the requested tokenizer, such as ``cl100k_base``.
        own: Tokenizes with the backend's tokenizer, if the requested one is not on this machine.

    Returns:
        The name of the tokenizer that was used, and the pieces; joined, the pieces are the text.
    """
    encoding = load(tokenizer)
    if encoding is None:
        return own(text)
    return tokenizer, list(_group(encoding, encoding.encode(text, disallowed_special=())))


@cache
def load(name: str) -> Any:
    """Load one of tiktoken's encodings; return ``None`` if tiktoken or the encoding's files are missing."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or find_spec("tiktoken") is None or not _holds(Path(folder), name):
        return None
    import tiktoken

    return tiktoken.get_encoding(name)


def _holds(folder: Path, name: str) -> bool:
    for url, expected in _FILES[name].items():
        # tiktoken names a cached file by the hash of its URL.
        path = folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        try:
            if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
                return False
        except OSError:
            return False
    return True


def _group(encoding: Any, ids: list[int]) -> Iterator[Piece]:
    """Yield tokens as text, and combine tokens that are parts of one character."""
    pending, data = list[int](), b""
    for number in ids:
        pending.append(number)
        data += encoding.decode_single_token_bytes(number)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        yield text, pending
        pending, data = [], b""
    if pending:
        yield data.decode(errors="replace"), pending
