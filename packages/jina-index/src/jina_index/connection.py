"""The connection of an open index to its SQLite file, and what a forked process does with it."""

from __future__ import annotations

import ctypes
import os
import sqlite3
from pathlib import Path
from weakref import WeakSet

from .database import connect
from .errors import IndexFileError
from .files import DATABASE

_open: WeakSet[IndexConnection] = WeakSet()


class IndexConnection:
    """A connection that a forked process replaces, on first use, by one of its own for reading.

    Args:
        folder: the index folder.
        read_only: whether to open the file without changing anything.

    Attributes:
        inherited: whether another process has opened the index, and this one was forked from it.

    Raises:
        IndexFileError: another connection is open, or the file is not a SQLite database.
    """

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.inherited = False
        self._folder = folder
        self._database: sqlite3.Connection | None = connect(folder, read_only=read_only)
        self._file = (folder / DATABASE).stat()
        _open.add(self)

    def get(self) -> sqlite3.Connection:
        """Return the connection of this process.

        Raises:
            IndexFileError: the file that was open at the fork is gone, or was replaced by saving.
        """
        if self._database is None:
            database = connect(self._folder, read_only=True, locked=False)
            if not os.path.samestat(self._file, (self._folder / DATABASE).stat()):
                database.close()
                raise IndexFileError(
                    f"the index in {self._folder} was saved after this process was forked, so that it can no longer "
                    "search it; start the process again"
                )
            self._database = database
        return self._database

    def close(self) -> None:
        """Close the connection of this process."""
        if self._database is not None:
            self._database.close()

    def leave_to_parent(self) -> None:
        """Stop using the parent's connection, in a forked process.

        SQLite allows a connection only in the process that opened it. Closing it here would delete the file that undoes
        the parent's unfinished changes after a crash, so it is leaked.
        """
        if self._database is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._database))
        self.inherited, self._database = True, None


def _leave_to_parents() -> None:
    for connection in list(_open):
        connection.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parents)
