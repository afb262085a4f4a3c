"""Retrieve Documents of a JinaDocumentStore by the embedding of a query."""

from __future__ import annotations

import asyncio
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict
from haystack_integrations.common.jina.index import OVERSAMPLING
from haystack_integrations.document_stores.jina import JinaDocumentStore
from jina_client import JinaArgumentError
from jina_client.integration import known_arguments


@component
class JinaEmbeddingRetriever:
    """Retrieve Documents in two stages: bits choose candidates, the stored vectors rank them.

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
        nprobe: int | None = None,
    ) -> None:
        """Create a JinaEmbeddingRetriever.

        :param document_store: The store of the Documents.
        :param top_k: The number of Documents to return.
        :param oversampling: The number of candidates per result that the bits choose.
        :param nprobe: The number of IVF cells to search after the store's `cluster`; by default all.
        :raises JinaInputError: An unknown argument, or another document store.
        """
        if not isinstance(document_store, JinaDocumentStore):
            raise JinaArgumentError(
                f"document_store must be a JinaDocumentStore, got {type(document_store).__name__}; "
                "use the retriever of that store"
            )
        self.document_store = document_store
        self.top_k = top_k
        self.oversampling = oversampling
        self.nprobe = nprobe

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component.

        :returns: A dictionary for `from_dict`.
        """
        return default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            top_k=self.top_k,
            oversampling=self.oversampling,
            nprobe=self.nprobe,
        )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> JinaEmbeddingRetriever:
        """Deserialize the component.

        :param data: The dictionary that `to_dict` returned.
        :returns: The component.
        """
        options = dict(data["init_parameters"])
        if isinstance(options["document_store"], dict):
            options["document_store"] = JinaDocumentStore.from_dict(options["document_store"])
        return default_from_dict(cls, {**data, "init_parameters": options})

    @component.output_types(documents=list[Document])
    def run(self, query_embedding: list[float], top_k: int | None = None) -> dict[str, list[Document]]:
        """Retrieve the Documents with the nearest embeddings.

        :param query_embedding: The query's embedding.
        :param top_k: The number of Documents to return; by default the component's own.
        :returns: `documents`, best first, with their `score`.
        """
        top_k = self.top_k if top_k is None else top_k
        documents = self.document_store.embedding_retrieval(query_embedding, top_k, self.oversampling, self.nprobe)
        return {"documents": documents}

    @component.output_types(documents=list[Document])
    async def run_async(self, query_embedding: list[float], top_k: int | None = None) -> dict[str, list[Document]]:
        """Retrieve the Documents with the nearest embeddings, like `run`.

        :param query_embedding: The query's embedding.
        :param top_k: The number of Documents to return; by default the component's own.
        :returns: `documents`, best first, with their `score`.
        """
        return await asyncio.to_thread(self.run, query_embedding, top_k)
