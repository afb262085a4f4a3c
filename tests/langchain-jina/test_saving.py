"""The form in which LangChain saves the components, and loading it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from jina_client import JinaArgumentError, JinaClient
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.runnables import RunnablePassthrough, RunnableSequence
from langchain_jina import JinaEmbeddings, JinaLateInteractionRetriever, JinaRerank
from loopback import Recorder

KEY = "jina_0123456789abcdef"
LOADING: dict[str, Any] = {
    "allowed_objects": [JinaEmbeddings, JinaRerank],
    "valid_namespaces": ["langchain_jina"],
}
EMBEDDINGS: dict[str, Any] = {
    "model_name": "jina-embeddings-v3",
    "dimensions": 64,
    "normalized": False,
    "query_task": "separation",
    "embedding_type": "binary",
    "timeout": 3.5,
    "max_retries": 0,
    "cache": None,
}
RERANK: dict[str, Any] = {"model": "jina-reranker-v3", "top_n": None, "max_doc_length": 100, "max_concurrency": 2}


pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")


@pytest.mark.parametrize(("kind", "options"), [(JinaEmbeddings, EMBEDDINGS), (JinaRerank, RERANK)])
def test_a_saved_component_keeps_every_option_but_the_key(kind: Any, options: dict[str, Any]) -> None:
    component = kind(**options, api_key=KEY)
    saved = dumps(component)
    assert KEY not in saved
    again = loads(saved, **LOADING)
    assert type(again) is kind
    assert again.model_dump(exclude={"jina_api_key"}) == component.model_dump(exclude={"jina_api_key"})
    assert again.jina_api_key is None
    with_key = loads(saved, **LOADING, secrets_map={"JINA_API_KEY": KEY})
    assert with_key.jina_api_key.get_secret_value() == KEY


def test_a_saved_tool_has_the_documented_form() -> None:
    assert dumpd(JinaEmbeddings(model="jina-embeddings-v3", base_url="local", api_key=KEY)) == {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain_jina", "embeddings", "JinaEmbeddings"],
        "kwargs": {
            "model_name": "jina-embeddings-v3",
            "base_url": "local",
            "embedding_type": "float",
            "jina_api_key": {"lc": 1, "type": "secret", "id": ["JINA_API_KEY"]},
        },
    }


def test_a_loaded_component_reads_its_key_from_the_environment(
    server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = dumpd(JinaEmbeddings(model="jina-embeddings-v3", base_url=server.url, api_key=KEY))
    monkeypatch.setenv("JINA_API_KEY", "another-key")
    load(saved, **LOADING).embed_query("a")
    assert server.sent[0].headers["authorization"] == "Bearer another-key"


def test_a_component_with_a_ready_client_cannot_be_saved(server: Recorder) -> None:
    """Else what is loaded would send the texts of a self-hoster to the public API."""
    for component in (
        JinaEmbeddings(client=JinaClient(base_url=server.url, api_key=KEY)),
        JinaRerank(transport=object(), api_key=KEY),
    ):
        saved = dumpd(component)
        assert saved["type"] == "not_implemented"
        assert KEY not in json.dumps(saved)
        with pytest.raises(NotImplementedError):
            load(saved, **LOADING)


def test_a_retriever_cannot_be_saved() -> None:
    saved = dumpd(JinaLateInteractionRetriever(base_url="local", api_key=KEY))
    assert saved["type"] == "not_implemented"
    assert KEY not in json.dumps(saved)


def test_loading_an_unknown_option_names_it() -> None:
    saved = dumpd(JinaEmbeddings())
    saved["kwargs"]["dimensoins"] = 64
    with pytest.raises(JinaArgumentError, match="did you mean 'dimensions'"):
        load(saved, **LOADING)


def test_a_chain_with_a_reranker_can_be_saved() -> None:
    chain = RunnablePassthrough() | JinaRerank(base_url="local", top_n=1, api_key=KEY)
    saved = dumps(chain)
    assert KEY not in saved
    again = loads(
        saved,
        allowed_objects=[RunnableSequence, RunnablePassthrough, JinaRerank],
        valid_namespaces=["langchain_jina"],
    )
    assert again.last.top_n == 1


def test_a_dump_of_the_older_fields_can_be_loaded(server: Recorder) -> None:
    """As ``model_dump`` of langchain_community's classes has them, without the session."""
    old: dict[str, Any] = {"session": None, "model_name": "jina-embeddings-v2-base-en", "jina_api_key": KEY}
    assert JinaEmbeddings(**old).model_name == "jina-embeddings-v2-base-en"
    old = {"session": None, "top_n": 2, "model": "jina-reranker-v1-base-en", "jina_api_key": KEY, "user_agent": None}
    assert len(asyncio.run(JinaRerank(**old, base_url=server.url).arerank(["a", "b", "c"], "q"))) == 2
