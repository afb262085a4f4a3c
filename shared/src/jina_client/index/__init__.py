"""Search in two stages inside the process: one bit a dimension in memory, the vectors themselves on disk.

The extra ``index`` brings faiss: ``pip install 'jina-client[index]'``. It is no database: no filters, no updates in
place, one process at a time writes. ``docs/binary-search.md`` has what it costs and what it finds.
"""

from .binary_index import BinaryIndex
from .hits import Hit
from .multi_vector_index import MultiVectorIndex
from .store import Id, IndexFileError

__all__ = ["BinaryIndex", "Hit", "Id", "IndexFileError", "MultiVectorIndex"]
