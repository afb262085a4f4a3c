"""Requests for one vector per token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from ..checks import check_choice, check_flag
from ..errors import JinaResponseError
from ..inputs import Item
from ..models import EmbeddingType, Modality, Model, Role
from ..options import sent_options
from .call import Call
from .embedding import row_width
from .model_options import (
    check_dimensions,
    check_embedding_type,
    check_flags,
    choose_task,
    known_model,
    modalities,
    model_fields,
)
from .responses import FLOATS, in_order, matrix

ColbertEndpoint = Literal["embeddings", "multi-vector"]

_DIMENSIONS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiVectorRequest:
    """The validated options of a call for one vector per token; the inputs come batch by batch."""

    model: str
    embedding_type: EmbeddingType
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)
    width: int | None
    tokenized: bool
    path: ColbertEndpoint

    @classmethod
    def build(
        cls,
        model: str,
        options: Mapping[str, Any],
        *,
        input_type: Role = "document",
        return_tokenized_input: bool = False,
        endpoint: ColbertEndpoint = "embeddings",
    ) -> MultiVectorRequest:
        """Check every option against the model's row of the catalog; see :meth:`EmbedRequest.build`."""
        name, row = known_model(model, "multi-vector")
        check_choice("input_type", input_type, ("query", "document"))
        check_choice("endpoint", endpoint, ("embeddings", "multi-vector"))
        check_flag("return_tokenized_input", return_tokenized_input)
        check_flags(options)
        values = sent_options(options)
        embedding_type = check_embedding_type(values.pop("embedding_type", "float"))
        dimensions = values.get("dimensions")
        check_dimensions(row, "multi-vector", dimensions)
        values["return_tokenized_input"] = return_tokenized_input or None
        model_takes = row.fields["multi-vector"] if row else {"input_type": "document"}
        if "input_type" in model_takes:
            values["input_type"] = input_type
        if "return_multivector" in model_takes:
            values["return_multivector"] = True
        task = values.get("task")
        values["task"] = choose_task(row, task or row.task_for(input_type) if row and row.tasks else task)
        return cls(
            model=name,
            embedding_type=embedding_type,
            fields=model_fields(row, "multi-vector", values),
            row=row,
            width=row_width(dimensions or (_DIMENSIONS if row else None), embedding_type),
            tokenized=return_tokenized_input,
            path=endpoint,
        )

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input that the model takes; the pages of a PDF have no vectors of their own here."""
        return modalities(self.row, "multi-vector") - {"pdf"}

    def encode(self, inputs: Sequence[Item]) -> Call:
        """Return the call for the vectors of these inputs' tokens."""
        wire_type = "base64" if self.embedding_type in FLOATS else self.embedding_type
        body = {"model": self.model, "embedding_type": wire_type, **self.fields, "input": inputs}
        return Call(self.path, body, compress=False)

    def decode(self, body: Mapping[str, Any], batch: range) -> list[tuple[NDArray[Any], tuple[str, ...]]]:
        """Return for each input its vectors ``(tokens, dims)``, and its tokens if they were requested.

        Raises:
            JinaResponseError: see :meth:`EmbedRequest.decode`.
        """
        decoded = []
        for index, item in zip(batch, in_order(body.get("data"), len(batch), "data", "items"), strict=True):
            rows = matrix(item.get("embeddings"), self.embedding_type, self.width, f"the multi-vector of input {index}")
            tokens = item.get("tokenized_input") if self.tokenized else []
            if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
                raise JinaResponseError(f"input {index} has no list of tokens in 'tokenized_input'")
            decoded.append((rows, tuple(tokens)))
        return decoded
