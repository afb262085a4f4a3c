"""Jina AI's rerankers for Documents."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Unpack

from haystack import Document, component
from haystack.utils import Secret
from haystack_integrations.common.jina import (
    CLASSES,
    DEFAULT_API_KEY,
    ComponentConnection,
    DocumentImages,
    DocumentInputs,
    JinaComponent,
    TextOrImage,
    checked_size,
    meta_fields,
    meta_of,
    text_of,
)
from jina_client import AsyncJinaClient, JinaClient, JinaInputError, RerankResult
from jina_client.integration import (
    CONNECTION_OPTIONS,
    DEFAULT_BASE_URL,
    AsyncReranker,
    ConnectionOptions,
    Reranker,
    check_reranker,
    check_whole,
    follows,
    known_arguments,
    warns_of_default_model,
)

JINA_API_URL = f"{DEFAULT_BASE_URL}/rerank"


@component
class JinaRanker(JinaComponent):
    """Sort Documents by their relevance to a query.

    A Document without content is scored by its image, if the model takes images (`jina-reranker-m0`).

    Usage example:
    ```python
    from haystack import Document
    from haystack_integrations.components.rankers.jina import JinaRanker

    ranker = JinaRanker(model="jina-reranker-v2-base-multilingual", base_url="local")
    documents = [Document(content="Stocks fell."), Document(content="The cat sleeps.")]
    print(ranker.run(query="What does the cat do?", documents=documents)["documents"][0].content)
    ```
    """

    _MODEL = "model"
    _DEFAULT_URL = JINA_API_URL
    _ALWAYS_SAVED = ("model", "top_k", "score_threshold")

    @warns_of_default_model
    @known_arguments(*CONNECTION_OPTIONS)
    def __init__(
        self,
        model: str = "jina-reranker-v1-base-en",
        api_key: Secret = DEFAULT_API_KEY,
        top_k: int | None = None,
        score_threshold: float | None = None,
        *,
        meta_fields_to_embed: list[str] | None = None,
        meta_data_separator: str = "\n",
        truncation: bool | None = None,
        max_doc_length: int | None = None,
        file_path_meta_field: str = "file_path",
        root_path: str | None = None,
        image_size: tuple[int, int] | None = None,
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """Create a JinaRanker.

        :param model: The model's id.
        :param api_key: The API key, resolved when the component is warmed up.
        :param top_k: The number of Documents to return; by default all.
        :param score_threshold: Leave out Documents with a lower score.
        :param meta_fields_to_embed: Meta fields to put before the content.
        :param meta_data_separator: The separator between the meta fields and the content.
        :param truncation: Cut Documents longer than the model's context.
        :param max_doc_length: Tokens per Document that the model reads, 1 to 8192 (`jina-reranker-v3` and later).
        :param file_path_meta_field: For Documents without content: the meta field with the path of an image or a PDF,
            or with a ByteStream. If a Document lacks the field, its `blob` is used.
        :param root_path: The folder that these paths are relative to and may not leave. Set it if the meta fields come
            from an untrusted source.
        :param image_size: Width and height in pixels; larger images are scaled down to fit before they are sent.
        :param client: A ready client to use instead of key and connection options.
        :param options: Connection options: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect`,
            `cache`, `headers`, `key_header` and `ca_bundle`, as for `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, a `top_k` below 1, a `score_threshold` that is not a number, or an
            `image_size` that is not a pair of numbers (also a ValueError).
        """
        self.model = model
        self.api_key = api_key
        self.top_k = _checked(top_k)
        self.score_threshold = _threshold(score_threshold)
        self.meta_fields_to_embed = meta_fields(meta_fields_to_embed)
        self.meta_data_separator = meta_data_separator
        self.truncation = truncation
        self.max_doc_length = max_doc_length
        self.file_path_meta_field = file_path_meta_field
        self.root_path = root_path
        self.image_size = checked_size(image_size)
        self._connection = ComponentConnection(api_key, client, options)
        check_reranker(model, self._connection.service, CLASSES, **self._options())

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, Any]:
        """Sort Documents by their relevance to a query.

        :param query: The query.
        :param documents: The Documents, which are not changed.
        :param top_k: Overrides the `top_k` of the component.
        :param score_threshold: Overrides the `score_threshold` of the component.
        :returns: `documents`: copies with their `score`, best first; `meta`: the model and the usage.
        :raises JinaInputError: A `top_k` below 1, an input other than a list of Documents, or a Document with
            neither text nor an image that the model takes.
        """
        threshold = self._threshold_of(score_threshold)
        result = self._reranker().rerank(query, self._inputs(documents), _checked(top_k) or self.top_k)
        return _output(documents, result, threshold)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    @follows("run")
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, Any]:
        """Sort Documents by their relevance to a query, asynchronously.

        :param query: The query.
        :param documents: The Documents, which are not changed.
        :param top_k: Overrides the `top_k` of the component.
        :param score_threshold: Overrides the `score_threshold` of the component.
        :returns: `documents`: copies with their `score`, best first; `meta`: the model and the usage.
        :raises JinaInputError: A `top_k` below 1, an input other than a list of Documents, or a Document with
            neither text nor an image that the model takes.
        """
        threshold = self._threshold_of(score_threshold)
        inputs = await asyncio.to_thread(self._inputs, documents)
        result = await self._async_reranker().rerank(query, inputs, _checked(top_k) or self.top_k)
        return _output(documents, result, threshold)

    def _inputs(self, documents: list[Document]) -> list[Any]:
        def text(document: Document) -> str:
            return text_of(document, self.meta_fields_to_embed, self.meta_data_separator)

        images = DocumentImages(self.file_path_meta_field, self.root_path, self.image_size)
        make = TextOrImage(self.model, images, text)
        return DocumentInputs(self, documents, make, raise_on_failure=True, optional=False).inputs

    def _reranker(self) -> Reranker:
        return Reranker(self._connection.open(), self.model, **self._options())

    def _async_reranker(self) -> AsyncReranker:
        return AsyncReranker(self._connection.open(), self.model, **self._options())

    def _options(self) -> dict[str, Any]:
        return {"truncation": self.truncation, "max_doc_length": self.max_doc_length}

    def _threshold_of(self, score_threshold: float | None) -> float | None:
        return self.score_threshold if score_threshold is None else _threshold(score_threshold)


def _output(documents: list[Document], result: RerankResult, threshold: float | None) -> dict[str, Any]:
    ranked = [
        replace(documents[item.index], score=item.relevance_score)
        for item in result
        if threshold is None or item.relevance_score >= threshold
    ]
    return {"documents": ranked, "meta": meta_of(result)}


def _threshold(value: float | None) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise JinaInputError(f"score_threshold must be a number, but got {value!r}")
    return value


def _checked(top_k: int | None) -> int | None:
    if isinstance(top_k, int) and top_k < 1:
        raise JinaInputError(f"top_k must be > 0, but got {top_k}")
    check_whole("top_k", top_k)
    return top_k
