"""The errors of jobs. Each is one clear line: what was wrong, what is allowed, what to do."""

from __future__ import annotations

from jina_client import JinaError


class JobError(JinaError):
    """A job cannot start or go on. What was done so far is safe."""


class JobUsageError(JobError, ValueError):
    """An option has a value that cannot work, whatever the files contain."""


class JobStoppedError(JobError):
    """A row failed, and ``on_error`` is ``stop``."""
