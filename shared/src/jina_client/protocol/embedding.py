"""Requests for vectors: one for each input, one for each token, or sparse.

Float vectors travel as base64 (little-endian float32): a quarter of the bytes of JSON numbers and a twentieth of the
time to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import JinaError, JinaInputError, JinaResponseError
from ..inputs import Item
from ..media import Media
from ..models import EmbeddingType, Modality, Model, Role
from ..quantization import quantize
from . import options
from .answers import FLOATS, as_number, as_object, dtype_of, finite, matrix, placed, vector
from .call import Call

ColbertEndpoint = Literal["embeddings", "multi-vector"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """The validated options of an embedding call; the inputs come batch by batch.

    Attributes:
        width: the length of a row of the result, where it is known.
        bits_on_wire: whether the service packs bits itself; else floats are asked for and packed here.
    """

    model: str
    embedding_type: EmbeddingType
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)
    width: int | None
    bits_on_wire: bool = True

    @classmethod
    def build(
        cls,
        *,
        model: str,
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool = False,
        embedding_type: EmbeddingType = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        bits_on_wire: bool = True,
    ) -> EmbedRequest:
        """Check every option against the model's row of the catalogue.

        Raises:
            JinaInputError: an option that the model does not take, or a value that it does not allow.
        """
        name, row = options.known_model(model, "embeddings")
        options.embedding_type(embedding_type)
        options.flags(late_chunking=late_chunking, normalized=normalized, truncate=truncate)
        given: dict[str, Any] = {
            "task": options.task(row, task),
            "dimensions": options.dimensions(row, "embeddings", dimensions),
            "late_chunking": late_chunking or None,
            # The service's own default has been described both ways, so it is always said.
            "normalized": True
            if normalized is None and row and "normalized" in row.fields["embeddings"]
            else normalized,
            "truncate": truncate,
        }
        full = dimensions or (row.dimensions if row else None)
        return cls(
            model=name,
            embedding_type=embedding_type,
            fields=options.taken(row, "embeddings", given),
            row=row,
            width=_width(full, embedding_type),
            bits_on_wire=bits_on_wire,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the vectors."""
        return dtype_of(self.embedding_type)

    @property
    def identity(self) -> dict[str, Any]:
        """All that a vector depends on besides its input: what is sent, and what is made of the answer."""
        kind = "float" if self.embedding_type in FLOATS else self.embedding_type
        return {"model": self.model, **self.fields, "embedding_type": kind}

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input that the model takes."""
        return options.modalities(self.row, "embeddings")

    @property
    def _wire_type(self) -> EmbeddingType:
        return "base64" if self.embedding_type in FLOATS or not self.bits_on_wire else self.embedding_type

    def encode(self, inputs: Sequence[Item]) -> Call:
        """The call that asks for the vectors of these inputs. A PDF must come alone, and is sent without a list."""
        alone = len(inputs) == 1 and isinstance(inputs[0], Media) and inputs[0].kind == "pdf"
        body = {"model": self.model, "embedding_type": self._wire_type, **self.fields}
        # Base64 of float32 hardly shrinks, and inflating it costs more than decoding it.
        return Call("embeddings", {**body, "input": inputs[0] if alone else inputs}, compress=False)

    def decode(
        self,
        body: Mapping[str, Any],
        batch: Sequence[int],
        *,
        pages: bool = False,
        out: NDArray[Any] | None = None,
        bad: dict[int, JinaError] | None = None,
    ) -> NDArray[Any]:
        """The vectors of an answer, one row for each input, in the order of the inputs.

        Args:
            body: the answer.
            batch: the indices, in the caller's own list, of the inputs that were sent.
            pages: whether the only input is a PDF, which gives one vector for each page.
            out: where to put the vectors, if their shape is known.
            bad: where to put what is wrong with single vectors; unless all are wrong, the others are given. Without it
                the first one raises.

        Raises:
            JinaResponseError: a wrong count, a missing or repeated index, a wrong length, a number that is not finite.
        """
        items = placed(body.get("data"), None if pages else len(batch), "data", "vectors")
        places = [batch[0]] * len(items) if pages else batch
        wrong: dict[int, JinaError] = {}
        for row, (index, item) in enumerate(zip(places, items, strict=True)):
            what = f"the vector of input {index}"
            try:
                values = vector(item.get("embedding"), self._wire_type, what)
                if self._wire_type != self.embedding_type and self.embedding_type not in FLOATS:
                    finite(values, what)
                    values = quantize(values, self.embedding_type)  # type: ignore[arg-type]
                if out is None:
                    out = np.empty((len(items), self.width or len(values)), self.dtype)
                if values.shape != out.shape[1:]:
                    raise JinaResponseError(f"{what} has length {len(values)}, expected {out.shape[1]}")
                out[row] = values
            except JinaResponseError as error:
                wrong[index] = error
        if out is not None and out.dtype.kind == "f" and not (good := np.isfinite(out).all(axis=1)).all():
            for row in np.flatnonzero(~good).tolist():
                index = places[row]
                wrong.setdefault(index, JinaResponseError(f"the vector of input {index} holds a NaN or an infinity"))
        if wrong and (bad is None or len(wrong) == len(items)):
            raise wrong[min(wrong)]
        if bad is not None:
            bad.update(wrong)
        assert out is not None
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiVectorRequest:
    """The validated options of a call for one vector per token."""

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
        *,
        model: str,
        input_type: Role = "document",
        dimensions: int | None = None,
        task: str | None = None,
        embedding_type: EmbeddingType = "float",
        truncate: bool | None = None,
        return_tokenized_input: bool = False,
        endpoint: ColbertEndpoint = "embeddings",
    ) -> MultiVectorRequest:
        """Check every option against the model's row of the catalogue; see :meth:`EmbedRequest.build`."""
        name, row = options.known_model(model, "multi-vector")
        options.embedding_type(embedding_type)
        options.one_of("input_type", input_type, ("query", "document"))
        options.one_of("endpoint", endpoint, ("embeddings", "multi-vector"))
        options.flags(truncate=truncate, return_tokenized_input=return_tokenized_input)
        given: dict[str, Any] = {
            "dimensions": options.dimensions(row, "multi-vector", dimensions),
            "truncate": truncate,
            "return_tokenized_input": return_tokenized_input or None,
        }
        takes = row.fields["multi-vector"] if row else {"input_type": "document"}
        if "input_type" in takes:
            given["input_type"] = input_type
        if "return_multivector" in takes:
            given["return_multivector"] = True
        if row and row.tasks:
            given["task"] = options.task(row, task or row.task_for(input_type))
        else:
            given["task"] = options.task(row, task)
        full = dimensions or (128 if row else None)
        return cls(
            model=name,
            embedding_type=embedding_type,
            fields=options.taken(row, "multi-vector", given),
            row=row,
            width=_width(full, embedding_type),
            tokenized=return_tokenized_input,
            path=endpoint,
        )

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input that the model takes; a PDF's pages have no vectors of their own here."""
        return options.modalities(self.row, "multi-vector") - {"pdf"}

    def encode(self, inputs: Sequence[Item]) -> Call:
        """The call that asks for the vectors of these inputs' tokens."""
        wire_type = "base64" if self.embedding_type in FLOATS else self.embedding_type
        body = {"model": self.model, "embedding_type": wire_type, **self.fields, "input": inputs}
        return Call(self.path, body, compress=False)

    def decode(self, body: Mapping[str, Any], batch: range) -> list[tuple[NDArray[Any], tuple[str, ...]]]:
        """For each input its vectors, shape ``(tokens, dims)``, and its tokens where they were asked for.

        Raises:
            JinaResponseError: see :meth:`EmbedRequest.decode`.
        """
        decoded = []
        for index, item in zip(batch, placed(body.get("data"), len(batch), "data", "items"), strict=True):
            what = f"the multi-vector of input {index}"
            rows = matrix(item.get("embeddings"), self.embedding_type, self.width, what)
            tokens = item.get("tokenized_input") if self.tokenized else []
            if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
                raise JinaResponseError(f"input {index} has no list of tokens in 'tokenized_input'")
            decoded.append((rows, tuple(tokens)))
        return decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseRequest:
    """The validated options of a call for sparse vectors: a score for each token that matters."""

    model: str
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)

    @classmethod
    def build(cls, *, model: str, task: str | None = None) -> SparseRequest:
        """Check every option against the model's row of the catalogue; see :meth:`EmbedRequest.build`."""
        name, row = options.known_model(model, "sparse")
        return cls(model=name, fields=options.taken(row, "sparse", {"task": options.task(row, task)}), row=row)

    def encode(self, inputs: Sequence[Item]) -> Call:
        """The call that asks for the sparse vectors of these texts."""
        return Call("embeddings", {"model": self.model, **self.fields, "input": inputs})

    def decode(self, body: Mapping[str, Any], batch: range) -> list[dict[str, float]]:
        """For each input its tokens and their scores, which come as items with an index or as bare objects."""
        items = body.get("data")
        if isinstance(items, list) and items and all(isinstance(item, dict) and "embedding" in item for item in items):
            items = [item["embedding"] for item in placed(items, len(batch), "data", "vectors")]
        if not isinstance(items, list) or len(items) != len(batch):
            raise JinaResponseError(f"expected {len(batch)} sparse vectors in 'data'")
        return [
            {
                token: as_number(score, f"the score of {token!r} in input {index}")
                for token, score in as_object(item).items()
            }
            for index, item in zip(batch, items, strict=True)
        ]


def _width(dimensions: int | None, embedding_type: EmbeddingType) -> int | None:
    return dimensions if dimensions is None or embedding_type in FLOATS else -(-dimensions // 8)


def check_single_document(inputs: Sequence[Item]) -> None:
    """Refuse anything but text where inputs are the chunks of one document."""
    for index, item in enumerate(inputs):
        if not isinstance(item, str):
            raise JinaInputError(f"inputs[{index}] is no text: late chunking takes the chunks of a text only")
