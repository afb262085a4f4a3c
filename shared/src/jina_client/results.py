"""What the client gives back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from .errors import JinaResponseError


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the service counted, summed over all requests of a call.

    Attributes:
        total_tokens: what is billed.
        prompt_tokens: the part of it that was input; services that do not send it count input only, so it is the total.
        image_tokens, audio_tokens, video_tokens: the part of it that came from media, where the service says so.
    """

    total_tokens: int = 0
    prompt_tokens: int = 0
    image_tokens: int = 0
    audio_tokens: int = 0
    video_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.total_tokens + other.total_tokens,
            self.prompt_tokens + other.prompt_tokens,
            self.image_tokens + other.image_tokens,
            self.audio_tokens + other.audio_tokens,
            self.video_tokens + other.video_tokens,
        )

    def to_dict(self) -> dict[str, int]:
        """``{"prompt_tokens": …, "total_tokens": …}``, as the wire has it, and the media where there were any."""
        media = {
            "image_tokens": self.image_tokens,
            "audio_tokens": self.audio_tokens,
            "video_tokens": self.video_tokens,
        }
        counted = {name: count for name, count in media.items() if count}
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.total_tokens, **counted}


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One vector for each input, in the order of the inputs.

    Attributes:
        vectors: float32 of shape ``(n, dims)``; for ``binary`` int8, for ``ubinary`` uint8, of shape
            ``(n, ceil(dims / 8))``.
        usage: the tokens counted.
        model: the model that answered.
        input_indices: for each row the index of its input, where an input was a PDF, which gives one vector for each of
            its pages; else ``None``: row and input have the same index.
    """

    vectors: NDArray[Any] = field(repr=False)
    usage: Usage
    model: str
    input_indices: NDArray[np.intp] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(self.vectors)

    def __getitem__(self, index: int | slice) -> NDArray[Any]:
        rows: NDArray[Any] = self.vectors[index]
        return rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.vectors, dtype=dtype, copy=copy)

    def tolist(self) -> list[list[float]]:
        """The vectors as lists of Python numbers, the form that frameworks store."""
        rows: list[list[float]] = self.vectors.tolist()
        return rows


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """One document of a ranking.

    Attributes:
        index: its place in the caller's own list.
        relevance_score: higher is more relevant; 0 to 1 for most models, but it may be negative (``jina-reranker-v3``)
            or above 1 (ColBERT). Scores of different models are not comparable.
        document: the caller's own object; ``None`` where documents were not wanted back.
        embedding: the document's vector, float32, where it was asked for.
    """

    index: int
    relevance_score: float
    document: Any
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class RerankResult:
    """Documents from the most to the least relevant.

    Attributes:
        results: at most ``top_n``, sorted by ``relevance_score`` from the highest.
        usage: the tokens counted.
        model: the model that answered.
    """

    results: list[RankedDocument]
    usage: Usage
    model: str

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RankedDocument]:
        return iter(self.results)


@dataclass(frozen=True, slots=True, eq=False)
class MultiVectors(Sequence[NDArray[Any]]):
    """For each input one vector per token, in the order of the inputs.

    Attributes:
        vectors: arrays of shape ``(tokens, dims)``: float32, or int8 and uint8 of ``ceil(dims / 8)`` for bits.
        usage: the tokens counted.
        model: the model that answered.
        tokens: for each input its tokens, where they were asked for; else ``None``.
    """

    vectors: Sequence[NDArray[Any]] = field(repr=False)
    usage: Usage
    model: str
    tokens: Sequence[tuple[str, ...]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.vectors)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[Any]]: ...

    def __getitem__(self, index: int | slice) -> NDArray[Any] | Sequence[NDArray[Any]]:
        return self.vectors[index]

    def tolist(self) -> list[list[list[float]]]:
        """The vectors as lists of lists of Python numbers."""
        return [matrix.tolist() for matrix in self.vectors]


@dataclass(frozen=True, slots=True)
class SparseEmbeddings(Sequence[dict[str, float]]):
    """For each input the tokens that stand for it, with their scores, in the order of the inputs.

    Attributes:
        vectors: one dictionary for each input.
        usage: the tokens counted.
        model: the model that answered.
    """

    vectors: Sequence[dict[str, float]] = field(repr=False)
    usage: Usage
    model: str

    def __len__(self) -> int:
        return len(self.vectors)

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, float]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, float] | Sequence[dict[str, float]]:
        return self.vectors[index]


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label and how well it fits: the scores of all labels (of a group) sum to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The label of one input, or one label of each group.

    Attributes:
        index: the input's place in the caller's own list.
        prediction: the label; with grouped labels a dictionary from group to label.
        score: its score; with grouped labels a dictionary from group to score.
        predictions: all labels from the highest score down (with grouped labels for each group); empty where the
            service does not list them.
    """

    index: int
    prediction: str | dict[str, str]
    score: float | dict[str, float]
    predictions: tuple[LabelScore, ...] | dict[str, tuple[LabelScore, ...]] = ()


@dataclass(frozen=True, slots=True)
class Classifications(Sequence[Classification]):
    """One classification for each input, in the order of the inputs.

    Attributes:
        results: the classifications.
        usage: the tokens counted.
    """

    results: Sequence[Classification]
    usage: Usage

    def __len__(self) -> int:
        return len(self.results)

    @overload
    def __getitem__(self, index: int) -> Classification: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Classification]: ...

    def __getitem__(self, index: int | slice) -> Classification | Sequence[Classification]:
        return self.results[index]


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """What a training gives: the id to classify with, the number of examples learnt, and the tokens counted."""

    classifier_id: str
    num_samples: int
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierInfo:
    """One trained classifier of the caller's; times are ISO 8601 as the service writes them."""

    classifier_id: str
    model: str
    labels: tuple[str, ...]
    access: str
    created_at: str | None
    updated_at: str | None
    used_at: str | None
    updated_number: int
    used_number: int
    is_active: bool
    is_latest: bool
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Segments:
    """The tokens and chunks of a text.

    Attributes:
        num_tokens: of the whole text, by ``tokenizer``.
        tokenizer: the tokenizer's name.
        chunks: the chunks in order; empty where they were not asked for.
        positions: for each chunk where it begins and ends in the text, in characters.
        tokens: for each chunk (for the text, where there are no chunks) its tokens, each with its ids; empty where they
            were not asked for.
        usage: the tokens counted; the service does not bill them.
    """

    num_tokens: int
    tokenizer: str
    chunks: tuple[str, ...] = field(repr=False)
    positions: tuple[tuple[int, int], ...] = field(repr=False)
    tokens: tuple[tuple[tuple[str, tuple[int, ...]], ...], ...] = field(repr=False)
    usage: Usage

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[str]:
        return iter(self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model as the service describes it.

    Attributes:
        id: as a call takes it.
        name, hugging_face_id, description: empty where the service does not say.
        input_modalities, output_modalities: such as ``text`` and ``embeddings``.
        context_length: the longest input, in tokens; 0 where the service does not say.
        details: all that the service says, as it says it.
    """

    id: str
    name: str
    hugging_face_id: str
    input_modalities: tuple[str, ...]
    output_modalities: tuple[str, ...]
    context_length: int
    description: str = field(repr=False)
    details: Mapping[str, Any] = field(repr=False)


BatchStatus = Literal["pending", "processing", "completed", "failed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """The state of a batch job; times are ISO 8601 as the service writes them.

    Attributes:
        id: what to ask for it by.
        status: see ``is_finished``.
        model: the embedding model.
        error: why the job failed as a whole.
        output_url, error_file_url: where the files can be fetched until ``expires_at``; they hold a signature.
        total, completed, failed: numbers of inputs.
        usage: the tokens counted.
    """

    id: str
    status: BatchStatus
    model: str
    created_at: str | None
    completed_at: str | None
    expires_at: str | None
    error: str | None
    output_url: str | None = field(repr=False)
    error_file_url: str | None = field(repr=False)
    total: int
    completed: int
    failed: int
    usage: Usage

    @property
    def is_finished(self) -> bool:
        """Whether its status will not change any more."""
        return self.status not in ("pending", "processing")


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """The lines of a batch job's output, as the service wrote them.

    Attributes:
        lines: one object for each input that was embedded, each with its ``custom_id``.
    """

    lines: tuple[Mapping[str, Any], ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def vectors(self) -> dict[str, NDArray[np.float32]]:
        """The vectors by ``custom_id``, in the order of the lines.

        The form of a line is not published. Read are ``{"custom_id", "embedding"}``, an embeddings answer
        (``{"custom_id", "data": […]}``), and either of them under ``body``, ``response`` or ``response.body``.

        Raises:
            JinaResponseError: a line of another form, or an id that comes twice.
        """
        found: dict[str, NDArray[np.float32]] = {}
        for number, line in enumerate(self.lines):
            name, values = line.get("custom_id"), _embedding(line)
            if not isinstance(name, str) or name in found:
                raise JinaResponseError(f"line {number} of the output has custom_id {name!r}, expected a new string")
            try:
                vector = np.array(values, dtype=np.float32)
            except (TypeError, ValueError):
                vector = np.empty(0, np.float32)
            if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all():
                raise JinaResponseError(f"the output of {name!r} holds no embedding that can be read; see lines")
            found[name] = vector
        return found


def _embedding(line: Mapping[str, Any]) -> Any:
    """The embedding in a line of a batch job's output, wherever it stands."""
    places: list[Any] = [line, line.get("body"), line.get("response")]
    if isinstance(places[2], Mapping):
        places.append(places[2].get("body"))
    for place in places:
        if not isinstance(place, Mapping):
            continue
        data = place.get("data")
        if isinstance(data, list) and len(data) == 1 and isinstance(data[0], Mapping):
            place = data[0]
        if "embedding" in place:
            return place["embedding"]
    return None
