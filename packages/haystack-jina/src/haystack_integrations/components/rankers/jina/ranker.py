"""Jina AI's rerankers for Documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

from haystack import Document, component, default_to_dict
from haystack.utils import Secret
from haystack_integrations.common.jina import (
    DEFAULT_API_KEY,
    DocumentInputs,
    JinaComponent,
    JinaConnection,
    text_of,
    unless,
)
from jina_client import AsyncJinaClient, JinaClient, JinaInputError, RerankResult
from jina_client.arguments import known_arguments
from jina_client.components import CONNECTION_OPTIONS, ConnectionOptions, Reranker


@component
class JinaRanker(JinaComponent):
    """
    Sorts Documents by their relevance to a query.

    Usage example:
    ```python
    from haystack import Document
    from haystack_integrations.components.rankers.jina import JinaRanker

    ranker = JinaRanker(model="jina-reranker-v2-base-multilingual", base_url="local")
    documents = [Document(content="Stocks fell."), Document(content="The cat sleeps.")]
    print(ranker.run(query="What does the cat do?", documents=documents)["documents"][0].content)
    ```
    """

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
        client: JinaClient | AsyncJinaClient | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> None:
        """
        Create a JinaRanker.

        :param model: The model's id.
        :param api_key: The key, resolved when the component is warmed up.
        :param top_k: How many Documents to return; by default all.
        :param score_threshold: Leave out Documents with a lower score.
        :param meta_fields_to_embed: Meta fields put before the content.
        :param meta_data_separator: What stands between the meta fields and the content.
        :param truncation: Cut Documents longer than the model's context.
        :param max_doc_length: The tokens of each Document that are read, 1 to 8192 (`jina-reranker-v3` and later).
        :param client: A ready client to use instead of key and connection options.
        :param options: Of the connection: `base_url` (the API's root; `"local"` is the embedded engine), `timeout`,
            `max_retries`, `retry_timeout`, `max_concurrency`, `requests_per_minute`, `tokens_per_minute`, `dialect` and
            `cache`, as of `jina_client.JinaClient`.
        :raises JinaInputError: An unknown argument, or a `top_k` below 1 (also a ValueError).
        """
        self.model = model
        self.api_key = api_key
        self.top_k = _checked(top_k)
        self.score_threshold = score_threshold
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.meta_data_separator = meta_data_separator
        self.truncation = truncation
        self.max_doc_length = max_doc_length
        self._connection = JinaConnection(api_key, client, options)

    def _get_telemetry_data(self) -> dict[str, Any]:
        return {"model": self.model}

    def to_dict(self) -> dict[str, Any]:
        """
        Serialize the component. Options that are not set are left out; the key is a reference, never its value.

        :returns: A dictionary for `from_dict`.
        """
        options = self._connection.to_dict(
            meta_fields_to_embed=unless(self.meta_fields_to_embed, []),
            meta_data_separator=unless(self.meta_data_separator, "\n"),
            truncation=self.truncation,
            max_doc_length=self.max_doc_length,
        )
        return default_to_dict(
            self, **options, model=self.model, top_k=self.top_k, score_threshold=self.score_threshold
        )

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    def run(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, Any]:
        """
        Sort Documents by their relevance to a query.

        :param query: The query.
        :param documents: The Documents; they stay as they are.
        :param top_k: Above the component's own.
        :param score_threshold: Above the component's own.
        :returns: `documents`: copies with their `score`, best first; `meta`: the model and the usage.
        :raises JinaInputError: A `top_k` below 1, what is no list of Documents, or a Document without text.
        """
        result = self._reranker().rerank(query, self._texts(documents), _checked(top_k) or self.top_k)
        return self._output(documents, result, score_threshold)

    @component.output_types(documents=list[Document], meta=dict[str, Any])
    async def run_async(
        self,
        query: str,
        documents: list[Document],
        top_k: int | None = None,
        score_threshold: float | None = None,
    ) -> dict[str, Any]:
        """
        Sort Documents by their relevance to a query, asynchronously.

        :param query: The query.
        :param documents: The Documents; they stay as they are.
        :param top_k: Above the component's own.
        :param score_threshold: Above the component's own.
        :returns: `documents`: copies with their `score`, best first; `meta`: the model and the usage.
        :raises JinaInputError: A `top_k` below 1, what is no list of Documents, or a Document without text.
        """
        result = await self._reranker().arerank(query, self._texts(documents), _checked(top_k) or self.top_k)
        return self._output(documents, result, score_threshold)

    def _texts(self, documents: list[Document]) -> list[str]:
        def text(document: Document) -> str:
            return text_of(document, self.meta_fields_to_embed, self.meta_data_separator)

        return DocumentInputs(documents, text, raise_on_failure=True).inputs

    def _reranker(self) -> Reranker:
        return Reranker(
            self._connection.open(), self.model, truncation=self.truncation, max_doc_length=self.max_doc_length
        )

    def _output(self, documents: list[Document], result: RerankResult, score_threshold: float | None) -> dict[str, Any]:
        threshold = self.score_threshold if score_threshold is None else score_threshold
        ranked = [
            replace(documents[found.index], score=found.relevance_score)
            for found in result
            if threshold is None or found.relevance_score >= threshold
        ]
        return {"documents": ranked, "meta": {"model": result.model, "usage": result.usage.to_dict()}}


def _checked(top_k: int | None) -> int | None:
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise JinaInputError(f"top_k must be > 0, but got {top_k}")
    return top_k
