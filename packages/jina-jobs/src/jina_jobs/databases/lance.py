"""LanceDB in a folder, ``lancedb+file://FOLDER/TABLE``. It gets floats and quantizes them in its index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import JobError
from ..outputs.choice import Encoding
from ..outputs.files import VECTOR
from ..rows import ID, converted
from .base import DatabaseOutput

# Training an index needs some rows. With fewer, LanceDB compares all of them.
_INDEXED_FROM = 4096


class LanceTable(DatabaseOutput):
    """A table of LanceDB."""

    extra = "lancedb"
    rows_at_once = 8192
    _table: Any = None

    def accept(self, encoding: Encoding) -> Encoding:
        """Return ``float32`` for int8 and binary, which the index makes."""
        self.quantization = encoding if encoding in ("int8", "binary") else None
        return "float32" if self.quantization else encoding

    @property
    def collection(self) -> str:
        """The last part of the path."""
        return Path(self.address).name

    @property
    def state(self) -> Path:
        """Beside the files of the table."""
        return Path(self.address)

    def upsert(self, batch: pa.RecordBatch) -> None:
        """Merge rows by id."""
        table = self._open()
        if table is None:
            # Later rows may have values of any type in a column that only has nulls so far.
            fields = [each.with_type(pa.string()) if pa.types.is_null(each.type) else each for each in batch.schema]
            rows = pa.Table.from_batches([batch]).cast(pa.schema(fields))
            self._table = self._connect().create_table(self.collection, rows)
            return
        merge = table.merge_insert(ID).when_matched_update_all().when_not_matched_insert_all()
        merge.execute(self._fitted(batch, table.schema))

    def complete(self) -> None:
        """Merge small files, and build the index of a quantized table."""
        table = self._open()
        table.optimize()
        if self.quantization and table.count_rows() >= _INDEXED_FROM:
            index = self.library("lancedb.index")
            kind = index.IvfRq if self.quantization == "binary" else index.HnswSq
            table.create_index(VECTOR, config=kind(distance_type="cosine"))

    def count(self) -> int | None:
        """Return the number of rows."""
        table = self._open()
        return None if table is None else int(table.count_rows())

    def drop(self) -> None:
        """Remove the table."""
        self._table = None
        if self._open() is not None:
            self._table = None
            self._connect().drop_table(self.collection)

    def _fitted(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
        """Return rows with the types of the table, which it has from its first rows."""
        columns = []
        for field in schema:
            column = batch.select([field.name])
            try:
                columns.append(converted(column, pa.schema([field])).column(0))
            except pa.ArrowException as error:
                raise JobError(
                    f"{self.describe()}: the column {field.name!r} has the type {field.type} from the first rows, and "
                    f"later rows have {column.schema.field(0).type}. Give the column one type in the input, such as "
                    "text, and start again with --overwrite"
                ) from error
        return pa.Table.from_arrays(columns, schema=schema)

    def _connect(self) -> Any:
        return self.library("lancedb").connect(str(Path(self.address).parent))

    def _open(self) -> Any:
        if self._table is None and Path(f"{self.address}.lance").exists():
            self._table = self._connect().open_table(self.collection)
        return self._table
