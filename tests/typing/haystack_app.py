"""A Haystack pipeline, as the type checkers see it. It is not run."""

from __future__ import annotations

from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import (
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaTextEmbedder,
)
from haystack_integrations.components.rankers.jina import JinaRanker


def indexed(texts: list[str]) -> InMemoryDocumentStore:
    store = InMemoryDocumentStore()
    embedder = JinaDocumentEmbedder(model="jina-embeddings-v3", base_url="local", meta_fields_to_embed=["title"])
    store.write_documents(embedder.run([Document(content=text) for text in texts])["documents"])
    return store


def pipeline(store: InMemoryDocumentStore) -> Pipeline:
    result = Pipeline()
    key = Secret.from_env_var("JINA_API_KEY")
    result.add_component("embedder", JinaTextEmbedder(api_key=key, model="jina-embeddings-v3", dimensions=256))
    result.add_component("retriever", InMemoryEmbeddingRetriever(store, top_k=10))
    result.add_component("ranker", JinaRanker(model="jina-reranker-v2-base-multilingual", top_k=3, timeout=20.0))
    result.connect("embedder.embedding", "retriever.query_embedding")
    result.connect("retriever.documents", "ranker.documents")
    return result


async def images(paths: list[str]) -> list[Document]:
    embedder = JinaDocumentImageEmbedder(model="jina-clip-v2", base_url="local")
    result = await embedder.run_async([Document(meta={"file_path": path}) for path in paths])
    documents: list[Document] = result["documents"]
    return documents
