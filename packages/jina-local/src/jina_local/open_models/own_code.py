"""Models that are computed by code that comes with them, run where the user trusts it.

What their methods take is looked up in their signatures: an option for which a method has no parameter is refused. Such
methods often end in ``**kwargs`` and drop what they do not know.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jina_client.models import Model

from ..backend import Embedded, Ranked, Vectors, check_token_vectors, cut
from ..errors import ModelNotFoundError, stopping
from ..limits import Charge
from ..media.reader import read_pictures
from ..reading.items import Item
from ..reading.requests import DEFAULT_DOC_LENGTH, EmbeddingRequest, RerankRequest
from .answering import DECIMALS, OpenModel, narrowed, texts_of
from .files import ModelFolder
from .tokens import Tokenizer

# Inputs of one call of the model's code. Between calls others have their turn.
_TOGETHER = 16
_QUERY_LENGTH = 512


class OwnCode(OpenModel):
    """A model with methods of its own: ``encode``, ``encode_text``, ``encode_image``, ``rerank``, ``compute_score``.

    Args:
        row: what can be asked of it.
        name: what the user called it.
        tokenizer: the model's.
        model: the loaded model.
        allow_fetch: whether pictures may be fetched from public addresses.
    """

    def __init__(self, row: Model, name: str, tokenizer: Tokenizer, model: Any, allow_fetch: bool) -> None:
        super().__init__(row, name, tokenizer)
        self._model = model
        self._allow_fetch = allow_fetch
        self._turn = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Compute nothing more."""
        self._closed = True

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """The vectors of texts and images."""
        if asked.late_chunking:
            raise self.unsupported("late_chunking", "its code pools tokens by itself")
        if asked.return_tokenized_input:
            raise self.unsupported("return_tokenized_input")
        if asked.input_type == "query":
            raise self.unsupported("input_type: query")
        task = self.task_of(asked.task)
        more: dict[str, Any] = {}
        if asked.multi_vector:
            more["return_multivector"] = True
        if not asked.normalized:
            more["normalize_embeddings"] = False
        tokens, rows = self._vectors(asked.inputs, task, asked.truncate, more, charge)
        if asked.multi_vector:
            check_token_vectors(sum(len(each) for each in rows))
            return Embedded(tokens=tokens, vectors=[cut(each, asked.dimensions) for each in rows])
        vectors = cut(np.stack(rows), asked.dimensions, normalized=asked.normalized)
        return Embedded(tokens=tokens, vectors=vectors)

    def unit_vectors(self, model: Model, items: Sequence[Item], charge: Charge) -> tuple[int, Vectors]:
        """The vectors that inputs are classified by."""
        tokens, rows = self._vectors(items, self.task_of_classes(), False, {}, charge)
        return tokens, cut(np.stack(rows), None)

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The scores that the model's code gives."""
        query, *documents = texts_of([asked.query, *asked.documents], self)
        contents = [self.tokenizer.content(text) for text in documents]
        kept = self.within_documents(contents, asked, self.row.context)
        tokens = len(self.tokenizer.content(query)) + sum(map(len, kept))
        charge(tokens)
        if self.row.listwise:
            return self._listwise(query, documents, asked, tokens)
        method = self._method("compute_score")
        length = {"max_length": self.row.context}
        scores = self._call(method, [[query, text] for text in documents], **self._known(method, length))
        return Ranked(tokens=tokens, scores=_rounded(np.atleast_1d(scores)))

    def _listwise(self, query: str, documents: Sequence[str], asked: RerankRequest, tokens: int) -> Ranked:
        method = self._method("rerank")
        options: dict[str, Any] = {
            "max_doc_length": asked.max_doc_length or DEFAULT_DOC_LENGTH,
            "max_query_length": _QUERY_LENGTH,
        }
        if asked.return_embeddings:
            options["return_embeddings"] = True
        found = self._call(method, query, list(documents), **self._known(method, options))
        by_index = sorted(found, key=lambda each: each["index"])
        if [each["index"] for each in by_index] != list(range(len(documents))):
            raise RuntimeError("the model's code did not score every document once")
        embeddings = None
        if asked.return_embeddings:
            embeddings = cut(np.stack([np.asarray(each["embedding"], np.float32) for each in by_index]), None)
        return Ranked(
            tokens=tokens, scores=_rounded([each["relevance_score"] for each in by_index]), embeddings=embeddings
        )

    def _vectors(
        self, items: Sequence[Item], task: str | None, truncate: bool | None, more: dict[str, Any], charge: Charge
    ) -> tuple[int, list[Vectors]]:
        pictures = read_pictures(items, self.row, allow_fetch=self._allow_fetch)
        texts = [self._within(text, truncate) for text in pictures.texts]
        tokens = sum(len(self.tokenizer.content(text)) + self.tokenizer.specials for text in texts) + pictures.tokens
        charge(tokens)
        of_texts = iter(self._encoded("encode_text", texts, {**self._task_options(task), **more}) if texts else ())
        # An image has no side: of a task's name only the adapter's matters.
        sideless = {key: value for key, value in self._task_options(task).items() if key != "prompt_name"}
        options = {**(sideless if self._adapted() else {}), **more}
        images = pictures.images
        of_images = iter(self._encoded("encode_image", images, options) if images else ())
        return tokens, [next(of_images if is_image else of_texts) for is_image in pictures.order]

    def _task_options(self, task: str | None) -> dict[str, Any]:
        """A task as the model's code names it: v4 has adapters, and a prompt for each side."""
        if task is None:
            return {}
        if not self._adapted():
            return {"task": task}
        adapter, _, side = task.partition(".")
        return {"task": adapter, "prompt_name": side or "query"}

    def _adapted(self) -> bool:
        """Whether the code takes the adapter and the side of a task apart."""
        method = getattr(self._model, "encode_text", None)
        return method is not None and "prompt_name" in _parameters(method)

    def _encoded(self, name: str, inputs: Sequence[Any], options: dict[str, Any]) -> list[Vectors]:
        if name == "encode_text" and not hasattr(self._model, name):
            name = "encode"
        method = self._method(name)
        known = self._known(method, options)
        found: list[Vectors] = []
        for start in range(0, len(inputs), _TOGETHER):
            rows = self._call(method, list(inputs[start : start + _TOGETHER]), **known)
            found.extend(_array(row) for row in rows)
        if len(found) != len(inputs):
            raise RuntimeError("the model's code did not give one vector for each input")
        return found

    def _within(self, text: str, truncate: bool | None) -> str:
        self.within_context([self.tokenizer.content(text)], truncate)
        return self.tokenizer.cut(text, self.row.context)

    def _method(self, name: str) -> Callable[..., Any]:
        method = getattr(self._model, name, None)
        if method is None:
            raise self.unsupported(name, "its code has no such method")
        found: Callable[..., Any] = method
        return found

    def _known(self, method: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
        """Options, if the method has a parameter for each; raises RefusedRequest (400) otherwise."""
        for option in options:
            if option not in _parameters(method):
                raise self.unsupported(_WIRE.get(option, option), "its code has no parameter for it")
        return options

    def _call(self, method: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        with self._turn, torch.inference_mode():
            if self._closed:
                raise stopping()
            return method(*inputs, **options)


# What a parameter is called in a request.
_WIRE = {"normalize_embeddings": "normalized: false", "prompt_name": "task"}


def load_own_code(row: Model, folder: ModelFolder, allow_fetch: bool) -> OwnCode:
    """Load a model with its own code, which the caller was told to trust."""
    from transformers import AutoModel, AutoTokenizer

    classes = folder.config["auto_map"]
    if "AutoModel" not in classes:
        raise ModelNotFoundError(f"{folder.name} has code for {', '.join(classes)}, none for AutoModel")
    model = AutoModel.from_pretrained(folder.path, trust_remote_code=True, dtype=torch.float32).eval()
    tokenizer = Tokenizer(AutoTokenizer.from_pretrained(folder.path, trust_remote_code=True))
    without = [] if hasattr(model, "encode_text") or hasattr(model, "encode") else ["task"]
    fitted = narrowed(row, dimensions=row.dimensions, context=row.context, without=without)
    return OwnCode(fitted, folder.name, tokenizer, model, allow_fetch)


def _parameters(method: Callable[..., Any]) -> set[str]:
    """The names of what a method takes by keyword; what it would swallow in ``**kwargs`` does not count."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name for name, each in inspect.signature(method).parameters.items() if each.kind in kinds}


def _array(row: Any) -> Vectors:
    return np.asarray(row.float().cpu().numpy() if isinstance(row, torch.Tensor) else row, dtype=np.float32)


def _rounded(scores: Any) -> list[float]:
    return [round(float(score), DECIMALS) for score in scores]
