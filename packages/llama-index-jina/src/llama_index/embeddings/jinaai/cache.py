"""LlamaIndex's ``embeddings_cache`` with complete keys: everything that a vector depends on.

LlamaIndex itself uses the text alone as the key, so a query would get a document's vector, and one model the vectors of
another.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from llama_index.core.storage.kvstore.types import BaseKVStore

Embedding = list[float]

_COLLECTION = "embeddings"


class VectorCache:
    """A key-value store that holds vectors of one role, model and set of options.

    Args:
        store: the key-value store.
        identity: a name for everything that they depend on besides the text, see
            :meth:`jina_client.integration.Embedder.identity`.
    """

    def __init__(self, store: BaseKVStore, identity: str) -> None:
        self._store = store
        self._hash = hashlib.sha256(identity.encode() + b"\0")

    def complete(self, texts: Sequence[str], embed: Callable[[list[str]], list[Embedding]]) -> list[Embedding]:
        """Return the vectors of texts, and embed and add those that the store lacks."""
        entries = [self._store.get(self._key(text), collection=_COLLECTION) for text in texts]
        missing = [index for index, entry in enumerate(entries) if entry is None]
        for index, vector in zip(missing, embed([texts[index] for index in missing]) if missing else (), strict=True):
            entries[index] = {str(uuid.uuid4()): vector}
            self._store.put(self._key(texts[index]), entries[index], collection=_COLLECTION)  # type: ignore[arg-type]
        return [_vector(entry) for entry in entries]

    async def acomplete(
        self, texts: Sequence[str], embed: Callable[[list[str]], Awaitable[list[Embedding]]]
    ) -> list[Embedding]:
        """Return the vectors of texts; see :meth:`complete`."""
        entries = [await self._store.aget(self._key(text), collection=_COLLECTION) for text in texts]
        missing = [index for index, entry in enumerate(entries) if entry is None]
        vectors = await embed([texts[index] for index in missing]) if missing else []
        for index, vector in zip(missing, vectors, strict=True):
            entries[index] = {str(uuid.uuid4()): vector}
            await self._store.aput(self._key(texts[index]), entries[index], collection=_COLLECTION)  # type: ignore[arg-type]
        return [_vector(entry) for entry in entries]

    def _key(self, text: Any) -> str:
        digest = self._hash.copy()
        # Anything but a text is rejected later, when it is embedded, with a better message.
        digest.update(str(text).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _vector(entry: Any) -> Embedding:
    """Return the vector of an entry, which LlamaIndex stores under an id of its own."""
    vector: Embedding = next(iter(entry.values()))
    return vector
