"""The ways to make the same call: through the client and every framework, each synchronously and asynchronously.

A way takes the input and options: those of the component (``model``, ``dimensions`` and so on), those of the
connection, and ``api_key`` or ``client``. It returns lists, in the order of the input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from haystack import Document as HaystackDocument
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import (
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaTextEmbedder,
)
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import AsyncJinaClient, JinaClient
from jina_client.integration import CONNECTION_OPTIONS
from langchain_core.documents import Document as LangChainDocument
from langchain_jina import JinaEmbeddings
from langchain_jina import JinaRerank as LangChainRerank
from llama_index.core.schema import ImageNode, NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank as LlamaIndexRerank

Way = Callable[..., Any]
Ways = dict[str, Way]
Chunk = tuple[str, str]
"""The identifier of its document, and its text."""

Vectors = list[list[float]]
Ranking = list[tuple[int, float]]
"""The index and the score of each document, best first."""


def _pair(name: str, sync: Way, asynchronous: Way) -> Ways:
    """Return a way and its asynchronous form, which returns a coroutine."""
    return {name: sync, f"async {name}": lambda *args, **options: asyncio.run(asynchronous(*args, **options))}


def _client(kind: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a client, and the remaining options for its method."""
    names = {*CONNECTION_OPTIONS, "api_key"}
    client_options = {name: value for name, value in options.items() if name in names}
    rest = {name: value for name, value in options.items() if name not in names}
    client = rest.pop("client", None)
    return client or kind(**client_options), rest


def _haystack(kind: Any, options: dict[str, Any], **further: Any) -> Any:
    key = options.get("api_key")
    return kind(**{**options, **further, **({"api_key": Secret.from_token(key)} if key else {})})


# Texts as documents


def _client_documents(texts: Any, **options: Any) -> Vectors:
    client, rest = _client(JinaClient, options)
    return client.embed(texts, **rest).tolist()


async def _async_client_documents(texts: Any, **options: Any) -> Vectors:
    client, rest = _client(AsyncJinaClient, options)
    return (await client.embed(texts, **rest)).tolist()


def haystack_documents(texts: Any) -> Any:
    """Return texts as Haystack's Documents, with their index as id. Anything but a list is returned unchanged."""
    if not isinstance(texts, list):
        return texts
    return [HaystackDocument(content=text, id=str(number)) for number, text in enumerate(texts)]


def _haystack_vectors(texts: Any, **options: Any) -> Vectors:
    output = _haystack(JinaDocumentEmbedder, options, progress_bar=False).run(haystack_documents(texts))
    return [document.embedding for document in output["documents"]]


async def _async_haystack_vectors(texts: Any, **options: Any) -> Vectors:
    embedder = _haystack(JinaDocumentEmbedder, options, progress_bar=False)
    output = await embedder.run_async(haystack_documents(texts))
    return [document.embedding for document in output["documents"]]


DOCUMENT_VECTORS: Ways = {
    **_pair("client", _client_documents, _async_client_documents),
    **_pair(
        "langchain",
        lambda texts, **options: JinaEmbeddings(**options).embed_documents(texts),
        lambda texts, **options: JinaEmbeddings(**options).aembed_documents(texts),
    ),
    **_pair(
        "llama-index",
        lambda texts, **options: JinaEmbedding(**options).get_text_embedding_batch(texts),
        lambda texts, **options: JinaEmbedding(**options).aget_text_embedding_batch(texts),
    ),
    **_pair("haystack", _haystack_vectors, _async_haystack_vectors),
}


# A text as a query


async def _async_haystack_query(text: Any, **options: Any) -> list[float]:
    return (await _haystack(JinaTextEmbedder, options).run_async(text))["embedding"]


QUERY_VECTORS: Ways = {
    **_pair(
        "langchain",
        lambda text, **options: JinaEmbeddings(**options).embed_query(text),
        lambda text, **options: JinaEmbeddings(**options).aembed_query(text),
    ),
    **_pair(
        "llama-index",
        lambda text, **options: JinaEmbedding(**options).get_query_embedding(text),
        lambda text, **options: JinaEmbedding(**options).aget_query_embedding(text),
    ),
    **_pair(
        "haystack",
        lambda text, **options: _haystack(JinaTextEmbedder, options).run(text)["embedding"],
        _async_haystack_query,
    ),
}


# Files with pictures, as documents


def _client_images(paths: Sequence[Path], **options: Any) -> Vectors:
    return _client_documents([{"image": path} for path in paths], **options)


async def _async_client_images(paths: Sequence[Path], **options: Any) -> Vectors:
    return await _async_client_documents([{"image": path} for path in paths], **options)


def _llama_index_nodes(paths: Sequence[Path], **options: Any) -> Vectors:
    nodes = [ImageNode(image_path=str(path)) for path in paths]
    return [node.embedding for node in JinaEmbedding(**options)(nodes)]


async def _async_llama_index_nodes(paths: Sequence[Path], **options: Any) -> Vectors:
    nodes = [ImageNode(image_path=str(path)) for path in paths]
    return [node.embedding for node in await JinaEmbedding(**options).acall(nodes)]


def _haystack_images(paths: Sequence[Path], **options: Any) -> tuple[Any, list[HaystackDocument]]:
    options = {**options}
    if "dimensions" in options:
        options["embedding_dimension"] = options.pop("dimensions")
    documents = [HaystackDocument(meta={"file_path": str(path)}) for path in paths]
    return _haystack(JinaDocumentImageEmbedder, options), documents


def _haystack_image_vectors(paths: Sequence[Path], **options: Any) -> Vectors:
    embedder, documents = _haystack_images(paths, **options)
    return [document.embedding for document in embedder.run(documents)["documents"]]


async def _async_haystack_image_vectors(paths: Sequence[Path], **options: Any) -> Vectors:
    embedder, documents = _haystack_images(paths, **options)
    return [document.embedding for document in (await embedder.run_async(documents))["documents"]]


IMAGE_VECTORS: Ways = {
    **_pair("client", _client_images, _async_client_images),
    **_pair(
        "langchain",
        lambda paths, **options: JinaEmbeddings(**options).embed_images(paths),
        lambda paths, **options: JinaEmbeddings(**options).aembed_images(paths),
    ),
    **_pair(
        "llama-index",
        lambda paths, **options: JinaEmbedding(**options).get_image_embedding_batch(paths),
        lambda paths, **options: JinaEmbedding(**options).aget_image_embedding_batch(paths),
    ),
    **_pair("llama-index nodes", _llama_index_nodes, _async_llama_index_nodes),
    **_pair("haystack", _haystack_image_vectors, _async_haystack_image_vectors),
}


# Chunks of several documents, in one flat list


def _by_document(chunks: Sequence[Chunk]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, (document, _) in enumerate(chunks):
        places.setdefault(document, []).append(place)
    return places


def _texts(chunks: Sequence[Chunk]) -> list[list[str]]:
    return [[chunks[place][1] for place in places] for places in _by_document(chunks).values()]


def _flat(chunks: Sequence[Chunk], vectors: Sequence[Vectors]) -> Vectors:
    result = {
        place: vector
        for places, of_one in zip(_by_document(chunks).values(), vectors, strict=True)
        for place, vector in zip(places, of_one, strict=True)
    }
    return [result[place] for place in range(len(chunks))]


def _client_chunks(chunks: Sequence[Chunk], **options: Any) -> Vectors:
    client, rest = _client(JinaClient, options)
    return _flat(chunks, [part.tolist() for part in client.embed_chunked(_texts(chunks), **rest)])


async def _async_client_chunks(chunks: Sequence[Chunk], **options: Any) -> Vectors:
    client, rest = _client(AsyncJinaClient, options)
    return _flat(chunks, [part.tolist() for part in await client.embed_chunked(_texts(chunks), **rest)])


async def _async_langchain_lists(chunks: Sequence[Chunk], **options: Any) -> Vectors:
    return _flat(chunks, await JinaEmbeddings(**options).aembed_chunked(_texts(chunks)))


def _langchain_chunks(chunks: Sequence[Chunk]) -> list[LangChainDocument]:
    return [LangChainDocument(text, metadata={"source": document}) for document, text in chunks]


def _nodes_of(chunks: Sequence[Chunk]) -> list[TextNode]:
    return [
        TextNode(text=text, relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)})
        for document, text in chunks
    ]


async def _async_llama_index_chunks(chunks: Sequence[Chunk], **options: Any) -> Vectors:
    return [node.embedding for node in await JinaEmbedding(late_chunking=True, **options).acall(_nodes_of(chunks))]


def _haystack_chunks(chunks: Sequence[Chunk]) -> list[HaystackDocument]:
    return [
        HaystackDocument(content=text, id=str(number), meta={"source_id": document})
        for number, (document, text) in enumerate(chunks)
    ]


def _late_haystack(options: dict[str, Any]) -> Any:
    return _haystack(JinaDocumentEmbedder, options, late_chunking=True, progress_bar=False)


async def _async_haystack_chunks(chunks: Sequence[Chunk], **options: Any) -> Vectors:
    output = await _late_haystack(options).run_async(_haystack_chunks(chunks))
    return [document.embedding for document in output["documents"]]


CHUNK_VECTORS: Ways = {
    **_pair("client", _client_chunks, _async_client_chunks),
    **_pair(
        "langchain",
        lambda chunks, **options: JinaEmbeddings(**options).embed_chunks(_langchain_chunks(chunks)),
        lambda chunks, **options: JinaEmbeddings(**options).aembed_chunks(_langchain_chunks(chunks)),
    ),
    **_pair(
        "langchain lists",
        lambda chunks, **options: _flat(chunks, JinaEmbeddings(**options).embed_chunked(_texts(chunks))),
        _async_langchain_lists,
    ),
    **_pair(
        "llama-index",
        lambda chunks, **options: [
            node.embedding for node in JinaEmbedding(late_chunking=True, **options)(_nodes_of(chunks))
        ],
        _async_llama_index_chunks,
    ),
    **_pair(
        "haystack",
        lambda chunks, **options: [
            document.embedding for document in _late_haystack(options).run(_haystack_chunks(chunks))["documents"]
        ],
        _async_haystack_chunks,
    ),
}


# Rankings


def _langchain_documents(texts: Any) -> Any:
    if not isinstance(texts, list):
        return texts
    return [LangChainDocument(text, id=str(number)) for number, text in enumerate(texts)]


def _scored(documents: Sequence[LangChainDocument]) -> Ranking:
    return [(int(document.id or ""), document.metadata["relevance_score"]) for document in documents]


async def _async_langchain_ranking(query: Any, texts: Any, top_n: int | None, **options: Any) -> Ranking:
    reranker = LangChainRerank(top_n=top_n, **options)
    return _scored(await reranker.acompress_documents(_langchain_documents(texts), query))


def _nodes(texts: Sequence[str]) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=str(number))) for number, text in enumerate(texts)]


async def _async_llama_index_ranking(query: Any, texts: Any, top_n: int | None, **options: Any) -> Ranking:
    reranker = LlamaIndexRerank(top_n=top_n, **options)
    return [
        (int(result.node_id), result.score)
        for result in await reranker.apostprocess_nodes(_nodes(texts), query_str=query)
    ]


async def _async_haystack_ranking(query: Any, texts: Any, top_n: int | None, **options: Any) -> Ranking:
    output = await _haystack(JinaRanker, options, top_k=top_n).run_async(query, haystack_documents(texts))
    return [(int(result.id), result.score) for result in output["documents"]]


def _client_ranking(query: Any, texts: Any, top_n: int | None, **options: Any) -> Ranking:
    client, rest = _client(JinaClient, options)
    return [(result.index, result.relevance_score) for result in client.rerank(query, texts, top_n=top_n, **rest)]


async def _async_client_ranking(query: Any, texts: Any, top_n: int | None, **options: Any) -> Ranking:
    client, rest = _client(AsyncJinaClient, options)
    return [(result.index, result.relevance_score) for result in await client.rerank(query, texts, top_n=top_n, **rest)]


RANKINGS: Ways = {
    **_pair("client", _client_ranking, _async_client_ranking),
    **_pair(
        "langchain",
        lambda query, texts, top_n, **options: _scored(
            LangChainRerank(top_n=top_n, **options).compress_documents(_langchain_documents(texts), query)
        ),
        _async_langchain_ranking,
    ),
    **_pair(
        "llama-index",
        lambda query, texts, top_n, **options: [
            (int(result.node_id), result.score)
            for result in LlamaIndexRerank(top_n=top_n, **options).postprocess_nodes(_nodes(texts), query_str=query)
        ],
        _async_llama_index_ranking,
    ),
    **_pair(
        "haystack",
        lambda query, texts, top_n, **options: [
            (int(result.id), result.score)
            for result in _haystack(JinaRanker, options, top_k=top_n).run(query, haystack_documents(texts))["documents"]
        ],
        _async_haystack_ranking,
    ),
}
