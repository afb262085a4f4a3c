"""The base of results that hold one value per input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class ResultSequence(Sequence[T]):
    """A sequence over the values of one attribute."""

    __slots__ = ()

    @abstractmethod
    def _values(self) -> Sequence[T]: ...

    def __len__(self) -> int:
        return len(self._values())

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._values()[index]
