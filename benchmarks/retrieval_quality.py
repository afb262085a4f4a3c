"""Measure retrieval quality by storage format: nDCG@10 on the documentation that Python itself contains.

A query is the first line of a docstring of the standard library. The rest of that docstring is its only relevant
document. Everything runs on the embedded engine, so absolute values are those of its small English model on an easy
data set, and not those of Jina's models: compare the differences.

    uv run benchmarks/retrieval_quality.py
    uv run benchmarks/retrieval_quality.py --pairs 2500 --first-stages  # what those find that the indexes have
"""

from __future__ import annotations

import argparse
import ast
import re
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jina_client import JinaClient
from jina_client.late_interaction import maxsim, mean_pool
from jina_client.quantization import calibrate, dequantize, hamming, quantize, unpack
from jina_index import BinaryIndex
from jina_jobs.evaluation.metrics import ndcg, recall
from jina_local.encoder import Encoder, Rows
from jina_local.rerank import relevance
from jina_local.weights import find_model_files
from numpy.typing import NDArray

Array = NDArray[Any]

CANDIDATES = 50
_SKIPPED = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "__pycache__", "pydoc_data"}
_WORDS = 20
_CHARACTERS = 1500


def pairs(root: Path | None = None) -> list[tuple[str, str]]:
    """Return summary and body of every docstring below a folder that has both, in a fixed order.

    Args:
        root: The folder; defaults to the standard library.
    """
    root = root or Path(sysconfig.get_path("stdlib"))
    documents: dict[str, str] = {}
    bodies: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        if _SKIPPED & set(path.relative_to(root).parts[:-1]):
            continue
        for docstring in docstrings(path):
            summary, _, body = docstring.partition("\n")
            body = re.sub(r"\s+", " ", body).strip()[:_CHARACTERS]
            if len(summary.split()) >= 4 and len(body.split()) >= _WORDS and body not in bodies:
                bodies.add(body)
                documents.setdefault(summary.strip(), body)
    return list(documents.items())


def collections() -> dict[str, list[tuple[str, str]]]:
    """Return the pairs of the standard library, and of the packages with many docstrings that the tests install."""
    sets = {"standard library": pairs()}
    for name in ("numpy", "haystack", "llama_index", "langchain_core", "networkx"):
        spec = find_spec(name)
        if spec and spec.submodule_search_locations:
            sets[name] = pairs(Path(next(iter(spec.submodule_search_locations))))
    return sets


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module, and of its classes and functions."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""


class Remembered:
    """An :class:`Encoder` with precomputed token vectors, so that reranking computes none again."""

    def __init__(self, encoder: Encoder, texts: Sequence[str]) -> None:
        self.dimensions = encoder.dimensions
        self._vectors = encoder.token_vectors(encoder.tokenize(texts))

    def token_vectors(self, texts: Sequence[Any]) -> list[Array]:
        """Return the vectors of texts; a text is a list that starts with its number."""
        return [self._vectors[number] for number, *_ in texts]

    def rows(self, texts: Sequence[Any]) -> Iterator[Rows]:
        """Yield all rows, like :meth:`Encoder.rows`."""
        for place, vectors in enumerate(self.token_vectors(texts)):
            yield Rows(place, 0, vectors)

    def length(self, number: int) -> list[int]:
        """Return placeholder tokens of one text: its number, repeated as often as the text has tokens."""
        return [number] * (len(self._vectors[number]) - 2)


def best(scores: Array, count: int) -> Array:
    """Return the ``count`` best columns of each row, by descending score and ascending index."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def rescored(first: Array, queries: Array, documents: Array, count: int) -> Array:
    """Return the ``count`` best columns of a first score, sorted by the dot product of the vectors."""
    candidates = best(first, count)
    again = np.einsum("qd,qcd->qc", queries, documents[candidates])
    return np.take_along_axis(candidates, best(again, count), axis=1)


def mean_ndcg(ranking: Array) -> float:
    """Return the mean nDCG@10. Document ``i`` is the only relevant one of query ``i``."""
    return float(np.mean([ndcg(row, {number: 1.0}, 10) for number, row in enumerate(ranking.tolist())]))


@dataclass
class Vectors:
    """Queries and documents of one length."""

    queries: Array
    documents: Array

    def cut(self, dimensions: int) -> Vectors:
        """Return the vectors truncated to ``dimensions``, like those of a request."""
        return Vectors(*(v[:, :dimensions] / norms(v[:, :dimensions]) for v in (self.queries, self.documents)))


def norms(vectors: Array) -> Array:
    """Return the norm of each row, of shape ``(n, 1)``."""
    return np.linalg.norm(vectors, axis=1, keepdims=True)


def ways(vectors: Vectors, tokens: tuple[list[Array], list[Array]]) -> Iterator[tuple[str, float, Callable[[], Array]]]:
    """Yield each storage format: its name, bytes per document, and a function that ranks the candidates."""
    queries, documents = vectors.queries, vectors.documents
    size = documents.shape[1]
    yield f"float32, {size} dimensions", 4 * size, lambda: best(queries @ documents.T, CANDIDATES)
    for dimensions in (512, 256, 128, 64, 32):
        cut = vectors.cut(dimensions)
        yield (
            f"float32, {dimensions} dimensions",
            4 * dimensions,
            lambda cut=cut: best(cut.queries @ cut.documents.T, CANDIDATES),  # type: ignore[misc]
        )
    ranges = calibrate(documents)
    restored = dequantize(quantize(documents, "int8", ranges), ranges)
    yield f"int8, {size} dimensions", size, lambda: best(queries @ restored.T, CANDIDATES)
    bits, query_bits = quantize(documents, "ubinary"), quantize(queries, "ubinary")
    distances = hamming(query_bits, bits)
    yield f"binary, {size} bits", size / 8, lambda: best(-distances, CANDIDATES)
    signs = unpack(bits).astype(np.float32) * 2 - 1
    yield "binary, float query", size / 8, lambda: best(queries @ signs.T, CANDIDATES)
    for factor in (4, 10):
        yield (
            f"binary, {factor} x rescored by int8",
            size / 8 + size,
            lambda factor=factor: rescored(-distances, queries, restored, 10 * factor)[:, :CANDIDATES],  # type: ignore[misc]
        )
    of_queries, of_documents = tokens
    mean = sum(each.size for each in of_documents) / len(of_documents)
    yield "multi-vector, 128 a token, MaxSim", 4 * mean, lambda: best(maxsim(of_queries, of_documents), CANDIDATES)


def mean_recall(ranking: Array, exact: Array) -> float:
    """Return the mean share of each row of ``exact`` that the same row of the results contains."""
    rows = zip(ranking.tolist(), exact.tolist(), strict=True)
    return float(np.mean([recall(own, dict.fromkeys(right, 1.0), len(own)) for own, right in rows]))


def first_stages(vectors: Vectors, tokens: tuple[list[Array], list[Array]]) -> None:
    """Print the recall of the first stage of each index for the ten best documents."""
    exact = best(maxsim(*tokens), 10)
    queries, documents = (mean_pool(each) for each in tokens)
    bits = -hamming(quantize(queries, "ubinary"), quantize(documents, "ubinary"))
    print("| ten best by MaxSim, oversampling | pooled, as bits | pooled, as floats |\n|---|---|---|")
    for factor in (1, 4, 10, 20, 40):
        shares = [mean_recall(best(first, 10 * factor), exact) for first in (bits, queries @ documents.T)]
        print(f"| {factor} | {shares[0]:.3f} | {shares[1]:.3f} |")
    exact = best(vectors.queries @ vectors.documents.T, 10)
    with BinaryIndex(vectors.documents.shape[1]) as index:
        index.add(range(len(vectors.documents)), vectors.documents)
        index.cluster()
        print(f"\n| ten best by the dot product, {index.nlist} IVF cells |", end="")
        print(f" oversampling 4 | 10 | 20 |\n|{'---|' * 4}")
        for nprobe in (1, 2, 4, 8, 16, 32, None):
            line = f"| {nprobe or 'all'} |"
            for factor in (4, 10, 20):
                hits = index.search(vectors.queries, 10, factor, nprobe)
                line += f" {mean_recall(np.array([[hit.id for hit in own] for own in hits]), exact):.3f} |"
            print(line)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000, help="how many of the pairs, evenly chosen; 0 for all")
    parser.add_argument("--first-stages", action="store_true", help="what the indexes' first stages find, and no more")
    options = parser.parse_args()
    everything = pairs()
    step = max(1, len(everything) // options.pairs) if options.pairs else 1
    sample = everything[::step][: options.pairs or None]
    queries, documents = ([pair[part] for pair in sample] for part in (0, 1))
    count = len(sample)

    began = time.perf_counter()
    with JinaClient(base_url="local", timeout=600) as client:
        vectors = Vectors(
            client.embed(queries, model="jina-embeddings-v3", task="retrieval.query").vectors,
            client.embed(documents, model="jina-embeddings-v3", task="retrieval.passage").vectors,
        )
        single = time.perf_counter() - began
        tokens = (
            list(client.embed_multi_vector(queries, model="jina-colbert-v2", input_type="query")),
            list(client.embed_multi_vector(documents, model="jina-colbert-v2", input_type="document")),
        )
    if options.first_stages:
        print(f"{count:,} queries, {count:,} documents")
        first_stages(vectors, tokens)
        return
    encoder = Encoder(find_model_files())
    known = Remembered(encoder, [*documents, *queries])
    scores: dict[tuple[int, int], float] = {}

    def reranked(ranking: Array) -> Array:
        again = np.empty_like(ranking)
        for query, candidates in enumerate(ranking):
            new = [int(each) for each in candidates if (query, int(each)) not in scores]
            if new:
                texts = [known.length(each) for each in new]
                relevant = relevance(known, known.length(count + query), texts).scores  # type: ignore[arg-type]
                scores.update(((query, each), score) for each, score in zip(new, relevant, strict=True))
            again[query] = candidates[np.argsort([-scores[query, int(each)] for each in candidates], kind="stable")]
        return again

    words = sum(len(text.split()) for text in documents) / count
    print(f"{count:,} queries, {count:,} documents of {words:.0f} words on average (of {len(everything):,} pairs)")
    print(f"embedded in {single:.0f} s; reranked: the best {CANDIDATES} (40 where 4 x 10 were rescored)\n")
    print(f"| {'documents as':36} | bytes each | nDCG@10 | reranked |\n|{'---|' * 4}")
    for name, size, rank in ways(vectors, tokens):
        ranking = rank()
        print(
            f"| {name:36} | {size:10,.0f} | {mean_ndcg(ranking):7.3f} | {mean_ndcg(reranked(ranking)):8.3f} |",
            flush=True,
        )
    print(f"\n{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
