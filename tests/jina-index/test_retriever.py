"""The framework-neutral retriever: adding, searching, errors before embedding, shared folders, and encoders."""

from __future__ import annotations

import asyncio
import base64
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import JinaInputError
from jina_client.integration import Connection
from jina_index import (
    BinaryIndex,
    Hit,
    IndexFileError,
    IndexFolder,
    IndexRetriever,
    LateInteractionEncoder,
    MultiVectorIndex,
    VectorEncoder,
    embedder_model,
    require_float_embedder,
)
from loopback import Answer, Recorder, Sent

TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]


class LetterEncoder:
    """Encode a text as the counts of its letters, and count the calls."""

    def __init__(self) -> None:
        self.calls = 0

    def encode_documents(self, documents: Sequence[str]) -> Sequence[Any]:
        return [self.encode_query(document) for document in documents]

    def encode_query(self, query: str) -> Any:
        self.calls += 1
        counts = np.array([query.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"], np.float32)
        return counts / np.linalg.norm(counts) - 0.1

    async def aencode_documents(self, documents: Sequence[str]) -> Sequence[Any]:
        return self.encode_documents(documents)

    async def aencode_query(self, query: str) -> Any:
        return self.encode_query(query)


def single(path: Path | None = None, **options: Any) -> IndexRetriever:
    return IndexRetriever(IndexFolder(BinaryIndex, path, **options), LetterEncoder())


def late(path: Path | None = None, **options: Any) -> IndexRetriever:
    encoder = LateInteractionEncoder(Connection(base_url="local"))
    return IndexRetriever(IndexFolder(MultiVectorIndex, path, **options), encoder)


BOTH = pytest.mark.parametrize("make", [single, late])


def ids_of(hits: Sequence[Hit]) -> list[Any]:
    return [hit.id for hit in hits]


@BOTH
def test_documents_come_back_with_id_payload_and_score(make: Callable[..., IndexRetriever]) -> None:
    retriever = make()
    retriever.add(["a", "b", 3], TEXTS, [{"text": text} for text in TEXTS])
    best, second = retriever.search(TEXTS[2], 2)
    assert (best.id, best.payload) == (3, {"text": TEXTS[2]})
    assert best.score > second.score
    assert len(retriever) == 3
    retriever.close()


@BOTH
def test_the_asynchronous_methods_give_the_same_hits(make: Callable[..., IndexRetriever]) -> None:
    async def search() -> list[Hit]:
        retriever = make()
        await retriever.aadd([0, 1, 2], TEXTS, TEXTS)
        return await retriever.asearch(TEXTS[1], 3)

    retriever = make()
    retriever.add([0, 1, 2], TEXTS, TEXTS)
    hits = retriever.search(TEXTS[1], 3)
    other = asyncio.run(search())
    assert ids_of(other) == ids_of(hits)
    assert [hit.score for hit in other] == pytest.approx([hit.score for hit in hits], abs=1e-5)


@BOTH
def test_a_search_before_the_first_document_returns_nothing(make: Callable[..., IndexRetriever]) -> None:
    retriever = make()
    assert retriever.search("cat", 3) == []
    assert len(retriever) == 0
    assert retriever.remove(["a"]) == 0
    with pytest.raises(JinaInputError, match="nothing was added yet"):
        retriever.save("anywhere")
    with pytest.raises(JinaInputError, match="nothing was added yet"):
        retriever.folder.open()


@BOTH
def test_documents_are_replaced_removed_and_saved(make: Callable[..., IndexRetriever], tmp_path: Path) -> None:
    retriever = make(tmp_path / "index")
    retriever.add(["a", "b", "c"], TEXTS, TEXTS)
    retriever.add(["a"], ["Zebras graze."], ["changed"])
    assert retriever.remove(["b", "unknown"]) == 1
    assert retriever.search("Zebras graze.", 1)[0].payload == "changed"
    retriever.save(tmp_path / "copy")
    retriever.close()
    for name in ("index", "copy"):
        again = make(tmp_path / name)
        assert len(again) == 2
        assert ids_of(again.search(TEXTS[2], 1)) == ["c"]
        again.close()


def test_a_clustered_index_is_searched_by_cells() -> None:
    retriever = single()
    with pytest.raises(JinaInputError, match="nothing was added yet"):
        retriever.cluster()
    retriever.add([0, 1, 2], TEXTS, TEXTS)
    retriever.cluster(3)
    assert ids_of(retriever.search(TEXTS[1], 1, 1, 1)) == [1]
    assert ids_of(asyncio.run(retriever.asearch(TEXTS[1], 1, 1, nprobe=1))) == [1]
    with pytest.raises(JinaInputError, match="nlist must be at most the number of vectors, 3, got 4"):
        retriever.cluster(4)
    with pytest.raises(JinaInputError, match="nprobe must be a whole number"):
        retriever.search(TEXTS[1], 1, nprobe=0)


def test_a_read_only_index_embeds_nothing_for_documents(tmp_path: Path) -> None:
    retriever = single(tmp_path)
    retriever.add([0], TEXTS[:1], TEXTS[:1])
    retriever.close()
    reader = single(tmp_path, read_only=True)
    assert isinstance(reader.encoder, LetterEncoder)
    for change in (
        lambda: reader.add([1], TEXTS[1:2], TEXTS[1:2]),
        lambda: asyncio.run(reader.aadd([1], TEXTS[1:2], TEXTS[1:2])),
        lambda: reader.remove([0]),
        lambda: reader.cluster(),
    ):
        with pytest.raises(JinaInputError, match="read-only"):
            change()
    assert reader.encoder.calls == 0
    assert ids_of(reader.search(TEXTS[0], 1)) == [0]


@pytest.mark.parametrize(
    ("ids", "payloads", "message"),
    [
        ([0, 0], [None, None], "ids holds 0 twice"),
        ([0, 1], [None, {"score": np.float32(1)}], r"payloads\[1\] is not a JSON value"),
        ([0, 1], [None, {"score": [1, {"a": float("nan")}]}], r"payloads\[1\] holds a NaN or an infinity"),
        ([0, 1], [{"a": None}, float("inf")], r"payloads\[1\] holds a NaN or an infinity"),
        ([0, 1], [None, {1: "a"}], r"payloads\[1\] is not a JSON value"),
        ([0], [None], "1 ids, 2 documents and 1 payloads"),
    ],
)
def test_items_that_cannot_be_stored_are_not_embedded(ids: Any, payloads: Any, message: str) -> None:
    retriever = single()
    assert isinstance(retriever.encoder, LetterEncoder)
    with pytest.raises(JinaInputError, match=message):
        retriever.add(ids, TEXTS[:2], payloads)
    with pytest.raises(JinaInputError, match=message):
        asyncio.run(retriever.aadd(ids, TEXTS[:2], payloads))
    assert retriever.encoder.calls == 0


def test_retrievers_of_one_folder_share_the_index(tmp_path: Path) -> None:
    writer, reader = single(tmp_path / "index"), single(tmp_path / "other" / ".." / "index")
    (tmp_path / "other").mkdir()
    writer.add([0], TEXTS[:1], TEXTS[:1])
    assert len(reader) == 1
    assert reader.folder.open() is writer.folder.open()
    writer.close()
    assert ids_of(reader.search(TEXTS[0], 1)) == [0]
    reader.close()


def test_an_index_of_another_model_or_kind_raises(tmp_path: Path) -> None:
    retriever = single(tmp_path, model="one")
    retriever.add([0], TEXTS[:1], TEXTS[:1])
    with pytest.raises(JinaInputError, match="holds vectors of one, and these are of another"):
        single(tmp_path, model="another").search("cat", 1)
    with pytest.raises(JinaInputError, match="is a BinaryIndex, not a MultiVectorIndex"):
        IndexFolder(MultiVectorIndex, tmp_path).open()
    retriever.close()
    with pytest.raises(IndexFileError, match="an index of vectors, MultiVectorIndex has multi-vectors"):
        IndexFolder(MultiVectorIndex, tmp_path).open()
    assert len(single(tmp_path)) == 1  # no model named: any matches


def test_binary_vectors_raise() -> None:
    class Embedder:
        model = "unknown"
        embedding_type = "ubinary"

    with pytest.raises(JinaInputError, match="needs floats, got embedding_type='ubinary'"):
        require_float_embedder(Embedder())
    folder = IndexFolder(BinaryIndex)
    with pytest.raises(JinaInputError, match="needs floats, got a vector of zeros and ones"):
        folder.add([0], [[0.0, 1.0, 1.0]], [None])
    with pytest.raises(JinaInputError, match="needs floats, got a vector of zeros and ones"):
        folder.search([0.0, 1.0, 1.0], 1)


@pytest.mark.parametrize(
    ("attributes", "model"),
    [({"model_name": "a", "model": "b"}, "a"), ({"model": "b"}, "b"), ({"model": 3}, ""), ({"model": "unknown"}, "")],
)
def test_the_model_is_read_from_the_embedders_attribute(attributes: dict[str, Any], model: str) -> None:
    assert embedder_model(type("Embedder", (), attributes)()) == model


def test_a_folder_with_a_path_can_be_pickled(tmp_path: Path) -> None:
    retriever = single(tmp_path)
    retriever.add([0], TEXTS[:1], TEXTS[:1])
    assert len(pickle.loads(pickle.dumps(retriever.folder))) == 1
    with pytest.raises(JinaInputError, match="temporary folder cannot be pickled"):
        pickle.dumps(IndexFolder(BinaryIndex))


def test_an_option_of_the_other_retriever_raises() -> None:
    with pytest.raises(JinaInputError, match="first_stage= is an option of MultiVectorIndex"):
        IndexFolder(BinaryIndex, first_stage="bits")
    retriever = late()
    retriever.add([0], TEXTS[:1], TEXTS[:1])
    with pytest.raises(JinaInputError, match="has no cells"):
        retriever.search("cat", 1, nprobe=1)


def test_the_late_interaction_encoder_names_the_role_of_each_input(server: Recorder) -> None:
    async def ask(encoder: VectorEncoder) -> None:
        await encoder.aencode_documents(["c"])
        await encoder.aencode_query("d")

    def token_vectors(sent: Sent) -> Answer:
        vectors = [base64.b64encode(np.ones(64, "<f4").tobytes()).decode()] * 2
        data = [
            {"object": "embeddings", "index": index, "embeddings": vectors} for index in range(len(sent.body["input"]))
        ]
        usage = {"total_tokens": 2, "prompt_tokens": 2}
        return Answer({"model": sent.body["model"], "object": "list", "usage": usage, "data": data})

    server.answer = token_vectors
    connection = Connection(base_url=server.url, api_key="test-key-0123456789", max_retries=0)
    encoder = LateInteractionEncoder(connection, dimensions=64)
    assert not server.sent
    for call in (
        lambda: encoder.encode_documents(["a"]),
        lambda: encoder.encode_query("b"),
        lambda: asyncio.run(ask(encoder)),
    ):
        call()
    bodies = [sent.body for sent in server.sent]
    assert [body["input_type"] for body in bodies] == ["document", "query", "document", "query"]
    assert {body["model"] for body in bodies} == {"jina-colbert-v2"}
    assert {body["dimensions"] for body in bodies} == {64}
    assert len(encoder.encode_documents([])) == 0
    connection.close()
