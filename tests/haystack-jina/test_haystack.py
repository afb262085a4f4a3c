"""The Haystack components, in Haystack's own pipelines."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from haystack_integrations.components.writers.jina import JinaLateInteractionWriter
from jina_client import JinaArgumentError, JinaClient, JinaInputError
from loopback import Recorder, vector_of

KEY = "jina_0123456789abcdef"
TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]
NO_USAGE = {"prompt_tokens": 0, "total_tokens": 0}


def _documents(*texts: str) -> list[Document]:
    return [Document(content=text, id=text) for text in texts]


def _rag(url: str) -> tuple[Pipeline, Pipeline]:
    store = InMemoryDocumentStore()
    indexing = Pipeline()
    indexing.add_component("embedder", JinaDocumentEmbedder(base_url=url, progress_bar=False))
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("embedder.documents", "writer.documents")
    querying = Pipeline()
    querying.add_component("embedder", JinaTextEmbedder(base_url=url))
    querying.add_component("retriever", InMemoryEmbeddingRetriever(store))
    querying.add_component("ranker", JinaRanker(base_url=url, top_k=1))
    querying.connect("embedder.embedding", "retriever.query_embedding")
    querying.connect("retriever.documents", "ranker.documents")
    return indexing, querying


def test_indexing_and_query_pipelines_answer_a_question(engine_url: str) -> None:
    indexing, querying = _rag(engine_url)
    indexing.run({"embedder": {"documents": _documents(*TEXTS)}})
    question = "What do I bake?"
    documents = querying.run({"embedder": {"text": question}, "ranker": {"query": question}})["ranker"]["documents"]
    assert [document.content for document in documents] == [TEXTS[2]]


def test_async_pipelines_give_the_same_answer(engine_url: str) -> None:
    async def ask(question: str) -> list[Document]:
        indexing, querying = _rag(engine_url)
        await indexing.run_async({"embedder": {"documents": _documents(*TEXTS)}})
        output = await querying.run_async({"embedder": {"text": question}, "ranker": {"query": question}})
        await indexing.close_async()
        await querying.close_async()
        return list(output["ranker"]["documents"])

    assert [document.content for document in asyncio.run(ask("Where is the animal?"))] == [TEXTS[0]]


def test_queries_and_documents_have_different_tasks(server: Recorder) -> None:
    JinaDocumentEmbedder(base_url=server.url, progress_bar=False).run(_documents("a"))
    JinaTextEmbedder(base_url=server.url).run("a")
    assert [sent.body["task"] for sent in server.sent] == ["retrieval.passage", "retrieval.query"]


def test_documents_are_copied_in_order_with_their_vectors(server: Recorder) -> None:
    originals = _documents(*(str(number) for number in range(300)))
    embedder = JinaDocumentEmbedder(base_url=server.url, progress_bar=False)
    for documents in (embedder.run(originals)["documents"], asyncio.run(embedder.run_async(originals))["documents"]):
        assert [document.id for document in documents] == [document.id for document in originals]
        assert all(np.array_equal(document.embedding, vector_of(document.content)) for document in documents)
    assert all(document.embedding is None for document in originals)


class _Shouting(Document):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.content = (self.content or "").upper()


@pytest.mark.parametrize(
    "original",
    [
        Document(content="a", meta={"page": 1}, score=0.5, sparse_embedding=SparseEmbedding([1], [0.5])),
        Document(content="a", blob=ByteStream(b"a", mime_type="text/plain"), embedding=[1.0]),
        _Shouting(content="a"),
    ],
)
def test_a_copy_is_that_of_dataclasses_replace(server: Recorder, original: Document) -> None:
    before = dict(vars(original))
    embedder = JinaDocumentEmbedder(base_url=server.url, progress_bar=False)
    copied = embedder.run([original])["documents"][0]
    replaced = replace(original, embedding=copied.embedding)
    assert type(copied) is type(replaced)
    assert vars(copied) == vars(replaced)
    assert copied.meta is original.meta
    assert vars(original) == before


def test_batches_are_sent_concurrently(server: Recorder) -> None:
    import time

    from loopback import right_answer

    def slowly(sent: Any) -> Any:
        time.sleep(0.05)
        return right_answer(sent)

    server.answer = slowly
    embedder = JinaDocumentEmbedder(base_url=server.url, progress_bar=False, batch_size=1, max_concurrency=4)
    asyncio.run(embedder.run_async(_documents(*"abcdefgh")))
    assert server.most_in_flight == 4


def test_prefix_suffix_and_meta_fields_are_embedded(server: Recorder) -> None:
    embedder = JinaDocumentEmbedder(
        base_url=server.url,
        progress_bar=False,
        prefix="<",
        suffix=">",
        meta_fields_to_embed=["title", "absent"],
        embedding_separator=" | ",
    )
    embedder.run([Document(content="text", meta={"title": "A title"}), Document(content=None, meta={"title": "Only"})])
    JinaTextEmbedder(base_url=server.url, prefix="[", suffix="]").run("text")
    assert [sent.body["input"] for sent in server.sent] == [["<A title | text>", "<Only | >"], ["[text]"]]


def test_late_chunking_groups_documents_by_their_source(server: Recorder) -> None:
    documents = [Document(content=f"chunk {number}", meta={"source_id": str(number % 2)}) for number in range(4)]
    embedder = JinaDocumentEmbedder(base_url=server.url, progress_bar=False, late_chunking=True)
    for embedded in (embedder.run, lambda chunk_documents: asyncio.run(embedder.run_async(chunk_documents))):
        server.sent.clear()
        result = embedded([*documents, Document(content="alone")])["documents"]
        sent = sorted(sent.body["input"] for sent in server.sent)
        assert sent == [["alone"], ["chunk 0", "chunk 2"], ["chunk 1", "chunk 3"]]
        assert all(np.array_equal(document.embedding, vector_of(document.content)) for document in result)


def test_empty_input_returns_every_socket(server: Recorder) -> None:
    embedder, ranker = JinaDocumentEmbedder(base_url=server.url), JinaRanker(base_url=server.url)
    assert embedder.run([]) == {"documents": [], "meta": {"model": "jina-embeddings-v3", "usage": NO_USAGE}}
    assert ranker.run("q", []) == {"documents": [], "meta": {"model": "jina-reranker-v1-base-en", "usage": NO_USAGE}}
    assert asyncio.run(ranker.run_async("q", []))["documents"] == []
    assert server.sent == []


def test_usage_and_model_are_reported(server: Recorder) -> None:
    usage = {"prompt_tokens": 2, "total_tokens": 2}
    assert JinaTextEmbedder(base_url=server.url).run("two words")["meta"] == {
        "model": "jina-embeddings-v3",
        "usage": usage,
    }


def test_the_ranker_scores_filters_and_truncates(server: Recorder) -> None:
    ranker = JinaRanker(base_url=server.url, top_k=3, score_threshold=0.002)
    documents = _documents("a", "bbb", "cc", "dddd")
    assert [(result.id, result.score) for result in ranker.run("q", documents)["documents"]] == [
        ("dddd", 0.004),
        ("bbb", 0.003),
        ("cc", 0.002),
    ]
    assert len(ranker.run("q", documents, top_k=1)["documents"]) == 1
    assert len(ranker.run("q", documents, top_k=4, score_threshold=0.0)["documents"]) == 4
    sent = len(server.sent)
    for call in (lambda: JinaRanker(score_threshold="high"), lambda: ranker.run("q", documents, score_threshold=[])):
        with pytest.raises(JinaInputError, match="score_threshold must be a number"):
            call()
    assert len(server.sent) == sent
    assert documents[0].score is None


def test_meta_fields_are_reranked_with_the_content(server: Recorder) -> None:
    ranker = JinaRanker(base_url=server.url, meta_fields_to_embed=["title", "absent"], meta_data_separator=": ")
    results = ranker.run("q", [Document(content="text", meta={"title": "A"}), Document(meta={"title": "A long title"})])
    assert server.sent[0].body["documents"] == ["A: text", "A long title: "]
    assert [document.content for document in results["documents"]] == [None, "text"]


def test_empty_input_sends_no_request(server: Recorder) -> None:
    JinaDocumentEmbedder(base_url=server.url).run([])
    JinaRanker(base_url=server.url).run("q", [])
    for query in (None, 1):
        with pytest.raises(JinaInputError):
            JinaTextEmbedder(base_url=server.url).run(query)  # type: ignore[arg-type]
        with pytest.raises(JinaInputError):
            JinaRanker(base_url=server.url).run(query, _documents("a"))  # type: ignore[arg-type]
    assert server.sent == []


def test_vectors_are_base64_and_documents_are_not_returned(server: Recorder) -> None:
    JinaDocumentEmbedder(base_url=server.url, progress_bar=False).run(_documents("a"))
    JinaRanker(base_url=server.url).run("q", _documents("a"))
    assert server.sent[0].body["embedding_type"] == "base64"
    assert server.sent[1].body["return_documents"] is False


def test_the_key_is_resolved_at_first_use(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = JinaTextEmbedder(api_key=Secret.from_env_var("MY_KEY"), base_url=server.url)
    with pytest.raises(JinaInputError, match="MY_KEY"):
        embedder.warm_up()
    monkeypatch.setenv("MY_KEY", KEY)
    embedder.warm_up()
    embedder.run("a")
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in f"{embedder!r} {vars(embedder)}"


def test_a_component_with_a_ready_client_runs_but_cannot_be_saved(server: Recorder) -> None:
    embedder = JinaTextEmbedder(client=JinaClient(base_url=server.url))
    assert embedder.run("a") == asyncio.run(embedder.run_async("a"))
    with pytest.raises(JinaInputError, match="cannot be saved"):
        embedder.to_dict()


def test_a_pickle_keeps_every_option(server: Recorder) -> None:
    embedder = pickle.loads(pickle.dumps(JinaTextEmbedder(base_url=server.url, dimensions=64)))
    assert len(embedder.run("a")["embedding"]) == 64


@pytest.mark.parametrize("kind", [JinaTextEmbedder, JinaDocumentEmbedder, JinaRanker])
def test_an_unknown_argument_raises(kind: type) -> None:
    with pytest.raises(JinaArgumentError, match="did you mean 'base_url'"):
        kind(base_uri="local")


@pytest.mark.parametrize(
    "run",
    [
        lambda url: JinaTextEmbedder(base_url=url).run(["a"]),
        lambda url: JinaTextEmbedder(base_url=url).run(None),
        lambda url: JinaDocumentEmbedder(base_url=url).run("a"),
        lambda url: JinaDocumentEmbedder(base_url=url).run(["a"]),
        lambda url: JinaRanker(base_url=url).run("q", ["a"]),
    ],
)
def test_a_wrong_type_raises_a_jina_type_error(server: Recorder, run: Any) -> None:
    with pytest.raises(JinaInputError) as caught:
        run(server.url)
    assert isinstance(caught.value, TypeError)
    assert server.sent == []


@pytest.mark.parametrize(
    "run",
    [
        lambda url: JinaDocumentEmbedder(base_url=url).run([Document(content=None)]),
        lambda url: JinaRanker(base_url=url).run("q", [Document(content=None)]),
        lambda url: JinaRanker(base_url=url, top_k=0),
        lambda url: JinaRanker(base_url=url).run("q", _documents("a"), top_k=0),
    ],
)
def test_unsupported_calls_raise(server: Recorder, run: Any) -> None:
    with pytest.raises(JinaInputError):
        run(server.url)
    assert server.sent == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JinaTextEmbedder(api_key=KEY), "api_key must be a Secret, such as .* got a str"),
        (lambda: JinaRanker(api_key=None), "got None; leave it out where the service needs none"),
        (lambda: JinaDocumentEmbedder(meta_fields_to_embed="title"), "must be a list of names, got 'title'"),
        (lambda: JinaTextEmbedder(model=None, base_url="local").run("a"), "model must be a model id such as"),
        (
            lambda: JinaDocumentEmbedder(base_url="local").run("a"),
            "JinaDocumentEmbedder expects a list of Documents as input, got a str; JinaTextEmbedder embeds a string",
        ),
        (
            lambda: JinaTextEmbedder(base_url="local").run(["a"]),  # type: ignore[arg-type]
            "JinaTextEmbedder expects a string as an input, got a list; for Documents use JinaDocumentEmbedder",
        ),
        (
            lambda: JinaDocumentEmbedder(base_url="local").run(Document(content="a")),
            r"got a Document; pass \[document\]",
        ),
        (
            lambda: JinaRanker(base_url="local").run("q", [*_documents("a"), "b"]),
            "JinaRanker expects a list of Documents as input, and item 1 is a str",
        ),
        (lambda: JinaLateInteractionWriter(None), "path must be the index's folder, got None"),
    ],
)
def test_an_error_names_the_mistake(make: Any, message: str) -> None:
    with pytest.raises(JinaInputError, match=message) as caught:
        make()
    assert KEY not in str(caught.value)


def test_a_missing_key_error_says_what_to_do() -> None:
    with pytest.raises(JinaInputError, match="JINA_API_KEY"):
        JinaTextEmbedder().run("a")
