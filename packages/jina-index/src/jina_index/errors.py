"""The error that index files raise."""

from jina_client import JinaError


class IndexFileError(JinaError):
    """The folder holds no index or another kind of index, or its files are damaged, not writable, or open elsewhere."""
