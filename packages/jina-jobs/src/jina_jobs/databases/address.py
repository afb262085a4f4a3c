"""The addresses of databases, such as ``qdrant+http://host:6333/collection``."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import parse_qsl, urlsplit

from ..errors import JobUsageError
from .base import DatabaseOutput

DATABASES = {
    "qdrant+http": "qdrant.QdrantServer",
    "qdrant+https": "qdrant.QdrantServer",
    "qdrant+file": "qdrant.QdrantInProcess",
    "postgresql": "postgres.PostgresTable",
    "postgres": "postgres.PostgresTable",
    "lancedb+file": "lance.LanceTable",
    "milvus+http": "milvus.MilvusCollection",
    "milvus+https": "milvus.MilvusCollection",
    "milvus+file": "milvus.MilvusCollection",
}
"""The class for each scheme. Each loads its library when it connects."""


def open_database(address: str) -> DatabaseOutput:
    """Return the output of an address. It does not connect yet.

    Raises:
        JobUsageError: an unknown scheme, or an address without a collection.
    """
    scheme, _, rest = address.partition("://")
    if scheme not in DATABASES:
        raise JobUsageError(f"the output has the unknown scheme {scheme}://. Known are: {'://, '.join(DATABASES)}://")
    query = urlsplit(address).query
    options = dict(parse_qsl(query, keep_blank_values=True))
    module, name = DATABASES[scheme].split(".")
    kind: type[DatabaseOutput] = getattr(import_module(f".{module}", __package__), name)
    return kind(scheme, rest.partition("?")[0] if scheme.endswith("+file") else address, options)
