"""Requests for one vector per input.

Float vectors travel as base64 (little-endian float32): a quarter of the bytes of JSON numbers, and a twentieth of the
time to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import quantization
from ..checks import check_flag
from ..errors import JinaError, JinaInputError, JinaResponseError
from ..inputs import Item
from ..media import Media
from ..models import EmbeddingType, Modality, Model
from ..options import sent_options
from ..quantization.matryoshka import scaled
from .base64_vectors import fill_rows
from .call import Call
from .model_options import (
    check_dimensions,
    check_embedding_type,
    check_flags,
    choose_task,
    known_model,
    modalities,
    model_fields,
)
from .responses import FLOATS, dtype_of, finite, in_order, vector

# Rounding to float32 changes the length of a vector of 2,048 numbers by less.
_UNIT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """The validated options of an embedding call; the inputs come batch by batch.

    Attributes:
        width: the length of a row of the result; ``None`` if unknown.
        bits_on_wire: whether the service packs bits itself; otherwise the client requests floats and packs them.
        scaled_here: whether the client scales the vectors to length 1, because the service does not.
    """

    model: str
    embedding_type: EmbeddingType
    fields: Mapping[str, Any]
    row: Model | None = field(repr=False)
    width: int | None
    bits_on_wire: bool = True
    scaled_here: bool = False

    @classmethod
    def build(
        cls,
        model: str,
        options: Mapping[str, Any],
        *,
        late_chunking: bool = False,
        bits_on_wire: bool = True,
        normalized_on_wire: bool = True,
    ) -> EmbedRequest:
        """Check every option against the model's row of the catalog.

        Args:
            model: the model's id.
            options: those of :class:`jina_client.options.EmbedOptions`.
            late_chunking: whether all inputs are the chunks of one document.
            bits_on_wire: see the class.
            normalized_on_wire: whether the service returns vectors of length 1 unless told otherwise.

        Raises:
            JinaInputError: an option that the model does not take, or a value that it does not allow.
        """
        name, row = known_model(model, "embeddings")
        check_flag("late_chunking", late_chunking)
        check_flags(options)
        values = sent_options(options)
        embedding_type = check_embedding_type(values.pop("embedding_type", "float"))
        dimensions = values.get("dimensions")
        check_dimensions(row, "embeddings", dimensions)
        values["task"] = choose_task(row, values.get("task"))
        values["late_chunking"] = late_chunking or None
        if values.get("normalized") is None and row and "normalized" in row.fields["embeddings"]:
            # Sources disagree about the service's default, so the client always sends the field.
            values["normalized"] = True
        return cls(
            model=name,
            embedding_type=embedding_type,
            fields=model_fields(row, "embeddings", values),
            row=row,
            width=row_width(dimensions or (row.dimensions if row else None), embedding_type),
            bits_on_wire=bits_on_wire,
            scaled_here=not normalized_on_wire and values.get("normalized") is not False,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the vectors."""
        return dtype_of(self.embedding_type)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that a vector depends on besides its input."""
        kind = "float" if self.embedding_type in FLOATS else self.embedding_type
        return {"model": self.model, **self.fields, "embedding_type": kind}

    @property
    def modalities(self) -> frozenset[Modality]:
        """The kinds of input that the model takes."""
        return modalities(self.row, "embeddings")

    @property
    def _wire_type(self) -> EmbeddingType:
        return "base64" if self.embedding_type in FLOATS or not self.bits_on_wire else self.embedding_type

    def encode(self, inputs: Sequence[Item]) -> Call:
        """Return the call for the vectors of these inputs. A PDF must come alone, and is sent without a list."""
        alone = len(inputs) == 1 and isinstance(inputs[0], Media) and inputs[0].kind == "pdf"
        body = {"model": self.model, "embedding_type": self._wire_type, **self.fields}
        # gzip hardly shrinks base64 of float32, and inflating it costs more than decoding it.
        in_base64 = self._wire_type in FLOATS
        return Call("embeddings", {**body, "input": inputs[0] if alone else inputs}, compress=False, vectors=in_base64)

    def decode(
        self,
        body: Mapping[str, Any],
        batch: Sequence[int],
        *,
        pages: bool = False,
        out: NDArray[Any] | None = None,
        invalid: dict[int, JinaError] | None = None,
    ) -> NDArray[Any]:
        """Return the vectors of a response, one row per input, in the order of the inputs.

        Args:
            body: the response.
            batch: the caller's indices of the inputs that were sent.
            pages: whether the only input is a PDF, which gives one vector per page.
            out: array to write the vectors to, if their shape is known.
            invalid: dictionary to collect errors of single vectors in, by the caller's index. If every vector is
                invalid, or without this dictionary, the first error is raised.

        Raises:
            JinaResponseError: a wrong count, a missing or repeated index, a wrong length, or a number that is not
                finite.
        """
        items = in_order(body.get("data"), None if pages else len(batch), "data", "vectors")
        places = [batch[0]] * len(items) if pages else batch
        errors: dict[int, JinaError] = {}
        filled = 0
        if out is not None and self.embedding_type in FLOATS and not self.scaled_here:
            filled = fill_rows(items, out)
        for row, index in enumerate(places[filled:], filled):
            name = f"the vector of input {index}"
            try:
                values = self._read(items[row].get("embedding"), name)
                if out is None:
                    out = np.empty((len(items), self.width or len(values)), self.dtype)
                if values.shape != out.shape[1:]:
                    raise JinaResponseError(f"{name} has length {len(values)}, expected {out.shape[1]}")
                out[row] = values
            except JinaResponseError as error:
                errors[index] = error
        if out is not None and out.dtype.kind == "f" and not _is_sum_finite(out):
            for row in np.flatnonzero(~np.isfinite(out).all(axis=1)).tolist():
                index = places[row]
                errors.setdefault(index, JinaResponseError(f"the vector of input {index} holds a NaN or an infinity"))
        if errors and (invalid is None or len(errors) == len(items)):
            raise errors[min(errors)]
        if invalid is not None:
            invalid.update(errors)
        assert out is not None
        return out

    def _read(self, value: Any, name: str) -> NDArray[Any]:
        values = vector(value, self._wire_type, name)
        if self.embedding_type in FLOATS:
            return _unit(values) if self.scaled_here else values
        if self._wire_type == self.embedding_type:
            return values
        finite(values, name)
        return quantization.quantize(values, self.embedding_type)  # type: ignore[arg-type]


def _is_sum_finite(vectors: NDArray[Any]) -> bool:
    """Return False if any number is a NaN or an infinity, and seldom for other reasons. This needs no memory."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(vectors.sum()))


def _unit(values: NDArray[Any]) -> NDArray[Any]:
    """Return a vector scaled to length 1; unchanged if it has that length, is zero, or has a NaN or an infinity."""
    length = np.linalg.norm(values)
    return scaled(values) if np.isfinite(length) and abs(length - 1) > _UNIT_TOLERANCE else values


def row_width(dimensions: int | None, embedding_type: EmbeddingType) -> int | None:
    """Return the length of a row: one number per dimension, or one byte per eight."""
    return dimensions if dimensions is None or embedding_type in FLOATS else -(-dimensions // 8)


def check_single_document(inputs: Sequence[Item]) -> None:
    """Raise for inputs other than texts, because late chunking reads the chunks of a text."""
    for index, item in enumerate(inputs):
        if not isinstance(item, str):
            raise JinaInputError(
                f"inputs[{index}] is not a text: late chunking takes only texts, the chunks of one document"
            )
