"""Late chunking through LangChain: by lists of lists, by metadata, and into stores."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import JinaClient, JinaError, JinaInputError, PartialFailureError
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import InMemoryByteStore
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_jina import JinaEmbeddings, JinaRetriever, aadd_chunks, add_chunks
from langchain_text_splitters import RecursiveCharacterTextSplitter
from loopback import Answer, Recorder, Sent, right_answer

MODEL = "jina-embeddings-v3"
BERLIN = ["Berlin is the capital of Germany.", "It has 3.8 million inhabitants.", "The river there is the Spree."]
BREAD = ["Bread needs flour.", "It has 3.8 million inhabitants."]
# Of two documents, not side by side, and with one text that both have.
CHUNKS = [
    Document(text, id=f"{source}-{place}", metadata={"source": source, "place": place})
    for place in range(3)
    for source, texts in (("berlin", BERLIN), ("bread", BREAD))
    for text in texts[place : place + 1]
]


def by_client(url: str, **options: Any) -> dict[str, list[float]]:
    """Return the vectors of the client by the id of the chunk."""
    berlin, bread = JinaClient(base_url=url).embed_chunked([BERLIN, BREAD], model=MODEL, **options)
    return {
        **{f"berlin-{place}": vector for place, vector in enumerate(berlin.tolist())},
        **{f"bread-{place}": vector for place, vector in enumerate(bread.tolist())},
    }


def test_embed_chunked_accepts_a_list_of_lists(engine_url: str) -> None:
    expected = by_client(engine_url)
    embeddings = JinaEmbeddings(model=MODEL, base_url=engine_url)
    results = embeddings.embed_chunked([BERLIN, BREAD])
    assert [len(vectors) for vectors in results] == [3, 2]
    assert results[0][1] == expected["berlin-1"]
    assert results[1] == [expected["bread-0"], expected["bread-1"]]
    assert asyncio.run(embeddings.aembed_chunked([BERLIN, BREAD])) == results


def test_embed_chunked_returns_binary_vectors(engine_url: str) -> None:
    bits = JinaEmbeddings(model=MODEL, base_url=engine_url, embedding_type="binary")
    expected = [[float(number > 0) for number in vector] for vector in by_client(engine_url).values()]
    berlin, bread = bits.embed_chunked([BERLIN, BREAD])
    assert berlin + bread == expected
    assert sorted(bits.embed_chunks(CHUNKS)) == sorted(expected)


def test_an_error_names_the_failed_document(server: Recorder) -> None:
    def refusing(sent: Sent) -> Answer:
        if "Bread needs flour." in sent.body["input"]:
            return Answer({"detail": "too long"}, 400)
        return right_answer(sent)

    server.answer = refusing
    with pytest.raises(PartialFailureError) as failed:
        JinaEmbeddings(model=MODEL, base_url=server.url).embed_chunked([BERLIN, BREAD])
    assert (list(failed.value.completed), list(failed.value.failed)) == ([0], [1])


def test_chunks_are_grouped_by_a_metadata_key(engine_url: str) -> None:
    expected = by_client(engine_url)
    embeddings = JinaEmbeddings(model=MODEL, base_url=engine_url)
    vectors = embeddings.embed_chunks(CHUNKS)
    assert vectors == [expected[str(chunk.id)] for chunk in CHUNKS]
    assert asyncio.run(embeddings.aembed_chunks(CHUNKS, group_by="source")) == vectors
    # The same text, in two documents.
    assert expected["berlin-1"] != expected["bread-1"]


def test_the_chunks_of_two_documents_never_share_a_request(server: Recorder) -> None:
    JinaEmbeddings(model=MODEL, base_url=server.url, batch_size=1).embed_chunks(CHUNKS)
    assert sorted(sent.body["input"] for sent in server.sent) == sorted([BERLIN, BREAD])
    assert all(sent.body["late_chunking"] for sent in server.sent)


def test_a_long_document_is_split_into_windows(server: Recorder) -> None:
    chunks = ["word " * 2000] * 10
    vectors = JinaEmbeddings(model=MODEL, base_url=server.url).embed_chunked([chunks])
    assert len(vectors[0]) == 10
    assert len(server.sent) > 1


def test_a_store_receives_late_chunking_vectors(engine_url: str) -> None:
    expected = by_client(engine_url)
    store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=engine_url))
    assert add_chunks(store, CHUNKS) == [chunk.id for chunk in CHUNKS]
    assert {key: entry["vector"] for key, entry in store.store.items()} == expected


def test_a_store_receives_late_chunking_vectors_asynchronously(engine_url: str) -> None:
    expected = by_client(engine_url)
    store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=engine_url))
    asyncio.run(aadd_chunks(store, CHUNKS, ids=[f"x-{chunk.id}" for chunk in CHUNKS]))
    assert {key: entry["vector"] for key, entry in store.store.items()} == {
        f"x-{key}": v for key, v in expected.items()
    }


@pytest.mark.parametrize("asynchronously", [False, True])
def test_a_store_may_batch_and_use_threads(qdrant: Any, engine_url: str, asynchronously: bool) -> None:
    """Qdrant asks for the vectors batch by batch, and asynchronously from another thread."""
    expected = by_client(engine_url)
    store = qdrant(JinaEmbeddings(model=MODEL, base_url=engine_url), size=1024)
    if asynchronously:
        asyncio.run(aadd_chunks(store, CHUNKS, ids=list(range(5)), batch_size=2))
    else:
        add_chunks(store, CHUNKS, ids=list(range(5)), batch_size=2)
    for point in store.client.scroll("all", with_vectors=True)[0]:
        metadata = (point.payload or {})["metadata"]
        vector = expected[f"{metadata['source']}-{metadata['place']}"]
        np.testing.assert_allclose(point.vector, vector, atol=1e-6)


def test_our_retriever_receives_late_chunking_vectors(engine_url: str) -> None:
    retriever = JinaRetriever(embeddings=JinaEmbeddings(model=MODEL, base_url=engine_url), k=5)
    assert add_chunks(retriever, CHUNKS) == [chunk.id for chunk in CHUNKS]
    scores = {document.id: document.metadata["relevance_score"] for document in retriever.invoke("How many people?")}
    # The same text, in two documents.
    assert scores["berlin-1"] != scores["bread-1"]
    retriever.close()


def test_nothing_is_embedded_for_a_read_only_retriever(server: Recorder, tmp_path: Path) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url)
    retriever = JinaRetriever(embeddings=embeddings, path=tmp_path, read_only=True)
    with pytest.raises(JinaInputError, match="read-only"):
        add_chunks(retriever, CHUNKS)
    assert not server.sent


def test_split_documents_are_grouped_by_source(server: Recorder) -> None:
    pages = [Document("First. " * 9, metadata={"source": "a.txt"}), Document("Second. " * 9, metadata={"source": "b"})]
    chunks = RecursiveCharacterTextSplitter(chunk_size=30, chunk_overlap=0).split_documents(pages)
    JinaEmbeddings(model=MODEL, base_url=server.url).embed_chunks(chunks)
    assert len(server.sent) == 2
    assert len({text.split(".")[0] for text in server.sent[0].body["input"]}) == 1


def test_a_store_embeds_normally_after_add_chunks(server: Recorder) -> None:
    store = InMemoryVectorStore(JinaEmbeddings(model=MODEL, base_url=server.url))
    add_chunks(store, CHUNKS)
    store.add_texts(["another"])
    assert "late_chunking" not in server.sent[-1].body
    assert add_chunks(store, []) == []


class Forgetful(InMemoryVectorStore):
    """A store that does not embed what it is given."""

    def add_documents(self, documents: list[Document], ids: list[str] | None = None, **kwargs: Any) -> list[str]:
        return []


def test_a_store_that_ignores_the_vectors_raises(server: Recorder) -> None:
    with pytest.raises(JinaError, match="Forgetful used 0 of the 5 vectors"):
        add_chunks(Forgetful(JinaEmbeddings(model=MODEL, base_url=server.url)), CHUNKS)


class Shouting(InMemoryVectorStore):
    """A store that embeds other texts than it is given."""

    def add_documents(self, documents: list[Document], ids: list[str] | None = None, **kwargs: Any) -> list[str]:
        return super().add_documents([Document(document.page_content.upper()) for document in documents])


def test_a_store_that_changes_the_texts_raises(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="not one of the chunks"):
        add_chunks(Shouting(JinaEmbeddings(model=MODEL, base_url=server.url)), CHUNKS)


def test_a_cache_keyed_by_text_alone_is_rejected(server: Recorder) -> None:
    embeddings = JinaEmbeddings(model=MODEL, base_url=server.url)
    cached = CacheBackedEmbeddings.from_bytes_store(embeddings, InMemoryByteStore(), key_encoder="sha256")
    with pytest.raises(JinaInputError, match="keyed by the text alone"):
        add_chunks(InMemoryVectorStore(cached), CHUNKS)
    assert server.sent == []


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([Document("a", metadata={"page": 1})], r"chunks\[0\]\.metadata\['source'\].*got None.*the metadata has: page"),
        ([Document("a", metadata={"source": ["a"]})], r"got \['a'\]"),
        (["a"], r"chunks\[0\] must be a Document, got str"),
        ("a", "must be a list of documents, got str"),
    ],
)
def test_chunks_without_a_document_are_rejected(server: Recorder, chunks: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        JinaEmbeddings(model=MODEL, base_url=server.url).embed_chunks(chunks)
    assert server.sent == []


@pytest.mark.parametrize(("documents", "message"), [(["a", "b"], r"documents\[0\] must be a list"), ("ab", "a list")])
def test_input_that_is_not_a_list_of_lists_is_rejected(server: Recorder, documents: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        JinaEmbeddings(model=MODEL, base_url=server.url).embed_chunked(documents)
    assert server.sent == []


def test_a_model_without_late_chunking_says_so(server: Recorder) -> None:
    with pytest.raises(JinaInputError, match="late_chunking"):
        JinaEmbeddings(base_url=server.url).embed_chunked([["a", "b"]])
    assert JinaEmbeddings(base_url=server.url).embed_chunked([]) == []
    assert server.sent == []
