"""The keys of a cache: hashes of everything that a vector depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..inputs import Item
from ..json_body import json_pieces
from ..media import Media

VERSION = 1
"""The version of the file format. It increases when keys or values change their meaning."""


def cache_keys(
    service: str, fields: Mapping[str, Any], items: Sequence[Item], documents: Sequence[range]
) -> list[bytes | None]:
    """Return the key of each input's vector; ``None`` for an input that the service fetches, because it may change.

    Args:
        service: the base URL, because two services may use one name for different models.
        fields: everything in the request but its inputs.
        items: the inputs; media are identified by their bytes, those that are resized by their bytes and the size.
        documents: with late chunking, the ranges of inputs that are read together; else empty.

    Raises:
        JinaInputError: a file that cannot be read.
    """
    described = orjson.dumps([VERSION, service, fields], option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    base = hashlib.blake2b(described, digest_size=32)
    hashes = [_content(item) for item in items]
    context = {index: (number, batch) for number, batch in enumerate(documents) for index in batch}
    # Only texts can be the chunks of a document.
    wholes = [hashlib.blake2b(b"".join(hashes[index] or b"" for index in batch)).digest() for batch in documents]
    keys: list[bytes | None] = []
    for index, content in enumerate(hashes):
        if content is None:
            keys.append(None)
            continue
        key = base.copy()
        key.update(content)
        if index in context:
            number, batch = context[index]
            key.update(wholes[number] + (index - batch.start).to_bytes(8, "little"))
        keys.append(key.digest())
    return keys


def _content(item: Item) -> bytes | None:
    if any(isinstance(part, Media) and part.url is not None for part in getattr(item, "parts", (item,))):
        return None
    if isinstance(item, str):
        return hashlib.blake2b(item.encode(), digest_size=32, person=b"text").digest()
    digest = hashlib.blake2b(digest_size=32, person=b"media")
    for piece in json_pieces(item.identity()):
        digest.update(piece)
    return digest.digest()
