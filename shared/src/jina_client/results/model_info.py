"""The service's own description of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model as the service describes it.

    Attributes:
        id: the value of ``model=``.
        name, hugging_face_id, description: empty if the service does not send them.
        input_modalities, output_modalities: kinds of data, such as ``text`` and ``embeddings``.
        context_length: the longest input, in tokens; 0 if the service does not send it.
        details: the service's complete description.
    """

    id: str
    name: str
    hugging_face_id: str
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    context_length: int
    description: str = field(repr=False)
    details: Mapping[str, Any] = field(repr=False)
