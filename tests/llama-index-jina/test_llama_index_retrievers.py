"""LlamaIndex's retrievers on the index, with the embedded engine."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import AsyncJinaClient, JinaArgumentError, JinaClient, JinaInputError
from llama_index.core import Document, MockEmbedding
from llama_index.core.schema import ImageNode, NodeRelationship, QueryBundle, RelatedNodeInfo, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.retrievers.jinaai import JinaLateInteractionRetriever, JinaRetriever
from pictures import written

TEXTS = ["The cat sleeps on the sofa.", "Stocks fell sharply today.", "Bread needs flour, water and salt."]
NODES = [TextNode(text=text, id_=str(number), metadata={"page": number}) for number, text in enumerate(TEXTS)]
EMBEDDING = JinaEmbedding(model="jina-embeddings-v3", base_url="local")


def dense(**options: Any) -> JinaRetriever:
    return JinaRetriever(EMBEDDING, **options)


def late(**options: Any) -> JinaLateInteractionRetriever:
    return JinaLateInteractionRetriever(base_url="local", **options)


BOTH = pytest.mark.parametrize("make", [dense, late])


@BOTH
def test_results_are_whole_nodes_with_scores(make: Any) -> None:
    retriever = make()
    node = TextNode(text=TEXTS[2], id_="2", relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="book")})
    assert retriever.add_nodes([*NODES[:2], node]) == ["0", "1", "2"]
    best, second = retriever.retrieve("What do I need for baking?")
    assert best.node == node
    assert best.node.ref_doc_id == "book"
    assert best.score > second.score
    assert node.embedding is None


@BOTH
def test_async_retrieval_returns_the_same(make: Any) -> None:
    async def ask() -> Any:
        retriever = make(similarity_top_k=1)
        await retriever.aadd_nodes(NODES)
        return await retriever.aretrieve("What does the cat do?")

    assert [result.node_id for result in asyncio.run(ask())] == ["0"]


@BOTH
def test_a_transformed_query_is_searched_by_its_string_for_embedding(make: Any) -> None:
    retriever = make(similarity_top_k=1)
    retriever.add_nodes(NODES)
    (result,) = retriever.retrieve(QueryBundle(TEXTS[0], custom_embedding_strs=[TEXTS[1]]))
    assert result.node_id == "1"


def test_a_late_interaction_query_is_one_text() -> None:
    retriever = late(similarity_top_k=1)
    retriever.add_nodes(NODES)
    with pytest.raises(JinaInputError, match="is one text, got 2 custom_embedding_strs"):
        retriever.retrieve(QueryBundle("a", custom_embedding_strs=["a", "b"]))
    with pytest.raises(JinaInputError, match="cannot use an embedding"):
        retriever.retrieve(QueryBundle("", embedding=[1.0]))
    # VectorIndexRetriever leaves the embedding in a query that other retrievers get next.
    assert retriever.retrieve(QueryBundle(TEXTS[0], embedding=[1.0]))[0].node_id == "0"


def test_the_embedding_of_a_query_may_be_an_array() -> None:
    retriever = dense(similarity_top_k=1)
    retriever.add_nodes(NODES)
    query = QueryBundle(TEXTS[0], embedding=np.array(EMBEDDING.get_query_embedding(TEXTS[1])))  # type: ignore[arg-type]
    assert retriever.retrieve(query)[0].node_id == "1"
    assert asyncio.run(retriever.aretrieve(query))[0].node_id == "1"


@BOTH
def test_a_persisted_retriever_can_be_loaded(make: Any, tmp_path: Path) -> None:
    retriever = make(path=tmp_path / "index")
    retriever.add_nodes(NODES)
    assert retriever.delete_nodes(["1", "9"]) == 1
    retriever.persist(tmp_path / "copy")
    retriever.close()
    arguments = (EMBEDDING,) if make is dense else ()
    options = {} if make is dense else {"base_url": "local"}
    for folder in ("index", "copy"):
        again = type(retriever).from_persist_dir(tmp_path / folder, *arguments, **options)
        assert len(again) == 2
        assert again.retrieve("baking")[0].node_id == "2"


def test_a_retriever_can_be_created_from_nodes_or_documents() -> None:
    documents = [Document(text=text, id_=f"source {number}") for number, text in enumerate(TEXTS)]
    retriever = JinaRetriever.from_documents(documents, EMBEDDING, similarity_top_k=1)
    assert retriever.retrieve("baking")[0].node.ref_doc_id == "source 2"
    late_retriever = asyncio.run(JinaLateInteractionRetriever.afrom_nodes(NODES, base_url="local"))
    assert late_retriever.retrieve("baking")[0].node_id == "2"


def test_chunks_of_a_document_are_embedded_together_if_supported() -> None:
    embedding = JinaEmbedding(model="jina-embeddings-v3", base_url="local", late_chunking=True)
    source = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id="source")}
    nodes = [TextNode(text=text, relationships=source) for text in ("Berlin is a city.", "It has a wall.")]
    (result,) = JinaRetriever.from_nodes(nodes, embedding, similarity_top_k=1).retrieve("What does Berlin have?")
    (alone,) = JinaRetriever.from_nodes([result.node], EMBEDDING).retrieve("What does Berlin have?")
    assert result.score != pytest.approx(alone.score, abs=1e-3)


@BOTH
def test_invalid_arguments_are_rejected(make: Any) -> None:
    with pytest.raises(JinaArgumentError, match="did you mean 'similarity_top_k'"):
        make(similarity_topk=3)
    with pytest.raises(JinaInputError, match="nothing to save"):
        make().persist("anywhere")
    with pytest.raises(JinaInputError, match="nodes\\[0\\] must be a node"):
        make().add_nodes(["a text"])
    assert make().retrieve("a question to nothing") == []


def test_the_embedding_model_of_an_index_cannot_change() -> None:
    retriever = dense()
    assert retriever.embed_model is EMBEDDING
    with pytest.raises(AttributeError, match="embed_model"):
        retriever.embed_model = MockEmbedding(8)  # type: ignore[misc]


def test_a_clustered_index_searches_nprobe_cells() -> None:
    retriever = dense(similarity_top_k=2, oversampling=1, nprobe=1)
    with pytest.raises(JinaInputError, match="nothing was added yet"):
        retriever.cluster()
    retriever.add_nodes(NODES)
    retriever.cluster(3)
    assert retriever.retrieve("baking")[0].node_id == "2"
    assert len(asyncio.run(retriever.aretrieve("baking"))) == 2
    with pytest.raises(JinaInputError, match="at most the number of vectors, 3"):
        retriever.cluster(4)
    with pytest.raises(JinaInputError, match="nprobe must be a whole number"):
        JinaRetriever.from_nodes(NODES, EMBEDDING, nprobe=0).retrieve("baking")


@BOTH
def test_a_read_only_retriever_changes_nothing(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = make(path=tmp_path / "index")
    retriever.add_nodes(NODES)
    retriever.close()
    reader = make(path=tmp_path / "index", read_only=True)
    with pytest.raises(JinaInputError, match="read-only"):
        reader.delete_nodes(["0"])
    assert len(reader) == 3
    for method in ("embed", "embed_multi_vector"):
        monkeypatch.setattr(JinaClient, method, None)
        monkeypatch.setattr(AsyncJinaClient, method, None)
    with pytest.raises(JinaInputError, match="read-only"):
        reader.add_nodes(NODES)
    with pytest.raises(JinaInputError, match="read-only"):
        asyncio.run(reader.aadd_nodes(NODES))


@pytest.mark.parametrize("option", ["encoding_documents", "encoding_queries"])
def test_binary_vectors_are_rejected_before_embedding(option: str) -> None:
    bits = JinaEmbedding(model="jina-embeddings-v3", base_url="http://127.0.0.1:9", **{option: "ubinary"})
    with pytest.raises(JinaInputError, match=f"needs floats, got {option}='ubinary'"):
        JinaRetriever(bits)


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize("kind", [JinaRetriever, JinaLateInteractionRetriever])
def test_images_can_be_documents_and_queries(tmp_path: Path, kind: Any, use_async: bool) -> None:
    path = tmp_path / "train.png"
    path.write_bytes(written("Departures: Berlin 10:42"))
    nodes = [*NODES, ImageNode(id_="train", image_path=str(path))]
    options: Any = (
        {"embed_model": JinaEmbedding("jina-clip-v2", base_url="local")}
        if kind is JinaRetriever
        else {"model": "jina-embeddings-v4", "base_url": "local"}
    )

    async def asked(query: Any) -> Any:
        retriever = await kind.afrom_nodes(nodes, similarity_top_k=1, **options)
        return await retriever.aretrieve(query)

    def found(query: Any) -> str:
        if use_async:
            return str(asyncio.run(asked(query))[0].node_id)
        return str(kind.from_nodes(nodes, similarity_top_k=1, **options).retrieve(query)[0].node_id)

    assert found("When does the train to Berlin depart?") == "train"
    assert found(QueryBundle(query_str="", image_path=str(path))) == "train"


def test_nodes_that_cannot_be_embedded_are_rejected() -> None:
    picture = ImageNode(id_="picture", image_path="picture.png")
    with pytest.raises(JinaInputError, match="node picture has an image and no text, and jina-colbert-v2 is not kn"):
        late().add_nodes([picture])
    with pytest.raises(JinaInputError, match="the query is empty"):
        dense().retrieve("")
    with pytest.raises(JinaInputError, match="the query is an image, and MockEmbedding embeds texts only"):
        JinaRetriever(MockEmbedding(8)).retrieve(QueryBundle(query_str="", image_path="picture.png"))
