"""A LangChain program, as the type checkers see it. It is not run."""

from __future__ import annotations

from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings, JinaRerank


def search(question: str, texts: list[str]) -> list[Document]:
    store = InMemoryVectorStore(JinaEmbeddings(model="jina-embeddings-v3", base_url="local"))
    store.add_texts(texts)
    reranker = JinaRerank(model="jina-reranker-v2-base-multilingual", base_url="local", top_n=3)
    return list(reranker.compress_documents(store.similarity_search(question, k=10), question))


async def vectors(texts: list[str]) -> list[list[float]]:
    return await JinaEmbeddings(model="jina-embeddings-v3", api_key="key", max_retries=2).aembed_documents(texts)
