"""The modes of the reader."""

from __future__ import annotations

from enum import Enum

from jina_client import JinaInputError


class JinaReaderMode(Enum):
    """A service of the reader.

    READ returns a page as text, SEARCH the pages that match a query. GROUND checks a statement.
    """

    READ = "read"
    SEARCH = "search"
    GROUND = "ground"

    def __str__(self) -> str:
        return self.value

    @classmethod
    def from_str(cls, string: str) -> JinaReaderMode:
        """Return the mode with a name.

        :param string: `read`, `search` or `ground`.
        :returns: The mode.
        :raises JinaInputError: Another name (also a ValueError).
        """
        try:
            return cls(string)
        except ValueError:
            allowed = ", ".join(mode.value for mode in cls)
            raise JinaInputError(f"Unknown reader mode {string!r}: it must be one of {allowed}") from None
