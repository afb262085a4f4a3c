"""A program written for llama-index-embeddings-jinaai 0.7.0 or -postprocessor-jinaai-rerank 0.6.0 runs unchanged."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from jina_client import JinaArgumentError
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.jinaai import JinaEmbedding, base
from llama_index.embeddings.jinaai.base import JinaEmbedding as FromBase
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.jinaai_rerank import base as rerank_base
from llama_index.postprocessor.jinaai_rerank.base import JinaRerank as RerankFromBase
from loopback import Recorder

HOST = "https://api.jina.ai/v1"

# Name and default, in order. ``embed_batch_size`` is 10 there, and the size of a request; see the migration guide.
EMBEDDING: dict[str, Any] = {
    "model": "jina-embeddings-v3",
    "embed_batch_size": 512,
    "api_key": None,
    "callback_manager": None,
    "encoding_queries": None,
    "encoding_documents": None,
    "task": None,
    "dimensions": None,
    "late_chunking": None,
}
# ``base_url`` is the hosted service's address there; here ``None`` stands for it, or for JINA_BASE_URL.
RERANK: dict[str, Any] = {"top_n": 2, "model": "jina-reranker-v1-base-en", "base_url": None, "api_key": None}


@pytest.mark.parametrize(("kind", "expected"), [(JinaEmbedding, EMBEDDING), (JinaRerank, RERANK)])
def test_arguments_keep_their_positions_and_defaults(kind: type, expected: dict[str, Any]) -> None:
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]
    positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert {each.name: each.default for each in positional} == expected
    assert [each.name for each in positional] == list(expected)


def test_classes_keep_their_names_and_bases() -> None:
    assert FromBase is JinaEmbedding
    assert RerankFromBase is JinaRerank
    assert issubclass(JinaEmbedding, MultiModalEmbedding)
    assert issubclass(JinaRerank, BaseNodePostprocessor)
    assert (JinaEmbedding.class_name(), JinaRerank.class_name()) == ("JinaAIEmbedding", "JinaRerank")


def test_saved_forms_of_the_old_embedding_can_be_loaded() -> None:
    saved = {
        "model_name": "unknown",
        "embed_batch_size": 10,
        "num_workers": None,
        "embeddings_cache": None,
        "api_key": "jina_old",
        "model": "jina-embeddings-v2-base-en",
        "class_name": "JinaAIEmbedding",
    }
    embedding = JinaEmbedding.from_dict(saved)
    assert (embedding.model, embedding.model_name, embedding.embed_batch_size) == (saved["model"], saved["model"], 10)
    assert embedding.api_key is not None
    assert embedding.api_key.get_secret_value() == "jina_old"


def test_saved_forms_of_the_old_reranker_can_be_loaded(server: Recorder) -> None:
    saved = {
        "api_url": f"{server.url}/rerank",
        "api_key": "jina_old",
        "model": "jina-reranker-v1-base-en",
        "top_n": 1,
        "class_name": "JinaRerank",
    }
    reranker = JinaRerank.from_dict(saved)
    results = reranker.postprocess_nodes(
        [NodeWithScore(node=TextNode(text=text)) for text in ("a", "bb")], query_str="q"
    )
    assert [node.text for node in results] == ["bb"]
    assert server.sent[0].path == "/v1/rerank"
    assert server.sent[0].headers["authorization"] == "Bearer jina_old"


def test_output_types_are_unchanged(server: Recorder) -> None:
    embedding = JinaEmbedding(
        base_url=server.url, encoding_queries="binary", encoding_documents="float", dimensions=64, callback_manager=None
    )
    query, text = embedding.get_query_embedding("a"), embedding.get_text_embedding("a")
    assert {type(number) for number in query} <= {int, float}
    assert set(query) == {0, 1}
    assert {type(number) for number in text} == {float}
    assert math.isclose(embedding.similarity(text, text), 1, abs_tol=1e-6)
    nodes = [NodeWithScore(node=TextNode(text="a"), score=0.5)]
    results = JinaRerank(base_url=server.url, callback_manager=None).postprocess_nodes(nodes, query_str="q")
    assert results[0].node is nodes[0].node
    assert (results[0].score, nodes[0].score) == (0.001, 0.5)


def test_queries_and_documents_may_have_different_encodings(server: Recorder) -> None:
    """A vector of bits and one of floats of the same text agree in their signs."""
    embedding = JinaEmbedding(base_url=server.url, encoding_queries="float", encoding_documents="ubinary")
    floats, bits = embedding.get_query_embedding("a"), embedding.get_text_embedding("a")
    assert [number > 0 for number in floats] == [bit == 1 for bit in bits]


def test_bad_values_are_rejected_when_constructing() -> None:
    with pytest.raises(ValueError, match="encoding_queries"):
        JinaEmbedding(encoding_queries="int4")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="query"):
        JinaRerank(base_url="local").postprocess_nodes([])


def test_the_old_names_of_the_address_work(server: Recorder) -> None:
    embedding, reranker = JinaEmbedding(), JinaRerank()
    assert embedding._api.api_url == f"{base.DEFAULT_JINA_AI_API_URL}/embeddings" == f"{HOST}/embeddings"
    assert reranker.api_url == f"{rerank_base.DEFAULT_JINA_AI_API_URL}/rerank" == f"{HOST}/rerank"
    embedding._api.api_url = f"{server.url}/embeddings"
    reranker.api_url = f"{server.url}/rerank"
    embedding.get_text_embedding("a")
    reranker.postprocess_nodes([NodeWithScore(node=TextNode(text="a"))], query_str="q")
    assert [sent.path for sent in server.sent] == ["/v1/embeddings", "/v1/rerank"]
    assert embedding._api.model == embedding.model
    assert "api_url" not in reranker.to_dict()


def test_two_different_addresses_are_rejected() -> None:
    with pytest.raises(JinaArgumentError, match="are different addresses; pass only base_url="):
        JinaRerank(base_url="local", api_url=f"{HOST}/rerank")
    assert JinaRerank(base_url=HOST, api_url=f"{HOST}/rerank").base_url == HOST


def test_removed_names_of_the_api_name_their_replacement() -> None:
    api = JinaEmbedding()._api
    with pytest.raises(AttributeError, match="get_text_embedding_batch of the JinaEmbedding"):
        api.get_embeddings(["a"])
    with pytest.raises(AttributeError, match="pass client="):
        api._session.headers.update({})
    with pytest.raises(AttributeError, match="set base_url="):
        api.nothing = 1


@pytest.mark.parametrize("kind", [JinaEmbedding, JinaRerank])
def test_private_attributes_of_the_old_classes_name_their_replacement(kind: Any) -> None:
    component = kind(base_url="local")
    with pytest.raises(AttributeError, match=r"no attribute _session: .* pass client="):
        component._session.headers.update({})
    with pytest.raises(AttributeError, match=r"no attribute _session: .* pass client="):
        component._session = object()
    with pytest.raises(AttributeError, match="no attribute _api: set base_url="):
        component._api = object()


def test_a_subclass_may_keep_a_session_of_its_own() -> None:
    class Own(JinaRerank):
        def _postprocess_nodes(self, nodes: Any, query_bundle: Any = None) -> Any:
            return self._session

    own: Any = Own(base_url="local")
    own._session = "its own"
    assert own.postprocess_nodes([]) == "its own"
