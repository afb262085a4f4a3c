"""LlamaIndex's ``embeddings_cache``, made safe.

LlamaIndex looks a vector up by the bare text: a query would get the document's vector, and one model another's. Through
this view a text is known by all that its vector depends on.
"""

from __future__ import annotations

import hashlib
from typing import Any

from llama_index.core.storage.kvstore.types import BaseKVStore


class KeyedStore:
    """As much of a key-value store as ``BaseEmbedding`` uses, with other keys.

    Args:
        store: where the vectors are.
        identity: what they depend on beside the text, see :meth:`jina_client.components.Embedder.identity`.
    """

    def __init__(self, store: BaseKVStore, identity: str) -> None:
        self._store = store
        self._hash = hashlib.sha256(identity.encode() + b"\0")

    def get(self, key: str, collection: str) -> dict[str, Any] | None:
        """The entry of a text, if there is one."""
        return self._store.get(self._keyed(key), collection=collection)

    async def aget(self, key: str, collection: str) -> dict[str, Any] | None:
        """:meth:`get`, asynchronously."""
        return await self._store.aget(self._keyed(key), collection=collection)

    def put(self, key: str, val: dict[str, Any], collection: str) -> None:
        """Keep the entry of a text."""
        self._store.put(self._keyed(key), val, collection=collection)

    async def aput(self, key: str, val: dict[str, Any], collection: str) -> None:
        """:meth:`put`, asynchronously."""
        await self._store.aput(self._keyed(key), val, collection=collection)

    def _keyed(self, text: Any) -> str:
        digest = self._hash.copy()
        # Whatever is no text is refused where it is embedded, with a better message.
        digest.update(str(text).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
