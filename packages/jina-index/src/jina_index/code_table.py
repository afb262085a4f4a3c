"""The first stage of an index: its codes in memory, and which row on disk each of them belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cells import Cells, Clustering
from .nearest import as_bits, nearest_bits, nearest_bits_in_cells, nearest_floats
from .store import IndexStore
from .threads import background

# Rows that are moved together when rows are removed.
_ROWS_PER_STEP = 16_384
# Queries whose cells are selected together: each query takes some bytes per cell.
_QUERIES_PER_STEP = 1024


class CodeTable:
    """The codes of the first stage, in memory.

    A code is a vector's bits, or a pooled vector as float32. Codes are in the order of the rows on disk until the index
    is clustered; from then on cell after cell. Not thread-safe; the index above it has a lock.

    Args:
        store: the open files to read the codes and cells from.

    Raises:
        IndexFileError: the cells are damaged.
    """

    def __init__(self, store: IndexStore) -> None:
        self._settings = store.settings
        self._codes, compare = store.read_codes()
        # Opening does not wait for the checksums.
        self._comparison: Future[None] = background().submit(compare)
        # The row on disk of each position in memory. None means that they are the same: no row was removed or sorted.
        self._rows: NDArray[Any] | None = store.live_rows()
        if self._rows is not None:
            self._codes = self._codes[self._rows]
        self._count = len(self._codes)
        self._cells: Cells | None = None
        clustering = store.read_cells()
        if clustering is not None:
            self.sort(clustering, store.rows)

    def __len__(self) -> int:
        return self._count

    @property
    def nlist(self) -> int:
        """The number of IVF cells; 0 if the index is not clustered."""
        return 0 if self._cells is None else len(self._cells)

    @property
    def memory(self) -> int:
        """Bytes in memory."""
        width = self._settings.code_width + (0 if self._rows is None else self._rows.itemsize)
        return self._count * width + (0 if self._cells is None else self._cells.memory)

    def check(self, *, wait: bool = True) -> None:
        """Check the result of comparing the codes with their checksums.

        Args:
            wait: whether to wait for the comparison. Otherwise nothing happens while it goes on.

        Raises:
            IndexFileError: the codes were damaged when they were read.
        """
        if wait or self._comparison.done():
            self._comparison.result()

    def ascending_rows(self) -> NDArray[np.int64]:
        """Return the rows on disk of all codes, ascending."""
        return np.arange(self._count) if self._rows is None else np.sort(self._rows[: self._count])

    def places_by_row(self) -> NDArray[np.int64]:
        """Return all positions in memory in the order of their rows on disk."""
        return np.arange(self._count) if self._rows is None else np.argsort(self._rows[: self._count])

    def rows_at(self, places: NDArray[np.int64]) -> list[int]:
        """Return the rows on disk of some positions."""
        rows: list[int] = (places if self._rows is None else self._rows[places]).tolist()
        return rows

    def codes_at(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the codes of some positions: bytes of shape ``(n, code_width)``."""
        return self._codes[places]

    def sort(self, clustering: Clustering, total: int) -> None:
        """Order the codes cell after cell; rows that are in no cell come last.

        Args:
            clustering: the cells, whose members may include rows that were removed.
            total: the number of rows on disk, including removed ones.
        """
        nlist = len(clustering.members)
        cell_of_row = np.full(total, nlist, np.int32)
        for number, rows in enumerate(clustering.members):
            cell_of_row[rows] = number
        live = np.arange(self._count) if self._rows is None else self._rows[: self._count]
        numbers = cell_of_row[live]
        # Within a cell the rows ascend, which decides the order of equally near vectors.
        order = np.lexsort((live, numbers))
        sorted_rows = live[order].astype(_row_type(total))
        self._codes, self._rows = self._codes[order], sorted_rows
        self._cells = Cells(clustering.centroids, np.searchsorted(numbers[order], np.arange(nlist + 1)))

    def clustering_by_row(self) -> Clustering | None:
        """Return the cells for rows that are numbered anew, without gaps; ``None`` if the index is not clustered."""
        if self._cells is None:
            return None
        numbers = np.empty(self._count, np.int64)
        numbers[self.places_by_row()] = np.arange(self._count)
        return Clustering(self._cells.centroids, np.split(numbers, self._cells.bounds[1:])[:-1])

    def append(self, codes: NDArray[np.uint8], first_row: int) -> None:
        """Append the codes of rows that follow each other on disk.

        Args:
            codes: bytes of shape ``(n, code_width)``.
            first_row: the row of the first.
        """
        count = self._count + len(codes)
        if count > len(self._codes):
            # Reserve more than needed; the system provides memory only once it is written to.
            capacity = max(count, 2 * self._count)
            self._codes = _with_capacity(self._codes[: self._count], capacity)
            if self._rows is not None:
                self._rows = _with_capacity(self._rows[: self._count], capacity)
        self._codes[self._count : count] = codes
        if self._rows is not None:
            self._rows = self._rows.astype(_row_type(first_row + len(codes)), copy=False)
            self._rows[self._count : count] = np.arange(first_row, first_row + len(codes))
        self._count = count

    def remove(self, rows: Sequence[int]) -> None:
        """Remove the codes of some rows on disk; the codes behind them move up. Call :meth:`check` before."""
        if self._rows is None:
            own = np.arange(self._count, dtype=_row_type(self._count))
            self._rows = _with_capacity(own, len(self._codes))
        is_gone = np.isin(self._rows[: self._count], rows)
        places = np.flatnonzero(is_gone)
        if self._cells is not None:
            self._cells.forget(places)
        end = int(places[0])
        for start in range(end, self._count, _ROWS_PER_STEP):
            part = slice(start, min(start + _ROWS_PER_STEP, self._count))
            stays = ~is_gone[part]
            target = slice(end, end + int(stays.sum()))
            self._codes[target], self._rows[target] = self._codes[part][stays], self._rows[part][stays]
            end = target.stop
        self._count = end

    def clear(self) -> None:
        """Free the memory of the codes. The number of codes stays what it was."""
        self._codes = np.empty((0, 0), np.uint8)

    def nearest(self, queries: NDArray[np.float32], count: int, nprobe: int | None = None) -> NDArray[np.int64]:
        """Return the rows on disk of the codes nearest to each query.

        Args:
            queries: float32 of shape ``(q, dims)``.
            count: the number of rows per query, at most the number of codes.
            nprobe: the number of cells to search; by default all.

        Returns:
            Rows of shape ``(q, count)``, in no particular order.

        Raises:
            IndexFileError: the codes were damaged when they were read.
        """
        self.check(wait=False)
        codes = self._codes[: self._count]
        rows = None if self._rows is None else self._rows[: self._count]
        if self._settings.first_stage == "float":
            places = nearest_floats(queries, codes.view("<f4"), count)
            return places if rows is None else rows[places]
        bits = as_bits(queries)
        cells = self._cells
        if cells is None or rows is None or nprobe is None or nprobe >= len(cells):
            return nearest_bits(bits, codes, count, rows, ascending=cells is None)
        tail = self._count - int(cells.bounds[-1])
        results = []
        for start in range(0, len(queries), _QUERIES_PER_STEP):
            part = slice(start, start + _QUERIES_PER_STEP)
            probed = cells.probe(queries[part], nprobe, count - tail)
            results.append(nearest_bits_in_cells(bits[part], codes, count, rows, cells.bounds, probed))
        return np.concatenate(results)


def _row_type(rows: int) -> type[np.signedinteger[Any]]:
    """Return the smallest type that numbers so many rows."""
    return np.int32 if rows <= np.iinfo(np.int32).max else np.int64


def _with_capacity(array: NDArray[Any], rows: int) -> NDArray[Any]:
    larger = np.empty((rows, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
