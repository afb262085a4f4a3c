"""The evaluation: every combination asked for, measured on the same queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

import numpy as np
from jina_client import JinaClient
from jina_client.integration import find_model

from ..embedding import ENCODINGS
from ..errors import JobUsageError
from .collection import Collection
from .metrics import interval, ndcg, recall
from .vectors import Embedded, SearchIndex, embed_collection, search_index


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """The variants that an evaluation compares: all combinations of these options.

    Args:
        models: embedding models.
        dimensions: lengths; by default each model's own. Longer ones than a model has are left out of it.
        encodings: ``float32``, ``float16``, ``int8`` and ``binary``.
        rescoring: how many times as many candidates of int8 and binary the float vectors compare again; 0 is none.
        late_chunking: characters per chunk; ``None`` for none.
        rerankers: models that sort the first ``rerank_depth`` again; none too.
        rerank_depth: how many documents a reranker gets.
        k: recall is measured at this rank, nDCG at 10.
        tolerance: the share of the best nDCG@10 that the recommendation may lose.
        price_per_million_tokens: for the price; ``None`` for none.
    """

    models: Sequence[str]
    dimensions: Sequence[int] = ()
    encodings: Sequence[str] = ("float32",)
    rescoring: Sequence[int] = (0,)
    late_chunking: int | None = None
    rerankers: Sequence[str] = ()
    rerank_depth: int = 50
    k: int = 100
    tolerance: float = 0.01
    price_per_million_tokens: float | None = None

    def __post_init__(self) -> None:
        for encoding in self.encodings:
            if encoding not in ENCODINGS:
                raise JobUsageError(f"--encoding must be one of {', '.join(ENCODINGS)}, got {encoding!r}")


@dataclass
class VariantResult:
    """One combination and what it reached.

    Attributes:
        name: the combination in words.
        model, dimensions, encoding, rescoring, late_chunking, reranker: the combination.
        ndcg, ndcg_low, ndcg_high: the mean nDCG@10 over the queries, and its 95 % confidence interval.
        recall: the mean recall at ``k``.
        difference, difference_low, difference_high: from the best variant, query by query.
        memory_bytes: of what every search reads.
        disk_bytes: with the vectors that rescoring reads.
        milliseconds: per query, of an exact search with numpy, and of the reranker.
        tokens: that it needs for the corpus and the queries.
        price: of the tokens.
    """

    name: str
    model: str
    dimensions: int
    encoding: str
    rescoring: int
    late_chunking: bool
    reranker: str
    ndcg: float
    ndcg_low: float
    ndcg_high: float
    recall: float
    memory_bytes: int
    disk_bytes: int
    milliseconds: float
    tokens: int
    price: float | None
    difference: float = 0.0
    difference_low: float = 0.0
    difference_high: float = 0.0


@dataclass
class EvaluationReport:
    """All variants, and the recommendation.

    Attributes:
        documents, queries: their numbers.
        k: the rank of recall.
        truth: where the truth comes from.
        variants: the best nDCG@10 first.
        recommended: the name of the variant with the smallest storage within the tolerance.
        recommendation: the same as a sentence.
        tokens: that the evaluation used.
    """

    documents: int
    queries: int
    k: int
    truth: str
    variants: list[VariantResult] = field(default_factory=list)
    recommended: str = ""
    recommendation: str = ""
    tokens: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return asdict(self)


def evaluate(
    collection: Collection,
    plan: EvaluationPlan,
    client: JinaClient,
    report_step: Callable[[str], None] = lambda step: None,
) -> EvaluationReport:
    """Measure every combination of a plan.

    Args:
        collection: the texts and the judgments. Without judgments the truth is the exact search of the first model
            with float vectors of its full length: its 10 nearest documents.
        plan: what to compare.
        client: sends the texts, each once per model.
        report_step: is called with what is being done.
    """
    judgments = collection.judgments
    report = EvaluationReport(len(collection.documents), len(collection.queries), plan.k, "judgments")
    reranked: dict[Any, tuple[list[int], int, float]] = {}
    per_query: list[np.ndarray[Any, Any]] = []
    for model, late in product(plan.models, (None, plan.late_chunking) if plan.late_chunking else (None,)):
        report_step(f"embedding with {model}" + (", late chunking" if late else ""))
        vectors = embed_collection(client, model, collection.documents, collection.queries, late=late)
        report.tokens += vectors.tokens
        if not judgments:
            judgments = _exact_truth(vectors)
            report.truth = f"exact search with {model}, float32"
        for dimensions, encoding, rescoring, reranker in _combinations(plan, model, vectors):
            name = _name(model, dimensions, encoding, rescoring, late, reranker)
            report_step(name)
            index = search_index(vectors, dimensions, encoding)
            ranked, milliseconds = _timed(index, max(plan.k, plan.rerank_depth), rescoring or None)
            tokens = vectors.tokens
            if reranker:
                ranked, used, extra = _rerank(client, collection, reranker, ranked, plan.rerank_depth, reranked)
                tokens, milliseconds = tokens + used, milliseconds + extra
            scores = np.array([ndcg(each, grades, 10) for each, grades in zip(ranked, judgments, strict=True)])
            low, high = interval(scores)
            recalls = [recall(each, grades, plan.k) for each, grades in zip(ranked, judgments, strict=True)]
            price = plan.price_per_million_tokens
            per_query.append(scores)
            report.variants.append(
                VariantResult(
                    name=name,
                    model=model,
                    dimensions=dimensions,
                    encoding=encoding,
                    rescoring=rescoring,
                    late_chunking=late is not None,
                    reranker=reranker,
                    ndcg=float(scores.mean()),
                    ndcg_low=low,
                    ndcg_high=high,
                    recall=float(np.mean(recalls)),
                    memory_bytes=index.bytes,
                    disk_bytes=index.bytes + (index.vector_bytes if rescoring else 0),
                    milliseconds=milliseconds,
                    tokens=tokens,
                    price=None if price is None else tokens * price / 1_000_000,
                )
            )
    report.tokens += sum(used for _, used, _ in reranked.values())
    _compare(report, per_query, plan.tolerance)
    return report


def _combinations(plan: EvaluationPlan, model: str, vectors: Embedded) -> Iterator[tuple[int, str, int, str]]:
    width = vectors.documents.shape[1]
    known = find_model(model)
    lengths = [each for each in plan.dimensions if each <= width and (known is None or known.allows_dimensions(each))]
    if plan.dimensions and not lengths:
        raise JobUsageError(f"--dimensions {', '.join(map(str, plan.dimensions))}: {model} has {width} dimensions")
    for dimensions, encoding in product(lengths or [width], plan.encodings):
        rescorings = plan.rescoring if encoding in ("int8", "binary") else (0,)
        for rescoring, reranker in product(rescorings, ("", *plan.rerankers)):
            yield dimensions, encoding, rescoring, reranker


def _name(model: str, dimensions: int, encoding: str, rescoring: int, late: int | None, reranker: str) -> str:
    parts = [model, f"{dimensions}", encoding]
    parts += [f"rescored ×{rescoring}"] if rescoring else []
    parts += ["late chunking"] if late else []
    parts += [f"+ {reranker}"] if reranker else []
    return " · ".join(parts)


def _exact_truth(vectors: Embedded) -> list[dict[int, float]]:
    index = search_index(vectors, vectors.documents.shape[1], "float32")
    return [dict.fromkeys(documents, 1.0) for documents in index.search(10)]


def _timed(index: SearchIndex, k: int, oversampling: int | None) -> tuple[list[list[int]], float]:
    started = time.perf_counter()
    ranked = index.search(k, oversampling)
    return ranked, (time.perf_counter() - started) * 1000 / len(ranked)


def _rerank(
    client: JinaClient,
    collection: Collection,
    model: str,
    ranked: Sequence[list[int]],
    depth: int,
    known: dict[Any, tuple[list[int], int, float]],
) -> tuple[list[list[int]], int, float]:
    """Return the rankings with the first documents sorted again. The same candidates are sent once."""
    results, tokens, total = [], 0, 0.0
    for number, documents in enumerate(ranked):
        first, rest = documents[:depth], documents[depth:]
        key = (model, number, tuple(sorted(first)))
        if key not in known:
            started = time.perf_counter()
            order = sorted(first)
            result = client.rerank(
                collection.queries[number], [collection.documents[each] for each in order], model=model
            )
            best = [order[each.index] for each in result]
            known[key] = (best, result.usage.total_tokens, time.perf_counter() - started)
        best, used, seconds = known[key]
        tokens, total = tokens + used, total + seconds
        results.append([*best, *rest])
    return results, tokens, total * 1000 / len(ranked)


def _compare(report: EvaluationReport, per_query: Sequence[np.ndarray[Any, Any]], tolerance: float) -> None:
    """Sort the variants, compare each with the best, and recommend one."""
    order = sorted(range(len(per_query)), key=lambda index: -report.variants[index].ndcg)
    best = per_query[order[0]]
    for index in order:
        variant, difference = report.variants[index], per_query[index] - best
        variant.difference = float(difference.mean())
        variant.difference_low, variant.difference_high = interval(difference)
    report.variants = [report.variants[index] for index in order]
    top = report.variants[0]
    enough = [each for each in report.variants if each.ndcg >= (1 - tolerance) * top.ndcg]
    chosen = min(enough, key=lambda each: (each.disk_bytes, bool(each.reranker), -each.ndcg))
    report.recommended = chosen.name
    share = chosen.disk_bytes / top.disk_bytes if top.disk_bytes else 1
    report.recommendation = (
        f"{chosen.name}: the smallest storage within {tolerance:.0%} of the best "
        f"(nDCG@10 {chosen.ndcg:.3f} against {top.ndcg:.3f}, {share:.0%} of its storage)"
    )
