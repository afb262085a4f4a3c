"""Asked through the client or through any framework, the same gives the same: vectors, order, usage and errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import certifi
import numpy as np
import pytest
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import (
    AsyncJinaClient,
    AuthenticationError,
    BadRequestError,
    JinaArgumentError,
    JinaClient,
    JinaError,
    JinaInputError,
)
from jina_client.integration import CONNECTION_OPTIONS, ConnectedModel, ConnectionOptions
from jina_local.server import running
from langchain_jina import JinaEmbeddings
from langchain_jina import JinaRerank as LangChainRerank
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank as LlamaIndexRerank
from loopback import Answer, Recorder, Sent, vector_of
from pictures import encoded, written
from ways import CHUNK_VECTORS, DOCUMENT_VECTORS, IMAGE_VECTORS, QUERY_VECTORS, RANKINGS, haystack_documents

EMBEDDER, RERANKER, CLIP = "jina-embeddings-v3", "jina-reranker-v2-base-multilingual", "jina-clip-v2"
PASSAGE = "Represent the document for retrieval: "
QUERY = "What does the cat do?"
SHORT_TEXTS = ["Stocks fell sharply today.", "The cat sleeps on the sofa.", "", "Köln, 東京 and 🐈"]
# The engine reads 510 tokens at a time, and the last text has 516.
TEXTS = [*SHORT_TEXTS, "A cat. " * 172]
# Chunks of three documents that lie in each other's way; one document is of a single, empty chunk.
CHUNKS = [
    ("berlin", "Berlin is the capital of Germany."),
    ("bread", "Bread needs flour."),
    ("berlin", "It has 3.8 million inhabitants."),
    ("empty", ""),
    ("bread", "It is baked for an hour."),
    ("berlin", "It has 3.8 million inhabitants."),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures of texts, which the embedded engine reads."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / "train.png", folder / "pie.png"]
    for path, line in zip(paths, ["Train", "Pie"], strict=True):
        path.write_bytes(written(line))
    return paths


@pytest.fixture(scope="module")
def local() -> Iterator[JinaClient]:
    """A client of the embedded engine in this process, whose results those of all ways must equal."""
    with JinaClient(base_url="local") as client:
        yield client


@pytest.fixture(scope="module")
def document_vectors(local: JinaClient) -> np.ndarray:
    return local.embed(TEXTS, model=EMBEDDER).vectors


@pytest.fixture(scope="module", params=[{"model": CLIP}, {"model": "jina-embeddings-v4", "dimensions": 128}])
def image_vectors(
    request: pytest.FixtureRequest, local: JinaClient, pictures: list[Path]
) -> tuple[dict[str, Any], np.ndarray]:
    """The options of a call, and the vectors of the pictures."""
    inputs = [{"image": path.read_bytes()} for path in pictures]
    return request.param, local.embed(inputs, **request.param).vectors


@pytest.fixture(scope="module", params=[QUERY, ""])
def expected_ranking(request: pytest.FixtureRequest, local: JinaClient) -> tuple[str, list[tuple[int, float]]]:
    """A query, and the indices and scores of the best texts."""
    results = local.rerank(request.param, TEXTS, model=RERANKER, top_n=3)
    return request.param, [(ranked.index, ranked.relevance_score) for ranked in results]


@pytest.fixture(scope="module")
def locked_url() -> Iterator[str]:
    """The root of an embedded engine that asks for a key."""
    with running(api_key="the-right-key") as url:
        yield url


@pytest.mark.parametrize("way", DOCUMENT_VECTORS)
def test_documents_have_the_same_vectors_to_the_last_bit(
    engine_url: str, way: str, document_vectors: np.ndarray
) -> None:
    vectors = DOCUMENT_VECTORS[way](TEXTS, model=EMBEDDER, base_url=engine_url)
    assert np.array_equal(np.asarray(vectors, dtype=np.float32), document_vectors)


@pytest.mark.parametrize("way", QUERY_VECTORS)
@pytest.mark.parametrize("query", [QUERY, ""])
def test_queries_have_the_same_vectors_to_the_last_bit(
    engine_url: str, local: JinaClient, way: str, query: str
) -> None:
    expected = local.embed([query], model=EMBEDDER, task="retrieval.query").vectors[0]
    vectors = QUERY_VECTORS[way](query, model=EMBEDDER, base_url=engine_url)
    assert np.array_equal(np.asarray(vectors, dtype=np.float32), expected)


@pytest.mark.parametrize("way", IMAGE_VECTORS)
def test_images_have_the_same_vectors_to_the_last_bit(
    engine_url: str, way: str, pictures: list[Path], image_vectors: tuple[dict[str, Any], np.ndarray]
) -> None:
    options, expected = image_vectors
    vectors = IMAGE_VECTORS[way](pictures, base_url=engine_url, **options)
    assert np.array_equal(np.asarray(vectors, dtype=np.float32), expected)


async def test_an_image_query_has_the_same_vector_to_the_last_bit(
    engine_url: str, local: JinaClient, pictures: list[Path]
) -> None:
    # Elsewhere a picture is always a document.
    image, model = {"image": pictures[0].read_bytes()}, "jina-embeddings-v4"
    expected = local.embed([image], model=model, task="retrieval.query").vectors[0]
    embeddings = JinaEmbeddings(model=model, base_url=engine_url)
    for vector in (embeddings.embed_image_query(pictures[0]), await embeddings.aembed_image_query(pictures[0])):
        assert np.array_equal(np.asarray(vector, dtype=np.float32), expected)
    await embeddings.aclose()


@pytest.mark.parametrize("way", CHUNK_VECTORS)
def test_chunks_of_a_document_have_the_same_vectors_to_the_last_bit(
    engine_url: str, local: JinaClient, way: str
) -> None:
    berlin, bread, empty = local.embed_chunked(
        [[text for document, text in CHUNKS if document == name] for name in ("berlin", "bread", "empty")],
        model=EMBEDDER,
    )
    expected = [berlin[0], bread[0], berlin[1], empty[0], bread[1], berlin[2]]
    vectors = CHUNK_VECTORS[way](CHUNKS, model=EMBEDDER, base_url=engine_url)
    assert np.array_equal(np.asarray(vectors, dtype=np.float32), np.stack(expected))
    alone = local.embed([CHUNKS[2][1]], model=EMBEDDER).vectors[0]
    assert not np.allclose(vectors[2], alone, atol=1e-3)


@pytest.mark.parametrize("way", RANKINGS)
def test_rerankers_return_the_same_order_and_scores(
    engine_url: str, way: str, expected_ranking: tuple[str, list[tuple[int, float]]]
) -> None:
    query, expected = expected_ranking
    assert RANKINGS[way](query, TEXTS, 3, model=RERANKER, base_url=engine_url) == expected


FRAMEWORKS = ("langchain", "llama-index", "haystack")


@pytest.mark.parametrize("mode", ["", "async "])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_empty_input_sends_no_request(server: Recorder, framework: str, mode: str) -> None:
    way, options = mode + framework, {"base_url": server.url}
    assert DOCUMENT_VECTORS[way]([], model=EMBEDDER, **options) == []
    assert IMAGE_VECTORS[way]([], model=CLIP, **options) == []
    assert CHUNK_VECTORS[way]([], model=EMBEDDER, **options) == []
    assert RANKINGS[way](QUERY, [], 3, model=RERANKER, **options) == []
    assert server.sent == []


# What is embedded or ranked, by what it is called, and the ways to it.
CALLS: dict[str, tuple[dict[str, Callable[..., Any]], Callable[[Path], tuple[Any, ...]], dict[str, Any]]] = {
    "documents": (DOCUMENT_VECTORS, lambda folder: (["a text"],), {"model": EMBEDDER}),
    "query": (QUERY_VECTORS, lambda folder: (QUERY,), {"model": EMBEDDER}),
    "pictures": (IMAGE_VECTORS, lambda folder: ([folder / "train.png"],), {"model": CLIP}),
    "chunks": (CHUNK_VECTORS, lambda folder: (CHUNKS,), {"model": EMBEDDER}),
    "ranking": (RANKINGS, lambda folder: (QUERY, SHORT_TEXTS, 3), {"model": RERANKER}),
}
EMBEDDING_CALLS = ("documents", "query", "pictures", "chunks")

# By what it is: for which calls, the options, the error, and what it says.
MISTAKES: dict[str, tuple[tuple[str, ...], dict[str, Any], type[JinaError], str]] = {
    "no key": (tuple(CALLS), {"base_url": None}, JinaInputError, "JINA_API_KEY"),
    "a task the model lacks": (EMBEDDING_CALLS, {"task": "translation"}, JinaInputError, "it has: retrieval.query"),
    "dimensions out of range": (EMBEDDING_CALLS, {"dimensions": 4096}, JinaInputError, "1 to 1024"),
    "no late chunking": (("chunks",), {"model": "jina-clip-v1"}, JinaInputError, "does not take late_chunking"),
    "a model of another kind": (
        ("documents", "query", "chunks"),
        {"model": "jina-reranker-v3"},
        JinaInputError,
        "is a (reranker: use the class|model for rerank)",
    ),
    "an embedding model to rank": (
        ("ranking",),
        {"model": EMBEDDER},
        JinaInputError,
        "is (an embedding model: use|a model for embed)",
    ),
    "an unknown model": (
        ("documents", "query", "ranking"),
        {"model": "jina-embeddings-v99"},
        BadRequestError,
        "Available models:",
    ),
    "an unknown argument": (("documents", "query", "chunks"), {"dimensoins": 64}, JinaArgumentError, "mean 'dimen"),
    "an unknown argument to rank": (("ranking",), {"truncatoin": True}, JinaArgumentError, "mean 'truncation'"),
    "a dialect that is none": (tuple(CALLS), {"dialect": "klingon"}, JinaInputError, "infinity"),
    "a base_url that is none": (tuple(CALLS), {"base_url": "localhost"}, JinaInputError, "base_url must be 'local' or"),
    "an option of another model": (
        ("ranking",),
        {"max_doc_length": 5},
        JinaInputError,
        "does not take max_doc_length; it takes",
    ),
    "pictures for a model of texts": (("pictures",), {"model": EMBEDDER}, JinaInputError, "takes text only|not known"),
}
CASES = [
    pytest.param(call, way, mistake, id=f"{mistake}: {call}, {way}")
    for mistake, (calls, *_) in MISTAKES.items()
    for call in calls
    for way in CALLS[call][0]
]


@pytest.mark.parametrize(("call", "way", "mistake"), CASES)
def test_the_same_mistake_raises_the_same_error(
    engine_url: str, tmp_path: Path, call: str, way: str, mistake: str
) -> None:
    ways, arguments, usual = CALLS[call]
    (tmp_path / "train.png").write_bytes(encoded("red"))
    _, options, kind, message = MISTAKES[mistake]
    with pytest.raises(kind, match=message):
        ways[way](*arguments(tmp_path), **{"base_url": engine_url, **usual, **options})


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_or_wrong_key_raises_the_same_error(locked_url: str, tmp_path: Path, call: str) -> None:
    ways, arguments, options = CALLS[call]
    (tmp_path / "train.png").write_bytes(written("Train"))
    for way in ways.values():
        assert way(*arguments(tmp_path), base_url=locked_url, api_key="the-right-key", **options)
        for key in ("the-wrong-key", None):
            wrong = {} if key is None else {"api_key": key}
            with pytest.raises(AuthenticationError) as caught:
                way(*arguments(tmp_path), base_url=locked_url, **wrong, **options)
            assert "the-wrong-key" not in f"{caught.value} {caught.value!r}"


WRONG: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "no texts": ("documents", (None,), "list"),
    "a text for a list": ("documents", ("a text",), "list"),
    "no text in a list": ("documents", (["a", None],), r"inputs\[1\] must be a string|has no text"),
    "what UTF-8 cannot carry": ("documents", (["a\ud800"],), "lone surrogate at character 1"),
    "no query": ("query", (None,), "string"),
    "a number": ("query", (7,), "string"),
    "a list for a query": ("query", (["a"],), "string"),
    "no query to rank by": ("ranking", (None, TEXTS, 3), "query"),
    "no places": ("ranking", (QUERY, TEXTS, 0), "1|> 0"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_invalid_input_is_rejected_before_sending(server: Recorder, wrong: str) -> None:
    call, arguments, message = WRONG[wrong]
    ways, _, options = CALLS[call]
    for way in ways.values():
        with pytest.raises(JinaInputError, match=message):
            way(*arguments, base_url=server.url, **options)
    assert server.sent == []


@pytest.mark.parametrize("way", IMAGE_VECTORS)
def test_a_file_that_is_not_an_image_is_rejected_before_sending(server: Recorder, tmp_path: Path, way: str) -> None:
    (tmp_path / "notes.png").write_text("a secret")
    for name, message in {
        "notes.png": "must be an image",
        "missing.png": "No such file|no file|does not exist",
    }.items():
        with pytest.raises(JinaInputError, match=message):
            IMAGE_VECTORS[way]([tmp_path / name], model=CLIP, base_url=server.url)
    assert server.sent == []


@pytest.mark.parametrize("way", IMAGE_VECTORS)
def test_the_engine_rejects_an_image_without_text_in_the_same_way(engine_url: str, tmp_path: Path, way: str) -> None:
    (tmp_path / "red.png").write_bytes(encoded("red"))
    with pytest.raises(BadRequestError, match="no text in this picture"):
        IMAGE_VECTORS[way]([tmp_path / "red.png"], model=CLIP, base_url=engine_url)


@pytest.mark.parametrize("call", CALLS)
def test_usage_is_the_same_everywhere(engine_url: str, tmp_path: Path, call: str) -> None:
    ways, arguments, options = CALLS[call]
    (tmp_path / "train.png").write_bytes(written("Train"))
    counts = {}
    for name, way in ways.items():
        client: Any = (AsyncJinaClient if name.startswith("async") else JinaClient)(base_url=engine_url)
        way(*arguments(tmp_path), client=client, **options)
        counts[name] = client.usage.total_tokens
    assert len(set(counts.values())) == 1, counts
    assert min(counts.values()) > 0


def test_haystack_reports_the_usage_of_the_client(engine_url: str) -> None:
    with JinaClient(base_url=engine_url) as client:
        client.embed(TEXTS, model=EMBEDDER)
        expected = client.usage.total_tokens
    embedder = JinaDocumentEmbedder(model=EMBEDDER, base_url=engine_url, progress_bar=False)
    assert embedder.run(haystack_documents(TEXTS))["meta"]["usage"]["total_tokens"] == expected


@pytest.mark.parametrize("dialect", ["vllm", "infinity", "tei"])
@pytest.mark.parametrize("way", DOCUMENT_VECTORS)
def test_every_framework_supports_every_dialect(server: Recorder, way: str, dialect: str) -> None:
    def answer(sent: Sent) -> Answer:
        rows = [vector_of(text).tolist() for text in texts_of(sent)]
        if sent.path == "/embed":
            return Answer(rows)
        data = [{"index": index, "embedding": row} for index, row in enumerate(rows)]
        return Answer({"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})

    def texts_of(sent: Sent) -> list[str]:
        return sent.body["inputs" if dialect == "tei" else "input"]  # type: ignore[no-any-return]

    server.answer = answer
    vectors = DOCUMENT_VECTORS[way](["one", "two"], model=EMBEDDER, base_url=server.url, dialect=dialect)
    assert [texts_of(sent) for sent in server.sent] == [[PASSAGE + "one", PASSAGE + "two"]]
    np.testing.assert_allclose(vectors, [vector_of(PASSAGE + text) for text in ("one", "two")], rtol=1e-6)


@pytest.mark.parametrize("way", RANKINGS)
def test_every_reranker_supports_a_dialect(server: Recorder, way: str) -> None:
    server.answer = lambda sent: Answer([{"index": 1, "score": 0.9}, {"index": 0, "score": -0.5}])
    results = RANKINGS[way](QUERY, ["one", "two"], 1, model=RERANKER, base_url=server.url, dialect="tei")
    assert results == [(1, 0.9)]
    assert [(sent.path, sent.body["texts"]) for sent in server.sent] == [("/rerank", ["one", "two"])]


OPTIONS: dict[str, Any] = {
    "base_url": "local",
    "timeout": 12.5,
    "max_retries": 1,
    "retry_timeout": 77.0,
    "max_concurrency": 3,
    "requests_per_minute": 90,
    "tokens_per_minute": 90_000,
    "dialect": "jina",
    "headers": {"X-Team": "search"},
    "key_header": "api-key",
    "ca_bundle": certifi.where(),
}


def test_the_options_of_the_connection_are_the_same_as_fields() -> None:
    fields = {name: field.annotation for name, field in ConnectedModel.model_fields.items()}
    assert {**get_type_hints(ConnectionOptions), "client": Any, "transport": Any} == fields


@pytest.mark.parametrize("kind", [JinaEmbeddings, LangChainRerank, JinaEmbedding, LlamaIndexRerank])
def test_every_option_of_the_client_reaches_it_through_pydantic_frameworks(kind: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "cache": str(tmp_path / "vectors")}
    assert set(options) == set(CONNECTION_OPTIONS)
    settings = kind(**options)._connection().client.settings
    assert {name: getattr(settings, name) for name in OPTIONS} == OPTIONS
    assert settings.cache.path == options["cache"]


@pytest.mark.parametrize("kind", [JinaTextEmbedder, JinaDocumentEmbedder, JinaRanker])
def test_every_option_of_the_client_reaches_it_through_haystack_and_is_saved(kind: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "cache": str(tmp_path / "vectors")}
    saved = kind(**options).to_dict()
    assert {name: saved["init_parameters"][name] for name in options} == options
    loaded = kind.from_dict(saved)
    settings = loaded._connection.open().client.settings
    assert {name: getattr(settings, name) for name in OPTIONS} == OPTIONS
    assert "timeout" not in kind().to_dict()["init_parameters"]


@pytest.mark.parametrize("way", QUERY_VECTORS)
def test_a_cached_text_is_not_sent_again(server: Recorder, way: str, tmp_path: Path) -> None:
    options = {"model": EMBEDDER, "base_url": server.url, "cache": str(tmp_path / "vectors")}
    first = DOCUMENT_VECTORS[way](["one", "two"], **options)
    assert DOCUMENT_VECTORS[way](["two", "one"], **options) == first[::-1]
    assert len(server.sent) == 1
    # A query is not a document.
    QUERY_VECTORS[way]("one", **options)
    assert len(server.sent) == 2
