"""Timestamps in the hosted service's format."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(time: datetime | None = None) -> str:
    """Format a time in ISO 8601 with milliseconds and a ``Z`` for UTC.

    Args:
        time: A time in UTC; defaults to the current time.
    """
    return (time or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
