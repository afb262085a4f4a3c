"""A LangChain program with every kind of argument; mypy --strict and pyright check it without plugins."""

from __future__ import annotations

from jina_client import JinaClient
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import (
    JinaDocumentSearch,
    JinaEmbeddings,
    JinaLateInteractionRetriever,
    JinaReader,
    JinaRerank,
    JinaRetriever,
    JinaSearch,
    JinaSearchAPIWrapper,
)

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
retriever = JinaRetriever.from_documents(documents, embeddings, k=2, path="index", nprobe=8)
token_retriever = JinaLateInteractionRetriever(model="jina-colbert-v2", api_key="jina_key", base_url="local", k=1)
tools: list[BaseTool] = [
    JinaSearch(search_wrapper=JinaSearchAPIWrapper(api_key="jina_key", timeout=5.0), max_output_tokens=1000),
    JinaReader(api_key="jina_key", max_retries=1, handle_tool_error=False),
    JinaDocumentSearch(retriever=retriever, reranker=reranker, description="Search the notes."),
]


async def ask() -> list[Document]:
    assert await with_client.aembed_documents(["a"])
    return await reranker.ainvoke({"query": "What does the cat do?", "documents": documents})


JinaEmbeddings(modle="jina-embeddings-v3")  # wrong
JinaEmbeddings(dimensions="256")  # wrong
JinaRerank(top_k=1)  # wrong
JinaSearch(api_wrapper=JinaSearchAPIWrapper())  # wrong
JinaReader(max_tokens=100)  # wrong
JinaLateInteractionRetriever(top_k=1)  # wrong
JinaRetriever.from_documents(documents, embeddings, top_k=1)  # wrong
