"""One table of calls, and what each service makes of them.

Each call checks its own result by comparing calls with each other, so that it holds for a stand-in and for a real
server with random weights. A row of the table is a row of the documentation, in docs/deployment.md.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jina_client.quantization import quantize, truncate
from PIL import Image

SERVICES = ("jina", "on-prem", "vllm", "infinity", "tei", "sagemaker", "litellm")
SERVICE = "by the service: "
TEXTS = ["Berlin is the capital of Germany", "a park in summer", "rivers"]
LONG = "long " * 9000
YES, CLIENT, WARNS = "yes", "by the client", "a warning of the client"


@dataclass(frozen=True)
class Row:
    """One kind of call.

    Attributes:
        name: the row's name in the documentation.
        call: makes the call with a client, and checks the result.
        services: for each service ``YES``, ``CLIENT`` (it works because the client does it), ``WARNS``, or the words of
            the error. That of the client comes before anything is sent; that of the service begins with ``SERVICE``.
    """

    name: str
    call: Callable[[Any], None]
    services: Mapping[str, str]


def _png() -> bytes:
    with io.BytesIO() as buffer:
        Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
        return buffer.getvalue()


PNG = _png()
WAV = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0" + bytes(64)
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF"


def _close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, atol=2e-6)


def _lengths(vectors: Any) -> Any:
    return np.linalg.norm(vectors, axis=1)


def floats(client: Any) -> None:
    vectors = client.embed(TEXTS).vectors
    assert vectors.shape == (3, 1024)
    _close(_lengths(vectors), 1)
    # One request for each gives the same, in the same order.
    _close(client.embed(TEXTS, batch_size=1).vectors, vectors)
    assert len(np.unique(vectors, axis=0)) == 3


def tasks(client: Any) -> None:
    query = client.embed(TEXTS[:1], task="retrieval.query").vectors
    assert not np.allclose(query, client.embed(TEXTS[:1], task="retrieval.passage").vectors, atol=1e-3)


def dimensions(client: Any) -> None:
    full, cut = client.embed(TEXTS).vectors, client.embed(TEXTS, dimensions=64).vectors
    _close(_lengths(cut), 1)
    _close(cut, truncate(full, 64))


def bits(client: Any) -> None:
    full = client.embed(TEXTS).vectors
    for kind in ("binary", "ubinary"):
        assert np.array_equal(client.embed(TEXTS, embedding_type=kind).vectors, quantize(full, kind))


def raw_vectors(client: Any) -> None:
    vectors = client.embed(TEXTS, normalized=False).vectors
    _close(truncate(vectors, 1024), client.embed(TEXTS).vectors)


def late_chunking(client: Any) -> None:
    together = client.embed(TEXTS, late_chunking=True).vectors
    assert together.shape == (3, 1024)
    assert not np.allclose(together, client.embed(TEXTS).vectors, atol=1e-3)


def cut_texts(client: Any) -> None:
    assert client.embed([LONG, "a"], truncate=True).vectors.shape == (2, 1024)


def long_texts(client: Any) -> None:
    assert client.embed([LONG, "a"]).vectors.shape == (2, 1024)


def many_inputs(client: Any) -> None:
    texts = [f"text {number}" for number in range(200)]
    vectors = client.embed(texts).vectors
    assert vectors.shape == (200, 1024)
    _close(vectors[150], client.embed(texts[150:151]).vectors[0])


def images(client: Any) -> None:
    inputs = ["a text", PNG, {"image": base64.b64encode(PNG).decode()}]
    vectors = client.embed(inputs, model="jina-clip-v2").vectors
    assert vectors.shape == (3, 1024)
    _close(_lengths(vectors), 1)
    _close(vectors[1], vectors[2])
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)


def recordings(client: Any) -> None:
    assert client.embed([{"audio": WAV}], model="jina-embeddings-v5-omni-small").vectors.shape == (1, 1024)


def pdfs(client: Any) -> None:
    assert len(client.embed([{"pdf": PDF}], model="jina-embeddings-v4").vectors) == 2


def groups(client: Any) -> None:
    group = {"content": ["a caption", {"image": PNG}]}
    vectors = client.embed([group, {"content": ["a caption"]}], model="jina-embeddings-v5-omni-small").vectors
    assert vectors.shape == (2, 1024)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)


def multi_vectors_v4(client: Any) -> None:
    vectors = client.embed_multi_vector(TEXTS, model="jina-embeddings-v4")
    assert [rows.shape[1] for rows in vectors] == [128] * 3


def multi_vectors_colbert(client: Any) -> None:
    vectors = client.embed_multi_vector(TEXTS, input_type="query")
    assert [rows.shape[1] for rows in vectors] == [128] * 3


def sparse(client: Any) -> None:
    client.embed_sparse(TEXTS)


def ranking(client: Any) -> None:
    full = client.rerank("Germany", TEXTS)
    assert sorted(each.index for each in full.results) == [0, 1, 2]
    relevance = [each.relevance_score for each in full.results]
    assert relevance == sorted(relevance, reverse=True)
    assert [each.document for each in full.results] == [TEXTS[each.index] for each in full.results]
    for top_n in (1, 2, 9):
        best = client.rerank("Germany", TEXTS, top_n=top_n).results
        assert [each.index for each in best] == [each.index for each in full.results[:top_n]]


def image_ranking(client: Any) -> None:
    results = client.rerank("a picture", ["a", {"image": PNG}], model="jina-reranker-m0")
    assert {each.index for each in results.results} == {0, 1}


def document_length(client: Any) -> None:
    assert len(client.rerank("Germany", TEXTS, model="jina-reranker-v3", max_doc_length=64).results) == 3


def classes(client: Any) -> None:
    client.classify(TEXTS, ["city", "nature"])


def segments(client: Any) -> None:
    client.segment("a")


def listing(client: Any) -> None:
    assert any("jina-embeddings-v3" in model.id for model in client.models.list())


def jobs(client: Any) -> None:
    client.batches.create(["a"])


def _row(name: str, call: Callable[[Any], None], *cells: str) -> Row:
    return Row(name, call, dict(zip(SERVICES, cells, strict=True)))


def _text_only(kind: str) -> str:
    return f"does not support inputs.*of kind {kind}: embeddings accepts"


_NO_ENDPOINT = r"does not support {}: it offers"
_NO = {name: _NO_ENDPOINT.format(name) for name in ("classify", "segment", "batch", "models", "multi-vector")}
_MULTI = "does not support return_multivector=True"
_COLBERT = "does not support input_type='query'"
_SPARSE = "does not support elser-v2: it has no sparse"
_LATE = "does not support late_chunking=True"
_NOT_FOUND = f"{SERVICE}Not Found"
_LONG = f"{SERVICE}input 0: Input text exceeds the model's maximum"

TABLE = (
    _row("texts as float vectors", floats, *[YES] * 7),
    _row("`task`", tasks, YES, YES, CLIENT, CLIENT, CLIENT, YES, YES),
    _row("`dimensions`", dimensions, YES, YES, YES, CLIENT, YES, YES, YES),
    _row("`binary`, `ubinary`", bits, YES, YES, CLIENT, CLIENT, CLIENT, CLIENT, YES),
    _row("`normalized=False`", raw_vectors, YES, YES, "does not support normalized=False",
         "always returns vectors of length 1", YES, "does not accept normalized=False", YES),
    _row("`late_chunking`", late_chunking, YES, YES, _LATE, _LATE, _LATE, YES, YES),
    _row("`truncate=True`", cut_texts, YES, YES, YES, YES, YES, "does not accept truncate=True", YES),
    _row("long texts without `truncate`", long_texts, _LONG, _LONG, _LONG, WARNS, _LONG, _LONG, _LONG),
    _row("200 texts in one call", many_inputs, YES, YES, YES, YES, CLIENT, YES, YES),
    _row("images", images, YES, YES, _text_only("image"), YES, _text_only("image"), YES, YES),
    _row("audio", recordings, YES, YES, _text_only("audio"), YES, _text_only("audio"), YES, YES),
    _row("PDFs", pdfs, YES, _text_only("pdf"), _text_only("pdf"), _text_only("pdf"), _text_only("pdf"), YES,
         f"{SERVICE}A PDF must be the only input"),
    _row("fused groups", groups, YES, YES, _text_only("content"), _text_only("content"), _text_only("content"), YES,
         YES),
    _row("multi-vectors of v4", multi_vectors_v4, YES, YES, _MULTI, _MULTI, _MULTI, YES, YES),
    _row("multi-vectors of ColBERT", multi_vectors_colbert, YES, _COLBERT, _COLBERT, _COLBERT, _COLBERT, YES, YES),
    _row("`rerank`, `top_n`", ranking, YES, YES, YES, YES, YES, YES, YES),
    _row("`rerank` of images", image_ranking, YES, "rerank accepts text only", "rerank accepts text only",
         "rerank accepts text only", "rerank accepts text only", YES, YES),
    _row("`max_doc_length`", document_length, YES, YES, *["does not support max_doc_length=64"] * 4, YES),
    _row("`embed_sparse`", sparse, YES, *[_SPARSE] * 5, YES),
    _row("`classify`", classes, YES, *[_NO["classify"]] * 5, _NOT_FOUND),
    _row("`segment`", segments, YES, *[_NO["segment"]] * 5, _NOT_FOUND),
    _row("`batches`", jobs, YES, *[_NO["batch"]] * 5, _NOT_FOUND),
    _row("`models`", listing, YES, _NO["models"], YES, YES, _NO["models"], _NO["models"], YES),
)  # fmt: skip
