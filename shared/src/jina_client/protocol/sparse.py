"""Requests for sparse vectors: a score for each token that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import JinaResponseError
from ..inputs import Item
from ..models import Model
from .call import Call
from .model_options import choose_task, known_model, model_fields
from .responses import as_number, as_object, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseRequest:
    """The validated options of a call for sparse vectors; the inputs come batch by batch."""

    model: str
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)

    @classmethod
    def build(cls, model: str, *, task: str | None = None) -> SparseRequest:
        """Check every option against the model's row of the catalog; see :meth:`EmbedRequest.build`."""
        name, row = known_model(model, "sparse")
        return cls(model=name, fields=model_fields(row, "sparse", {"task": choose_task(row, task)}), row=row)

    def encode(self, inputs: Sequence[Item]) -> Call:
        """Return the call for the sparse vectors of these texts."""
        return Call("embeddings", {"model": self.model, **self.fields, "input": inputs})

    def decode(self, body: Mapping[str, Any], batch: range) -> list[dict[str, float]]:
        """Return for each input its tokens with their scores.

        Services send them as items with an index or as bare objects.
        """
        items = body.get("data")
        if isinstance(items, list) and items and all(isinstance(item, dict) and "embedding" in item for item in items):
            items = [item["embedding"] for item in in_order(items, len(batch), "data", "vectors")]
        if not isinstance(items, list) or len(items) != len(batch):
            raise JinaResponseError(f"expected {len(batch)} sparse vectors in 'data'")
        return [
            {
                token: as_number(score, f"the score of {token!r} in input {index}")
                for token, score in as_object(item).items()
            }
            for index, item in zip(batch, items, strict=True)
        ]
