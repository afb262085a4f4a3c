"""A terminal, as progress bars see it."""

from __future__ import annotations

import io
import os
import re
import termios
from contextlib import redirect_stderr
from typing import Self

COLUMNS = 80


class Terminal(io.StringIO):
    """Standard error that is a terminal with 80 columns."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        """Return the descriptor of a terminal, which programs ask for its size."""
        return self._ends[1]

    @property
    def bars(self) -> list[str]:
        """The lines that were drawn over each other."""
        return [line for line in re.split(r"[\r\n]+", self.getvalue()) if "Embedding" in line]

    def __enter__(self) -> Self:
        """Become standard error. In a fixture it would be too early: pytest's capture replaces it after setup."""
        self._ends = os.openpty()
        termios.tcsetwinsize(self.fileno(), (24, COLUMNS))
        self._replaced = redirect_stderr(self)
        self._replaced.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._replaced.__exit__(None, None, None)
        for end in self._ends:
            os.close(end)
