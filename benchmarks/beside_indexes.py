"""Compare the index with LanceDB, Qdrant Edge and usearch on the same vectors: recall, time, memory, disk, build.

Two sets of vectors of 1024 dimensions: generated ones in clusters of a hundred, and real text, which is the docstrings
of Python's standard library and of the packages that are installed beside it. The embedded engine embeds them under the
id jina-embeddings-v3; its small model computes 384 dimensions, which a projection extends to 1024.

The script installs the databases in an environment of their own. Each way builds in one new process and searches in
another. Recall is the share of the ten nearest by exact float32 search that a way returns, over all queries. Memory is
anonymous memory, without the files that the system caches: the largest amount while building, and what the searching
process takes in the end. Machines differ and are noisy, so compare the ratios.

    uv run benchmarks/beside_indexes.py --environment /tmp/databases
    uv run benchmarks/beside_indexes.py --small   # a check that it works
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

DIMENSIONS = 1024
QUERIES = 1000
CHARACTERS = 200


def docstrings() -> Iterator[str]:
    """Yield the beginnings of the docstrings of the standard library and of all installed packages, each once."""
    seen: set[str] = set()
    for name in ("stdlib", "purelib"):
        root = Path(sysconfig.get_path(name))
        for path in sorted(root.rglob("*.py")):
            if "site-packages" in path.relative_to(root).parts:
                continue
            try:
                tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    text = " ".join((ast.get_docstring(node) or "").split())[:CHARACTERS]
                    if len(text) >= 40 and text not in seen:
                        seen.add(text)
                        yield text


def real_vectors(count: int, queries: int) -> tuple[Any, Any]:
    """Return the vectors of so many texts, and of other texts as queries."""
    from itertools import islice

    from jina_client import JinaClient

    texts = list(islice(docstrings(), count + queries))
    # Queries are spread over all packages.
    is_query = np.zeros(len(texts), np.bool_)
    is_query[np.linspace(0, len(texts) - 1, queries).astype(int)] = True
    client = JinaClient(base_url="local")
    parts = [
        client.embed(
            [text for text, chosen in zip(texts, is_query, strict=True) if chosen == wanted],
            model="jina-embeddings-v3",
            task=task,
        ).vectors
        for wanted, task in ((False, "retrieval.passage"), (True, "retrieval.query"))
    ]
    return parts[0], parts[1]
