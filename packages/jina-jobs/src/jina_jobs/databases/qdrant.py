"""Qdrant: a server, or its engine inside this process.

Qdrant gets floats and quantizes them: it rescores with the floats, which stay on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from ..errors import JobUsageError
from ..outputs.choice import Encoding
from ..rows import ID
from .base import DatabaseOutput, as_json, columns_of, id_as_uuid

_QUANTIZED = ("int8", "binary")


class _Qdrant(DatabaseOutput):
    def accept(self, encoding: Encoding) -> Encoding:
        """Return ``float32`` for int8 and binary, which Qdrant makes itself."""
        self.quantization = encoding if encoding in _QUANTIZED else None
        return "float32" if self.quantization else encoding

    @staticmethod
    def points(batch: pa.RecordBatch) -> list[tuple[int | str, Any, dict[str, Any]]]:
        """Return the id, the vector and the payload of each row. The payload has the row's own id."""
        ids, vectors, others = columns_of(batch)
        return [
            (id_as_uuid(row_id), vector.astype(np.float32).tolist(), as_json({ID: row_id, **other}))
            for row_id, vector, other in zip(ids, vectors, others, strict=True)
        ]


class QdrantInProcess(_Qdrant):
    """A folder that Qdrant's engine opens inside this process, ``qdrant+file://FOLDER``."""

    extra = "qdrant"
    _shard: Any = None

    @property
    def collection(self) -> str:
        """The name of the folder."""
        return Path(self.address).name

    @property
    def state(self) -> Path:
        """Beside the folder."""
        return Path(self.address)

    def upsert(self, batch: pa.RecordBatch) -> None:
        """Upsert points."""
        edge = self.library("qdrant_edge")
        points = self.points(batch)
        if self._open() is None:
            Path(self.address).mkdir(parents=True, exist_ok=True)
            self._shard = edge.EdgeShard.create(self.address, self._config(edge, points[0][1]))
        self._shard.update(edge.UpdateOperation.upsert_points([edge.Point(*point) for point in points]))
        self._shard.flush()

    def complete(self) -> None:
        """Build the index."""
        self._open().optimize()

    def count(self) -> int | None:
        """Return the number of points."""
        edge = self.library("qdrant_edge")
        shard = self._open()
        return None if shard is None else int(shard.count(edge.CountRequest(exact=True)))

    def drop(self) -> None:
        """Remove the folder, if it is one of Qdrant's."""
        import shutil

        self.close()
        if self._is_there():
            shutil.rmtree(self.address)

    def close(self) -> None:
        """Close the files."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    def _is_there(self) -> bool:
        return Path(self.address, "edge_config.json").exists() or Path(self.address, "segments").exists()

    def _open(self) -> Any:
        if self._shard is None and self._is_there():
            self._shard = self.library("qdrant_edge").EdgeShard.load(self.address)
        return self._shard

    def _config(self, edge: Any, vector: list[Any]) -> Any:
        several = isinstance(vector[0], list)
        quantization = {
            "int8": lambda: edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, always_ram=True),
            "binary": lambda: edge.BinaryQuantizationConfig(always_ram=True),
        }.get(self.quantization or "", lambda: None)()
        datatype = edge.VectorStorageDatatype
        parameters = edge.EdgeVectorParams(
            size=len(vector[0] if several else vector),
            distance=edge.Distance.Cosine,
            on_disk=quantization is not None,
            multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if several else None,
            datatype=datatype.Float16 if self.facts["encoding"] == "float16" else datatype.Float32,
            quantization_config=quantization,
        )
        return edge.EdgeConfig(vectors=parameters)


class QdrantServer(_Qdrant):
    """A collection of a server, ``qdrant+http://HOST:6333/COLLECTION``. ``QDRANT_API_KEY`` has the key."""

    extra = "qdrant"
    _client: Any = None

    @property
    def collection(self) -> str:
        """The last part of the path."""
        name = urlsplit(self.address).path.strip("/").rpartition("/")[2]
        if not name:
            raise JobUsageError("the output needs a collection: qdrant+http://HOST:6333/COLLECTION")
        return name

    def upsert(self, batch: pa.RecordBatch) -> None:
        """Upsert points."""
        models = self.library("qdrant_client.models")
        points = self.points(batch)
        if not self._connect().collection_exists(self.collection):
            self._create(models, points[0][1])
        own = [models.PointStruct(id=point, vector=vector, payload=payload) for point, vector, payload in points]
        self._connect().upsert(self.collection, own, wait=True)

    def complete(self) -> None:
        """Do nothing: the server builds its index while it gets points."""

    def count(self) -> int | None:
        """Return the number of points."""
        client = self._connect()
        exists = client.collection_exists(self.collection)
        return int(client.count(self.collection, exact=True).count) if exists else None

    def drop(self) -> None:
        """Remove the collection."""
        self._connect().delete_collection(self.collection)

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> Any:
        if self._client is None:
            import os

            parts = urlsplit(self.address)
            url = f"{parts.scheme.partition('+')[2]}://{parts.netloc}{parts.path.rstrip('/').rpartition('/')[0]}"
            key = os.environ.get("QDRANT_API_KEY")
            self._client = self.library("qdrant_client").QdrantClient(url=url, api_key=key, check_compatibility=False)
        return self._client

    def _create(self, models: Any, vector: list[Any]) -> None:
        several = isinstance(vector[0], list)
        quantization = None
        if self.quantization == "int8":
            scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            quantization = models.ScalarQuantization(scalar=scalar)
        elif self.quantization == "binary":
            quantization = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
        comparator = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM) if several else None
        parameters = models.VectorParams(
            size=len(vector[0] if several else vector),
            distance=models.Distance.COSINE,
            on_disk=quantization is not None,
            datatype=models.Datatype.FLOAT16 if self.facts["encoding"] == "float16" else None,
            multivector_config=comparator,
        )
        self._connect().create_collection(self.collection, vectors_config=parameters, quantization_config=quantization)
