"""The content of an index in the form that :func:`write_generation` takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .code_table import CodeTable
from .generations import Batch
from .items import ItemColumns
from .store import IndexStore

# Rows that are copied together.
_ROWS_PER_STEP = 16_384


def numbered_anew(store: IndexStore, codes: CodeTable) -> Iterator[Batch]:
    """Yield the content in the order of rows, with rows and vectors numbered from 0."""
    row = vector = 0
    vectors = store.map_vectors()
    order = codes.places_by_row()
    for start in range(0, len(order), _ROWS_PER_STEP):
        places = order[start : start + _ROWS_PER_STEP]
        rows = codes.rows_at(places)
        current = store.items(rows)
        items = [current[each] for each in rows]
        lengths = np.array([item.vectors for item in items])
        firsts = np.cumsum(lengths) - lengths
        stored = [np.arange(item.first_vector, item.first_vector + item.vectors) for item in items]
        columns = ItemColumns(
            row, [item.id for item in items], [item.payload for item in items], vector + firsts, lengths
        )
        row, vector = row + len(items), vector + int(lengths.sum())
        yield columns, codes.codes_at(places), vectors[np.concatenate(stored)]
