"""A terminal, as progress bars see it."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from typing import Self


class Terminal(io.StringIO):
    """Standard error that is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def bars(self) -> list[str]:
        """The lines that were drawn over each other."""
        return [line for line in re.split(r"[\r\n]+", self.getvalue()) if "Embedding" in line]

    def __enter__(self) -> Self:
        """Become standard error. In a fixture it would be too early: pytest's capture replaces it after setup."""
        self._replaced = redirect_stderr(self)
        self._replaced.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._replaced.__exit__(None, None, None)
