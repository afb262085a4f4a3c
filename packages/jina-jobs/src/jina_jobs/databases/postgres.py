"""PostgreSQL with pgvector, ``postgresql://USER:PASSWORD@HOST/DATABASE?table=NAME``."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import pyarrow as pa

from ..errors import JobUsageError
from ..outputs.choice import Encoding
from .base import DatabaseOutput, as_json, columns_of

_TYPES = ((pa.types.is_boolean, "boolean"), (pa.types.is_integer, "bigint"), (pa.types.is_floating, "double precision"))
# Dimensions that an HNSW index takes, by pgvector's documentation.
_INDEXED = {"vector": 2000, "halfvec": 4000, "bit": 64_000}
_OPERATORS = {"vector": "vector_cosine_ops", "halfvec": "halfvec_cosine_ops", "bit": "bit_hamming_ops"}


class PostgresTable(DatabaseOutput):
    """A table with the columns ``id``, ``embedding`` and one for each kept column.

    The option ``table`` names it (default: ``embeddings``); ``index=no`` builds no index at the end. Other options are
    those of PostgreSQL's addresses.
    """

    extra = "postgresql"
    rows_at_once = 2048
    _connection: Any = None

    def __init__(self, scheme: str, address: str, options: dict[str, str]) -> None:
        super().__init__(scheme, address, {})
        self._name = options.get("table", "embeddings")
        self._index = options.get("index", "yes")
        if not self._name or self._index not in ("yes", "no"):
            raise JobUsageError("the output takes ?table=NAME and &index=no")
        parts = urlsplit(address)
        own = [(name, value) for name, value in parse_qsl(parts.query) if name not in ("table", "index")]
        self._url = urlunsplit(parts._replace(query=urlencode(own)))

    def accept(self, encoding: Encoding) -> Encoding:
        """Reject int8, which pgvector does not have."""
        if encoding == "int8":
            raise JobUsageError("pgvector has no type for int8: choose --encoding float16 (halfvec) or binary (bit)")
        return encoding

    @property
    def collection(self) -> str:
        """The name of the table."""
        return self._name

    def upsert(self, batch: pa.RecordBatch) -> None:
        """Copy rows into a temporary table, then insert or replace them in one transaction."""
        sql = self.library("psycopg.sql")
        ids, vectors, others = columns_of(batch)
        if isinstance(vectors, list):
            raise JobUsageError("pgvector stores one vector per row: choose another output for multi-vectors")
        names = [sql.Identifier(name) for name in ("id", "embedding", *others[0])]
        table, columns = sql.Identifier(self._name), sql.SQL(", ").join(names)
        updates = sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(name) for name in names[1:])
        connection = self._connect()
        with connection.transaction():
            self._create(sql, batch, vectors)
            connection.execute(sql.SQL("CREATE TEMP TABLE incoming (LIKE {}) ON COMMIT DROP").format(table))
            with connection.cursor().copy(sql.SQL("COPY incoming ({}) FROM STDIN").format(columns)) as copy:
                for row_id, vector, other in zip(ids, vectors, others, strict=True):
                    values = (self._value(value) for value in other.values())
                    copy.write_row((row_id, self._text(vector), *values))
            connection.execute(
                sql.SQL(
                    "INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming "
                    "ON CONFLICT (id) DO UPDATE SET {updates}"
                ).format(table=table, columns=columns, updates=updates)
            )

    def complete(self) -> None:
        """Build an HNSW index, if the vectors are not too long for one."""
        sql = self.library("psycopg.sql")
        kind, width = self._kind, self._width()
        if self._index == "no" or width > _INDEXED[kind]:
            return
        table, connection = sql.Identifier(self._name), self._connect()
        with connection.transaction():
            # The server may still build the index for a process that was killed: IF NOT EXISTS does not see that one.
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(table))
            connection.execute(
                sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw (embedding {})").format(
                    sql.Identifier(f"{self._name}_embedding_hnsw"), table, sql.SQL(_OPERATORS[kind])
                )
            )

    def count(self) -> int | None:
        """Return the number of rows."""
        sql = self.library("psycopg.sql")
        connection = self._connect()
        if connection.execute("SELECT to_regclass(quote_ident(%s))", (self._name,)).fetchone()[0] is None:
            return None
        counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(self._name)))
        return int(counted.fetchone()[0])

    def drop(self) -> None:
        """Remove the table."""
        sql = self.library("psycopg.sql")
        self._connect().execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(self._name)))

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _kind(self) -> str:
        return {"float16": "halfvec", "binary": "bit"}.get(self.facts["encoding"], "vector")

    def _connect(self) -> Any:
        if self._connection is None or self._connection.closed:
            self._connection = self.library("psycopg").connect(self._url, autocommit=True, connect_timeout=20)
        return self._connection

    def _create(self, sql: Any, batch: pa.RecordBatch, vectors: np.ndarray[Any, Any]) -> None:
        width = vectors.shape[1] * (8 if self._kind == "bit" else 1)
        columns = [
            sql.SQL("{} {} PRIMARY KEY").format(sql.Identifier("id"), sql.SQL(_type(batch.schema.field("id").type)))
        ]
        columns.append(sql.SQL("embedding {}({})").format(sql.SQL(self._kind), sql.Literal(width)))
        columns += [
            sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(_type(field.type)))
            for field in batch.schema
            if field.name not in ("id", "embedding")
        ]
        self._connect().execute("CREATE EXTENSION IF NOT EXISTS vector")
        self._connect().execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(
                sql.Identifier(self._name), sql.SQL(", ").join(columns)
            )
        )

    def _width(self) -> int:
        query = (
            "SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s)) AND attname = 'embedding'"
        )
        return int(self._connect().execute(query, (self._name,)).fetchone()[0])

    def _text(self, vector: np.ndarray[Any, Any]) -> str:
        if self._kind == "bit":
            return "".join(map(str, np.unpackbits(vector).tolist()))
        return "[" + ",".join(map(repr, vector.astype(np.float32).tolist())) + "]"

    def _value(self, value: Any) -> Any:
        if isinstance(value, (dict, list)):
            return self.library("psycopg.types.json").Jsonb(as_json({"value": value})["value"])
        return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def _type(kind: pa.DataType) -> str:
    named = next((name for matches, name in _TYPES if matches(kind)), None)
    return named or ("jsonb" if pa.types.is_nested(kind) else "text")
