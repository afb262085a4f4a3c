"""Requests for reranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_flag, check_whole
from ..errors import JinaResponseError
from ..inputs import Item
from ..models import Modality, Model
from .call import Call
from .model_options import known_model, modalities, model_fields
from .responses import as_number, as_objects, finite, is_index, vector


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """The validated options of a rerank call; the documents come part by part."""

    model: str
    query: Item
    top_n: int | None
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)

    @classmethod
    def build(cls, model: str, options: Mapping[str, Any], *, query: Item = "") -> RerankRequest:
        """Check every option against the model's row of the catalog.

        Args:
            model: the model's id.
            options: those of :class:`jina_client.options.RerankOptions`.
            query: the query; a plan adds it later.

        Raises:
            JinaInputError: an option that the model does not take, or a value that it does not allow.
        """
        name, row = known_model(model, "rerank")
        values = {field: options.get(field) for field in ("truncation", "max_doc_length", "return_embeddings")}
        check_whole("top_n", options.get("top_n"))
        check_whole("max_doc_length", values["max_doc_length"], 1, 8192, "tokens")
        check_flag("truncation", values["truncation"])
        check_flag("return_embeddings", values["return_embeddings"])
        values["return_embeddings"] = values["return_embeddings"] or None
        fields = model_fields(row, "rerank", values)
        return cls(model=name, query=query, top_n=options.get("top_n"), fields=fields, row=row)

    def encode(self, documents: Sequence[Item]) -> Call:
        """Return the call. It asks for no documents back, because the caller has them."""
        body: dict[str, Any] = {"model": self.model, "query": self.query, "documents": documents, **self.fields}
        if self.top_n is not None:
            body["top_n"] = min(self.top_n, len(documents))
        return Call("rerank", {**body, "return_documents": False})

    def decode(self, body: Mapping[str, Any], batch: range) -> list[tuple[int, float, NDArray[np.float32] | None]]:
        """Return index in the caller's list, relevance score, and embedding if requested, in no order.

        A service that ignores ``top_n`` and scores every document is read as well.

        Raises:
            JinaResponseError: a wrong count, a repeated or impossible index, or a score that is not finite.
        """
        count = len(batch)
        results = as_objects(body.get("results"), "results")
        expected = count if self.top_n is None else min(self.top_n, count)
        if len(results) not in (expected, count):
            raise JinaResponseError(f"expected {expected} results, got {len(results)}")
        by_place: dict[int, tuple[int, float, NDArray[np.float32] | None]] = {}
        for item in results:
            place = item.get("index")
            if not is_index(place, count) or place in by_place:
                raise JinaResponseError(f"a result has index {place!r}, expected each of 0 to {count - 1} at most once")
            index = batch[place]  # type: ignore[index]
            score = as_number(item.get("relevance_score"), f"the relevance_score of document {index}")
            embedding = None
            if "return_embeddings" in self.fields:
                label = f"the embedding of document {index}"
                embedding = vector(item.get("embedding"), "float", label)
                finite(embedding, label)
            by_place[place] = (index, score, embedding)  # type: ignore[index]
        return sorted(by_place.values(), key=lambda result: (-result[1], result[0]))[:expected]


def document_modalities(row: Model | None) -> frozenset[Modality]:
    """Return the kinds of document and query that a reranker takes."""
    return modalities(row, "rerank")
