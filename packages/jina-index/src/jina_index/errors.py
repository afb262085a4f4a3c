"""The error that index files raise."""

from jina_client import JinaError


class IndexFileError(JinaError):
    """The folder holds no index or an index of another kind, its files are damaged, or another program has it open."""
