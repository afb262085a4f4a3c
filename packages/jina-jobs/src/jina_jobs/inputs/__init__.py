"""Reading: files of any format and number become rows, one at a time."""

from .source import Record, Source, TableSource, open_source

__all__ = ["Record", "Source", "TableSource", "open_source"]
