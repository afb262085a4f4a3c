"""Where results are in the file of the journal, in little memory: a job may have millions of requests."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import overload


@dataclass(frozen=True, slots=True)
class Part:
    """Where the results of some rows are.

    Attributes:
        offset: in the file of results.
        length: in bytes.
        checksum: of these bytes.
        count: the number of results.
        run: 0 for rows that were sent for the first time; otherwise the number of the run that sent them again.
    """

    offset: int
    length: int
    checksum: int
    count: int
    run: int


_NUMBERS = 5


class PartList(Sequence[Part]):
    """Parts in the order in which they were written, at 40 bytes each."""

    def __init__(self) -> None:
        self._numbers = array("q")

    def append(self, part: Part) -> None:
        """Add a part."""
        self._numbers.extend(astuple(part))

    def clear(self) -> None:
        """Remove all parts."""
        del self._numbers[:]

    def __len__(self) -> int:
        return len(self._numbers) // _NUMBERS

    @overload
    def __getitem__(self, index: int) -> Part: ...

    @overload
    def __getitem__(self, index: slice) -> list[Part]: ...

    def __getitem__(self, index: int | slice) -> Part | list[Part]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Part(*self._numbers[index * _NUMBERS : (index + 1) * _NUMBERS])
