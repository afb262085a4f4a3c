"""Milvus: a server, ``milvus+http://HOST:19530/COLLECTION``, or a file of Milvus Lite, ``milvus+file://FILE.db/NAME``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from ..errors import JobUsageError
from .base import DatabaseOutput, as_json, columns_of

_TYPES = {"float32": "FLOAT_VECTOR", "float16": "FLOAT16_VECTOR", "int8": "INT8_VECTOR", "binary": "BINARY_VECTOR"}
_LONGEST_ID = 512


class MilvusCollection(DatabaseOutput):
    """A collection. ``MILVUS_TOKEN`` has the token of a server."""

    extra = "milvus"
    _client: Any = None

    @property
    def collection(self) -> str:
        """The last part of the path."""
        path = self.address if self.scheme == "milvus+file" else urlsplit(self.address).path
        name = Path(path).name
        if not name or name.endswith(".db"):
            raise JobUsageError(
                "the output needs a collection: milvus+http://HOST:19530/NAME or milvus+file://FILE.db/NAME"
            )
        return name

    @property
    def state(self) -> Path:
        """Beside the file, or in the current folder."""
        if self.scheme != "milvus+file":
            return super().state
        file = Path(self.address).parent
        return file.with_name(f"{file.stem}-{self.collection}")

    def upsert(self, batch: pa.RecordBatch) -> None:
        """Upsert entities."""
        ids, vectors, others = columns_of(batch)
        if isinstance(vectors, list):
            raise JobUsageError("Milvus stores one vector per row here: choose Qdrant for multi-vectors")
        client = self._connect()
        if not client.has_collection(self.collection):
            self._create(client, isinstance(ids[0], int), vectors.shape[1])
        own: list[Any]
        if self.facts["encoding"] == "float32":
            own = vectors.tolist()
        else:
            own = [row.tobytes() if row.dtype == np.uint8 else row for row in vectors]
        rows = [
            {"id": row_id, "embedding": vector, **as_json(other)}
            for row_id, vector, other in zip(ids, own, others, strict=True)
        ]
        client.upsert(self.collection, rows)

    def complete(self) -> None:
        """Make all entities searchable."""
        self._connect().flush(self.collection)

    def count(self) -> int | None:
        """Return the number of entities."""
        client = self._connect()
        if not client.has_collection(self.collection):
            return None
        client.load_collection(self.collection)
        counted = client.query(self.collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
        return int(counted[0]["count(*)"])

    def drop(self) -> None:
        """Remove the collection."""
        self._connect().drop_collection(self.collection)

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> Any:
        if self._client is None:
            library = self.library("pymilvus")
            if self.scheme == "milvus+file":
                self._client = library.MilvusClient(str(Path(self.address).parent))
            else:
                parts = urlsplit(self.address)
                url = f"{parts.scheme.partition('+')[2]}://{parts.netloc}"
                self._client = library.MilvusClient(url, token=os.environ.get("MILVUS_TOKEN", ""))
        return self._client

    def _create(self, client: Any, numbered: bool, width: int) -> None:
        library, encoding = self.library("pymilvus"), self.facts["encoding"]
        types = library.DataType
        schema = client.create_schema(enable_dynamic_field=True)
        if numbered:
            schema.add_field("id", types.INT64, is_primary=True)
        else:
            schema.add_field("id", types.VARCHAR, is_primary=True, max_length=_LONGEST_ID)
        bits = encoding == "binary"
        schema.add_field("embedding", getattr(types, _TYPES[encoding]), dim=width * 8 if bits else width)
        index = client.prepare_index_params()
        index.add_index(
            "embedding", index_type="BIN_FLAT" if bits else "AUTOINDEX", metric_type="HAMMING" if bits else "COSINE"
        )
        client.create_collection(self.collection, schema=schema, index_params=index)
