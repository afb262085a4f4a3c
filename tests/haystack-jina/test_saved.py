"""Pipelines saved and loaded: our own, and those of jina-haystack 2.0.1."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import certifi
import numpy as np
import pytest
from haystack import Document, Pipeline
from haystack.dataclasses import ByteStream
from haystack.utils import Secret
from haystack_integrations.components.connectors.jina import JinaReaderConnector
from haystack_integrations.components.embedders.jina import (
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaMultiVectorDocumentEmbedder,
    JinaMultiVectorTextEmbedder,
    JinaTextEmbedder,
)
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client.integration import CONNECTION_OPTIONS
from loopback import Recorder, right_answer
from pictures import encoded, of_media

KEY = "jina_0123456789abcdef"
API_KEY = {"type": "env_var", "env_vars": ["JINA_API_KEY"], "strict": True}
EMBEDDERS = "haystack_integrations.components.embedders.jina"

# What jina-haystack 2.0.1 writes.
SAVED: dict[str, dict[str, Any]] = {
    "text": {
        "type": f"{EMBEDDERS}.text_embedder.JinaTextEmbedder",
        "init_parameters": {
            "api_key": API_KEY,
            "model": "jina-embeddings-v3",
            "base_url": "https://api.jina.ai/v1/embeddings",
            "prefix": "",
            "suffix": "",
            "task": "retrieval.query",
            "dimensions": 64,
        },
    },
    "documents": {
        "type": f"{EMBEDDERS}.document_embedder.JinaDocumentEmbedder",
        "init_parameters": {
            "api_key": API_KEY,
            "model": "jina-embeddings-v3",
            "base_url": "https://api.jina.ai/v1/embeddings",
            "prefix": "",
            "suffix": "",
            "batch_size": 32,
            "progress_bar": False,
            "meta_fields_to_embed": ["title"],
            "embedding_separator": "\n",
            "late_chunking": True,
        },
    },
    "images": {
        "type": f"{EMBEDDERS}.document_image_embedder.JinaDocumentImageEmbedder",
        "init_parameters": {
            "api_key": API_KEY,
            "model": "jina-clip-v2",
            "base_url": "https://api.jina.ai/v1/embeddings",
            "file_path_meta_field": "file_path",
            "root_path": "",
            "embedding_dimension": None,
            "image_size": (640, 480),
            "batch_size": 5,
        },
    },
    "ranker": {
        "type": "haystack_integrations.components.rankers.jina.ranker.JinaRanker",
        "init_parameters": {
            "api_key": API_KEY,
            "model": "jina-reranker-v1-base-en",
            "base_url": "https://api.jina.ai/v1/rerank",
            "top_k": 3,
            "score_threshold": None,
        },
    },
    "reader": {
        "type": "haystack_integrations.components.connectors.jina.reader.JinaReaderConnector",
        "init_parameters": {"api_key": API_KEY, "mode": "search", "json_response": True},
    },
}
KINDS: list[Any] = [
    JinaTextEmbedder,
    JinaDocumentEmbedder,
    JinaDocumentImageEmbedder,
    JinaMultiVectorTextEmbedder,
    JinaMultiVectorDocumentEmbedder,
    JinaRanker,
    lambda **options: JinaReaderConnector("read", **options),
]


def _saved(url: str | None = None) -> dict[str, Any]:
    """The pipeline as a dictionary, calling another server if one is given."""

    def placed(parameters: dict[str, Any]) -> dict[str, Any]:
        base_url = parameters.get("base_url")
        moved = {"base_url": base_url.replace("https://api.jina.ai/v1", url)} if url and base_url else {}
        return {**parameters, **moved}

    components = {name: {**each, "init_parameters": placed(each["init_parameters"])} for name, each in SAVED.items()}
    return {
        "metadata": {},
        "max_runs_per_component": 100,
        "connection_type_validation": True,
        "components": components,
        "connections": [],
    }


def test_pipelines_saved_by_jina_haystack_load_and_save_unchanged() -> None:
    pipeline = Pipeline.from_dict(_saved())
    assert Pipeline.loads(pipeline.dumps()).dumps() == pipeline.dumps()
    assert pipeline.to_dict()["components"] == SAVED


def test_pipelines_saved_by_jina_haystack_run(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    # YAML has tuples as lists, where another tool wrote it.
    saved = _saved(server.url)
    saved["components"]["images"]["init_parameters"]["image_size"] = [640, 480]
    pipeline = Pipeline.from_dict(saved)
    pipeline.remove_component("reader")
    server.answer = lambda sent: of_media(sent) if sent.body["model"] == "jina-clip-v2" else right_answer(sent)
    documents = [Document(content=text, meta={"title": text}) for text in ("a", "b", "c", "d")]
    images = [Document(blob=ByteStream(encoded("red")))]
    inputs = {
        "text": {"text": "q"},
        "documents": {"documents": documents},
        "images": {"documents": images},
        "ranker": {"query": "q", "documents": documents},
    }
    for output in (pipeline.run(inputs), asyncio.run(pipeline.run_async(inputs))):
        assert len(output["text"]["embedding"]) == 64
        assert all(document.embedding for document in output["documents"]["documents"])
        assert output["images"]["documents"][0].embedding
        assert len(output["ranker"]["documents"]) == 3
    assert {sent.path for sent in server.sent} == {"/v1/embeddings", "/v1/rerank"}
    assert {sent.headers["authorization"] for sent in server.sent} == {f"Bearer {KEY}"}


# Their constructors' arguments, in order; after "*" by name only.
ARGUMENTS: dict[Any, str] = {
    JinaTextEmbedder: "api_key model prefix suffix task dimensions late_chunking * base_url",
    JinaDocumentEmbedder: "api_key model prefix suffix batch_size progress_bar meta_fields_to_embed "
    "embedding_separator task dimensions late_chunking * base_url",
    JinaDocumentImageEmbedder: "* api_key model base_url file_path_meta_field root_path embedding_dimension image_size "
    "batch_size",
    JinaRanker: "model api_key top_k score_threshold * base_url",
    JinaReaderConnector: "mode api_key json_response",
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_arguments_equal_those_of_jina_haystack(kind: Any) -> None:
    parameters = inspect.signature(kind.__init__).parameters
    positional = [
        name for name, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD and name != "self"
    ]
    theirs, _, by_name = ARGUMENTS[kind].partition("*")
    assert positional == theirs.split()
    assert set(by_name.split()) <= set(parameters) | set(CONNECTION_OPTIONS)


NEW = {
    JinaDocumentEmbedder: {
        "late_chunking_field": "doc",
        "raise_on_failure": False,
        "normalized": False,
        "truncate": True,
    },
    JinaDocumentImageEmbedder: {"progress_bar": True, "raise_on_failure": False, "task": "retrieval.query"},
    JinaRanker: {"meta_fields_to_embed": ["title"], "meta_data_separator": ": ", "truncation": True},
}


@pytest.mark.parametrize("kind", NEW)
def test_new_options_are_saved_only_when_they_are_set(kind: Any) -> None:
    assert not NEW[kind].keys() & kind().to_dict()["init_parameters"].keys()
    saved = kind(**NEW[kind]).to_dict()
    assert NEW[kind].items() <= saved["init_parameters"].items()
    loaded = kind.from_dict(saved)
    assert loaded.to_dict() == saved
    assert {name: getattr(loaded, name) for name in NEW[kind]} == NEW[kind]


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


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_the_client_is_saved_and_reaches_it(kind: Any, tmp_path: Path) -> None:
    options = {**OPTIONS, "cache": str(tmp_path / "vectors")}
    assert set(options) == set(CONNECTION_OPTIONS), "add a value for each option to OPTIONS"
    one = kind(**options)
    saved = one.to_dict()
    assert options.items() <= saved["init_parameters"].items()
    settings = type(one).from_dict(saved)._connection.open().client.settings
    assert {name: getattr(settings, name) for name in OPTIONS} == OPTIONS
    assert not set(options) & kind().to_dict()["init_parameters"].keys()


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_is_saved_or_shown(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    embedder = kind()
    embedder.warm_up()
    assert KEY not in f"{embedder.to_dict()} {embedder!r} {vars(embedder)}"
    pipeline = Pipeline()
    pipeline.add_component("one", embedder)
    assert KEY not in pipeline.dumps()
    with pytest.raises(ValueError, match="token-based secret"):
        kind(api_key=Secret.from_token(KEY)).to_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_key_raises_at_warm_up(kind: Any) -> None:
    one = kind()
    with pytest.raises(RuntimeError, match="JINA_API_KEY"):
        one.warm_up()
    with pytest.raises(RuntimeError, match="JINA_API_KEY"):
        asyncio.run(one.warm_up_async())


def test_our_components_load_from_yaml(tmp_path: Path) -> None:
    pipeline = Pipeline()
    pipeline.add_component("images", JinaDocumentImageEmbedder(root_path=str(tmp_path), image_size=(64, 64)))
    pipeline.add_component("vectors", JinaMultiVectorDocumentEmbedder(base_url="local", cache=str(tmp_path / "c")))
    pipeline.add_component("query", JinaMultiVectorTextEmbedder(base_url="local", max_retries=0))
    pipeline.add_component("reader", JinaReaderConnector("ground", json_response=False))
    loaded = Pipeline.loads(pipeline.dumps())
    assert loaded.dumps() == pipeline.dumps()
    assert loaded.get_component("images").image_size == (64, 64)


def test_an_integer_of_numpy_can_be_saved() -> None:
    pipeline = Pipeline()
    pipeline.add_component("ranker", JinaRanker(top_k=np.int64(3)))  # type: ignore[arg-type]
    assert Pipeline.loads(pipeline.dumps()).get_component("ranker").top_k == 3
