"""Documents of a JinaDocumentStore by the embedding of a query."""

from __future__ import annotations

import asyncio
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack_integrations.document_stores.jina import JinaDocumentStore
from jina_client import JinaArgumentError
from jina_client.integration import known_arguments
from jina_client.retrieval import OVERSAMPLING


@component
class JinaEmbeddingRetriever:
    """
    Retrieves Documents in two stages: bits choose candidates, the vectors on disk rank them.

    Usage example:
    ```python
    from haystack import Document, Pipeline
    from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
    from haystack_integrations.components.retrievers.jina import JinaEmbeddingRetriever
    from haystack_integrations.document_stores.jina import JinaDocumentStore

    store = JinaDocumentStore()
    documents = [Document(content="The cat sleeps."), Document(content="Stocks fell.")]
    store.write_documents(JinaDocumentEmbedder(base_url="local", progress_bar=False).run(documents)["documents"])
    pipeline = Pipeline()
    pipeline.add_component("embedder", JinaTextEmbedder(base_url="local"))
    pipeline.add_component("retriever", JinaEmbeddingRetriever(store, top_k=1))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    result = pipeline.run({"embedder": {"text": "What does the cat do?"}})
    print(result["retriever"]["documents"][0].content)
    ```
    """

    @known_arguments()
    def __init__(
        self,
        document_store: JinaDocumentStore,
        top_k: int = 10,
        *,
        oversampling: float = OVERSAMPLING,
        probes: int | None = None,
    ) -> None:
        """
        Create a JinaEmbeddingRetriever.

        :param document_store: Where the Documents are.
        :param top_k: How many to find.
        :param oversampling: How many times as many candidates the bits choose.
        :param probes: How many lists to look at once the store's `cluster` was called; by default all, so that none is
            missed.
        :raises JinaInputError: An unknown argument, or another document store.
        """
        if not isinstance(document_store, JinaDocumentStore):
            raise JinaArgumentError(f"document_store must be a JinaDocumentStore, got {type(document_store).__name__}")
        self.document_store = document_store
        self.top_k = top_k
        self.oversampling = oversampling
        self.probes = probes

    def to_dict(self) -> dict[str, Any]:
        """
        Serialize the component.

        :returns: A dictionary for `from_dict`.
        """
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            top_k=self.top_k,
            oversampling=self.oversampling,
            probes=self.probes,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JinaEmbeddingRetriever:
        """
        Deserialize the component.

        :param data: What `to_dict` gave.
        :returns: The component.
        """
        options = dict(data["init_parameters"])
        if isinstance(options["document_store"], dict):
            options["document_store"] = JinaDocumentStore.from_dict(options["document_store"])
        return default_from_dict(cls, {**data, "init_parameters": options})

    @component.output_types(documents=list[Document])
    def run(self, query_embedding: list[float], top_k: int | None = None) -> dict[str, list[Document]]:
        """
        Find Documents.

        :param query_embedding: The query's embedding.
        :param top_k: How many to find, instead of the component's own number.
        :returns: `documents`, best first, with their `score`.
        """
        top_k = self.top_k if top_k is None else top_k
        found = self.document_store.embedding_retrieval(query_embedding, top_k, self.oversampling, self.probes)
        return {"documents": found}

    @component.output_types(documents=list[Document])
    async def run_async(self, query_embedding: list[float], top_k: int | None = None) -> dict[str, list[Document]]:
        """
        Find Documents, asynchronously.

        :param query_embedding: The query's embedding.
        :param top_k: How many to find, instead of the component's own number.
        :returns: `documents`, best first, with their `score`.
        """
        return await asyncio.to_thread(self.run, query_embedding, top_k)
