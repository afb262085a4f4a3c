"""Write files so that a crash leaves the old content or the new, and report why one cannot be written."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import RejectedRequestError

logger = logging.getLogger("jina_local")


@contextmanager
def writing_state(what: str, path: Path | None) -> Iterator[None]:
    """Report an error of the block with the path and the system's reason, to the caller and in the log.

    Args:
        what: What is written, such as ``classifier``.
        path: The file or folder.

    Raises:
        RejectedRequestError: It cannot be written (500).
    """
    try:
        yield
    except OSError as error:
        message = f"The {what} cannot be written to {path or tempfile.gettempdir()}: {error.strerror}"
        logger.error("%s", message)
        raise RejectedRequestError(message, "INTERNAL_ERROR", status=500) from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file.

    Raises:
        OSError: The file cannot be written.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
