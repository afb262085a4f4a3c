"""A file of vectors that were paid for: an interrupted job resumes where it stopped, and a second run costs nothing.

The key of a vector is a hash of everything that it depends on: the service, the model, every option that is sent (task,
dimensions, encoding and so on) and the content; for late chunking also the whole document and the chunk's place in it.
The texts themselves are not stored. The file is an SQLite database in write-ahead mode: several threads and processes
may use it concurrently, and a crash loses nothing that was written.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .call import CallCache
    from .file import EmbeddingCache
    from .keys import cache_keys

__all__ = [
    "CallCache",
    "EmbeddingCache",
    "cache_keys",
]

load_on_use(
    __name__,
    {
        ".call": "CallCache",
        ".file": "EmbeddingCache",
        ".keys": "cache_keys",
    },
)
