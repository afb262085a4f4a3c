"""A LangChain program with every kind of argument; mypy --strict and pyright check it without plugins."""

from __future__ import annotations

from jina_client import JinaClient
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings, JinaRerank

embeddings: Embeddings = JinaEmbeddings(
    model="jina-embeddings-v3", base_url="local", dimensions=256, query_task="retrieval.query", timeout=5.0
)
old_names = JinaEmbeddings(model_name="jina-embeddings-v3", jina_api_key="jina_key", batch_size=64)
with_client = JinaEmbeddings(model="jina-embeddings-v3", client=JinaClient(base_url="local"))
vector: list[float] = with_client.embed_query("Where does the cat sleep?")
images: list[list[float]] = with_client.embed_image(["cat.png"])

store = InMemoryVectorStore(embeddings)
reranker = JinaRerank(model="jina-reranker-v3", base_url="local", top_n=1, api_key="jina_key", max_doc_length=100)
documents: list[Document] = reranker.compress_documents([Document("The cat sleeps.")], "What does the cat do?")


async def ask() -> list[Document]:
    assert await with_client.aembed_documents(["a"])
    return await reranker.ainvoke({"query": "What does the cat do?", "documents": documents})


JinaEmbeddings(modle="jina-embeddings-v3")  # wrong
JinaEmbeddings(dimensions="256")  # wrong
JinaRerank(top_k=1)  # wrong
