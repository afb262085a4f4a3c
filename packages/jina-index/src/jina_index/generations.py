"""Writing an index anew: complete new files beside the old ones, then one rename that replaces the index."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import database as tables
from .cells import Clustering
from .files import DATABASE, as_bytes, crc, flush_folder, header
from .items import ItemColumns
from .settings import IndexSettings

Batch = tuple[ItemColumns, NDArray[np.uint8], NDArray[np.uint8]]
"""Items with their codes ``(rows, code_width)`` and stored vectors ``(vectors, vector_width)``."""

_FILE_NAME = re.compile(r"(?:codes|vectors|new)-([0-9a-f]{16})\.(?:bin|sqlite3)")


def write_generation(
    folder: Path, settings: IndexSettings, batches: Iterable[Batch], clustering: Clustering | None = None
) -> str:
    """Write the files of a new generation beside those of the current one, which stay as they are.

    Args:
        folder: the index folder.
        settings: the settings of the index.
        batches: the content, with rows and vectors numbered from 0.
        clustering: the IVF cells of these rows, if there are any.

    Returns:
        The name of the generation, for :func:`publish_generation`.
    """
    generation = secrets.token_hex(8)
    try:
        _write_files(folder, generation, settings, batches, clustering)
    except BaseException:
        for path in folder.glob(f"*-{generation}.*"):
            path.unlink()
        raise
    return generation


def _write_files(
    folder: Path,
    generation: str,
    settings: IndexSettings,
    batches: Iterable[Batch],
    clustering: Clustering | None,
) -> None:
    database = sqlite3.connect(folder / f"new-{generation}.sqlite3", isolation_level=None)
    with (
        contextlib.closing(database),
        (folder / f"codes-{generation}.bin").open("xb") as codes_file,
        (folder / f"vectors-{generation}.bin").open("xb") as vectors_file,
    ):
        tables.mark_format(database)
        database.execute("PRAGMA synchronous = FULL")
        for file in (codes_file, vectors_file):
            file.write(header(generation))
        with tables.transaction(database):
            tables.create_tables(database, settings, generation)
            for items, codes, vectors in batches:
                codes_file.write(as_bytes(codes))
                vectors_file.write(as_bytes(vectors))
                first_vector = int(items.first_vectors[0])
                batch = tables.Batch(items.first_row, len(codes), crc(codes), first_vector, len(vectors), crc(vectors))
                tables.insert_batch(database, batch)
                tables.insert_items(database, items)
            if clustering is not None:
                tables.insert_cells(database, clustering, create=True)
            for file in (codes_file, vectors_file):
                file.flush()
                os.fsync(file.fileno())


def publish_generation(folder: Path, generation: str) -> None:
    """Make a generation the index of its folder. Renaming its SQLite file is the one step that takes effect.

    Raises:
        IndexFileError: the index that the folder holds so far is open elsewhere.
    """
    target = folder / DATABASE
    current = tables.connect(folder, read_only=False) if target.exists() else None
    try:
        (folder / f"new-{generation}.sqlite3").replace(target)
        flush_folder(folder)
    finally:
        if current is not None:
            current.close()


def remove_other_generations(folder: Path, generation: str) -> None:
    """Delete the files that an interrupted :func:`write_generation` left, or that a published one replaced."""
    for path in folder.iterdir():
        match = _FILE_NAME.fullmatch(path.name)
        if match and match.group(1) != generation:
            path.unlink()
