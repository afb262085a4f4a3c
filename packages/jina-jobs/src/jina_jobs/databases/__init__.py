"""Databases: results are upserted by id as they come, so that delivering them twice changes nothing."""

from .address import DATABASES, open_database
from .base import DatabaseOutput

__all__ = ["DATABASES", "DatabaseOutput", "open_database"]
