"""The settings of an index, which are stored in its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from jina_client import JinaInputError

from .checks import as_count

Kind = Literal["vectors", "multi-vectors"]
FirstStage = Literal["bits", "float"]
"""The precision of the first stage, in memory: one bit or one float32 per dimension."""
StoredPrecision = Literal["int8", "int16"]
"""The precision of the stored vectors, on disk: one or two bytes per dimension."""

MAX_DIMENSIONS = 65_536
OVERSAMPLING = 20
"""The default number of candidates per result that the first stage chooses."""


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """The settings that an index is made with and that never change.

    Attributes:
        kind: one vector per id, or one per token.
        dimensions: the length of the vectors.
        stored: the precision of the stored vectors.
        first_stage: the precision of the vectors in memory.
        model: the model that makes the vectors; empty if unknown.

    Raises:
        JinaInputError: a value that is not allowed.
    """

    kind: Kind
    dimensions: int
    stored: StoredPrecision
    first_stage: FirstStage
    model: str = ""

    def __post_init__(self) -> None:
        as_count("dimensions", self.dimensions, MAX_DIMENSIONS)
        if not isinstance(self.model, str):
            raise JinaInputError(f"model must be a string, got {self.model!r}; pass the model's id, or leave it out")
        for name, value, allowed in (
            ("kind", self.kind, get_args(Kind)),
            ("stored", self.stored, get_args(StoredPrecision)),
            ("first_stage", self.first_stage, get_args(FirstStage)),
        ):
            if value not in allowed:
                raise JinaInputError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

    @classmethod
    def from_file(cls, values: dict[str, Any]) -> IndexSettings:
        """Return the settings that a file holds. Version 1 of the format calls ``stored`` ``originals``."""
        fields = dict(values)
        return cls(stored=fields.pop("originals", None), **fields)

    def to_file(self) -> dict[str, Any]:
        """Return the settings under the names that the file uses."""
        return {
            "kind": self.kind,
            "dimensions": self.dimensions,
            "originals": self.stored,
            "first_stage": self.first_stage,
            "model": self.model,
        }

    @property
    def code_width(self) -> int:
        """Bytes per row of the first stage."""
        return -(-self.dimensions // 8) if self.first_stage == "bits" else 4 * self.dimensions
