"""Jina AI's rerankers as a LlamaIndex node postprocessor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Unpack

from jina_client import JinaArgumentError, JinaInputError, RerankResult
from jina_client.integration import (
    AsyncReranker,
    RequestOptions,
    Reranker,
    check_reranker,
    follows,
    replaces,
    resolve_roots,
    takes_images,
    warns_of_default_model,
)
from llama_index.core.bridge.pydantic import Field, SecretStr
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index.embeddings.jinaai.connection import CLASSES, LlamaIndexConnection, LlamaIndexOptions
from llama_index.embeddings.jinaai.images import image_input, image_of, query_input
from llama_index.embeddings.jinaai.old_names import DEFAULT_JINA_AI_API_URL, endpoint_address

__all__ = ["DEFAULT_JINA_AI_API_URL", "JinaRerank"]

dispatcher = get_dispatcher(__name__)


class JinaRerankOptions(RequestOptions, LlamaIndexOptions, total=False):
    """The further arguments of :class:`JinaRerank`."""

    truncation: bool | None
    """Cut documents longer than the model's context."""
    max_doc_length: int | None
    """Tokens per document that the model reads, 1 to 8192 (``jina-reranker-v3`` and later)."""
    max_image_side: int | None
    """Longer side in pixels above which an image is made smaller before it is sent (needs Pillow)."""
    callback_manager: CallbackManager | None
    """LlamaIndex's callbacks."""
    api_url: str | None
    """Another name of ``base_url``, which ``llama-index-postprocessor-jinaai-rerank`` saves."""


class JinaRerank(LlamaIndexConnection, BaseNodePostprocessor):
    """Keep the nodes that are most relevant to a query, best first.

    A node is scored by its text and embedded metadata. A model that takes images (``jina-reranker-m0``) scores a node
    with an image by the image.

    Example:
        >>> from llama_index.core.schema import NodeWithScore, TextNode
        >>> from llama_index.postprocessor.jinaai_rerank import JinaRerank
        >>> nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("Stocks fell.", "The cat sleeps.")]
        >>> reranker = JinaRerank(top_n=1, model="jina-reranker-v2-base-multilingual", base_url="local")
        >>> reranker.postprocess_nodes(nodes, query_str="What does the cat do?")[0].text
        'The cat sleeps.'

    Args:
        top_n: the number of nodes to keep; a larger number than that of the nodes keeps all.
        model: the model's id.
        base_url: the API's root; ``"local"`` is the embedded engine.
        api_key: the API key; by default the one from the environment, read on first use.
        **arguments: ``truncation``, ``max_doc_length``, ``max_image_side``, ``callback_manager``; the options of
            :class:`jina_client.JinaClient` except ``on_attempt``, and ``client``; and ``api_url``, another name of
            ``base_url`` that ``llama-index-postprocessor-jinaai-rerank`` saves.

    Raises:
        JinaInputError: an unknown argument or a value that cannot work; a missing key when it is first needed.
    """

    top_n: int = Field(default=2, ge=1)
    model: str = "jina-reranker-v1-base-en"
    truncation: bool | None = None
    max_doc_length: int | None = None
    max_image_side: int | None = None

    @warns_of_default_model
    def __init__(
        self,
        top_n: int = 2,
        model: str = "jina-reranker-v1-base-en",
        base_url: str | list[str] | None = None,
        api_key: str | SecretStr | None = None,
        **arguments: Unpack[JinaRerankOptions],
    ) -> None:
        saved_url = arguments.pop("api_url", None)
        if arguments.get("callback_manager") is None:
            arguments.pop("callback_manager", None)
        if None not in (base_url, saved_url) and resolve_roots(base_url) != resolve_roots(saved_url):
            raise JinaArgumentError(
                f"base_url={base_url!r} and api_url={saved_url!r} are different addresses; pass only base_url="
            )
        base_url = saved_url if base_url is None else base_url
        fields: dict[str, Any] = {"top_n": top_n, "model": model, "base_url": base_url, "api_key": api_key, **arguments}
        super().__init__(**fields)

    @property
    def api_url(self) -> str:
        """The address of the rerank endpoint; setting it sets ``base_url``."""
        return endpoint_address(self, "rerank")

    @api_url.setter
    def api_url(self, address: str) -> None:
        self.base_url = address

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex saves this class."""
        return "JinaRerank"

    def _check(self) -> None:
        super()._check()
        # A subclass that sends texts itself has models of its own.
        if not replaces(type(self), "_postprocess_nodes", "_check"):
            service = self._connection().service
            check_reranker(self.model, service, CLASSES, top_n=self.top_n, **self._options())

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _checked(nodes, query_bundle)
        with self._event(nodes, query) as ranked:
            result = self._reranker().rerank(query_input(query), self._documents(nodes), self.top_n)
            ranked += _ranked(nodes, result)
        return ranked

    @follows("_postprocess_nodes")
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _checked(nodes, query_bundle)
        with self._event(nodes, query) as ranked:
            result = await self._async_reranker().rerank(query_input(query), self._documents(nodes), self.top_n)
            ranked += _ranked(nodes, result)
        return ranked

    def _reranker(self) -> Reranker:
        return Reranker(self._connection(), self.model, **self._options())

    def _async_reranker(self) -> AsyncReranker:
        return AsyncReranker(self._connection(), self.model, **self._options())

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("truncation", "max_doc_length", "max_image_side")}

    def _documents(self, nodes: list[NodeWithScore]) -> list[Any]:
        images_are_taken = takes_images(self.model)
        return [
            image_input(scored.node)
            if images_are_taken and image_of(scored.node) is not None
            else scored.node.get_content(metadata_mode=MetadataMode.EMBED)
            for scored in nodes
        ]

    @contextmanager
    def _event(self, nodes: list[NodeWithScore], query: QueryBundle) -> Iterator[list[NodeWithScore]]:
        """Send the events around a reranking, which LlamaIndex does not send itself."""
        ranked: list[NodeWithScore] = []
        dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=self.top_n, model_name=self.model))
        with self.callback_manager.event(
            CBEventType.RERANKING,
            payload={
                EventPayload.NODES: nodes,
                EventPayload.MODEL_NAME: self.model,
                EventPayload.QUERY_STR: query.query_str,
                EventPayload.TOP_K: self.top_n,
            },
        ) as event:
            yield ranked
            event.on_end(payload={EventPayload.NODES: ranked})
        dispatcher.event(ReRankEndEvent(nodes=ranked))


def _checked(nodes: list[NodeWithScore], query_bundle: QueryBundle | None) -> QueryBundle:
    """Return the query. Raise if it is missing, or if an item is not a node with a score."""
    if not isinstance(nodes, list):
        raise JinaInputError(f"nodes must be a list of NodeWithScore, got {type(nodes).__name__}")
    for place, node in enumerate(nodes):
        if not isinstance(node, NodeWithScore):
            raise JinaInputError(f"nodes[{place}] must be a NodeWithScore, got {type(node).__name__}")
    if query_bundle is None:
        raise JinaInputError("a reranker needs the query: pass query_str=… or query_bundle=…")
    return query_bundle


def _ranked(nodes: list[NodeWithScore], result: RerankResult) -> list[NodeWithScore]:
    return [NodeWithScore(node=nodes[ranked.index].node, score=ranked.relevance_score) for ranked in result]
