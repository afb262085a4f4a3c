"""Validate requests to ``/v1/segment``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

from jina_client.integration import LONGEST_TEXT, TOKENIZERS
from pydantic import BaseModel, ConfigDict, Field

from ..errors import FieldProblem, InvalidFieldsError, problem
from .options import WholeNumber, as_object, validate_fields


class SegmentBody(BaseModel):
    """A valid segmentation request. Numbers may be strings, because query parameters are."""

    model_config = ConfigDict(extra="forbid")

    content: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT - 1)]
    tokenizer: Literal[TOKENIZERS] = "cl100k_base"  # type: ignore[valid-type]
    return_tokens: bool = False
    return_chunks: bool = False
    max_chunk_length: Annotated[WholeNumber, Field(ge=1)] = 1000
    head: Optional[Annotated[WholeNumber, Field(ge=1)]] = None  # noqa: UP045
    tail: Optional[Annotated[WholeNumber, Field(ge=1)]] = None  # noqa: UP045


def read_segment_body(fields: Any) -> SegmentBody:
    """Validate the body of ``POST /v1/segment``, or the query parameters of ``GET``.

    Args:
        fields: The fields, decoded.

    Raises:
        InvalidFieldsError: A field is missing, unknown or invalid (422).
    """
    problems: list[FieldProblem] = []
    options = validate_fields(SegmentBody, as_object(fields), problems)
    if not problems and "head" in options and "tail" in options:
        problems.append(problem((), "'head' and 'tail' are mutually exclusive", "value_error"))
    if problems:
        raise InvalidFieldsError(problems)
    return SegmentBody.model_construct(None, **options)
