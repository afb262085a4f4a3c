"""An installed package adds a backend by an entry point, and the engine computes with it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from jina_client.integration import MODELS, Model
from jina_local import App, Engine, ModelNotFoundError, RequestError
from jina_local.backend import (
    Backend,
    BackendFactory,
    Catalog,
    Charge,
    EmbeddingBody,
    EmbeddingOutput,
    InputItem,
    Piece,
    RejectedRequestError,
    RerankBody,
    RerankOutput,
    Vectors,
    truncate_vectors,
)

ROW = replace(MODELS["jina-embeddings-v3"], dimensions=3, matryoshka=())


class LengthBackend:
    """Embeds a text as its length, its number of words, and 1."""

    name = "text lengths"

    def __init__(self) -> None:
        self.served: Catalog = {ROW.id: ROW}
        self.closed = False

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        charge(len(body.inputs))
        rows = np.array([[len(item.value), len(item.value.split()), 1] for item in body.inputs], dtype=np.float32)
        vectors = truncate_vectors(rows, body.dimensions, normalized=body.normalized)
        return EmbeddingOutput(tokens=len(rows), vectors=vectors)

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        raise RejectedRequestError("it does not rerank", "INPUT_UNSUPPORTED")

    def unit_vectors(self, model: Model, items: Sequence[InputItem], charge: Charge) -> tuple[int, Vectors]:
        raise RejectedRequestError("it does not classify", "INPUT_UNSUPPORTED")

    def pieces(self, text: str) -> tuple[str, list[Piece]]:
        return "letters", [(letter, [ord(letter)]) for letter in text]

    def close(self) -> None:
        self.closed = True


class LengthFactory:
    """Counts how often it loads the backend."""

    name = "text lengths"
    stand_in: str | None = None
    served: Catalog | None = None

    def __init__(self) -> None:
        self.loaded: list[LengthBackend] = []

    def check(self) -> None:
        if not self.loaded:
            raise ModelNotFoundError("no lengths yet")

    def load(self) -> Backend:
        self.loaded.append(LengthBackend())
        return self.loaded[-1]


def post(app: App, path: str, **fields: Any) -> tuple[int, dict[str, str], Any]:
    status, headers, body = app.handle("POST", path, {}, orjson.dumps(fields))
    return status, headers, json.loads(body)


def test_the_engine_computes_with_the_backend_of_its_factory() -> None:
    factory: BackendFactory = LengthFactory()
    app = App(Engine(backend=factory))
    status, headers, body = post(app, "/v1/embeddings", input="a text", normalized=False)
    assert (status, body["model"], body["data"][0]["embedding"]) == (200, "jina-embeddings-v3", [6.0, 2.0, 1.0])
    assert "X-Jina-Stand-In" not in headers
    assert post(app, "/v1/embeddings", model="jina-clip-v2", input="a")[0] == 400
    assert post(app, "/v1/embeddings", input="a", dimensions=4)[0] == 422
    cards = json.loads(app.handle("GET", "/v1/models", {})[2])["data"]
    assert [card["id"] for card in cards] == ["jina-ai/jina-embeddings-v3"]
    assert post(app, "/v1/segment", content="abc")[2]["num_tokens"] > 0


def test_the_backend_is_loaded_once_and_closed_with_the_engine() -> None:
    factory = LengthFactory()
    engine = Engine(backend=factory)
    with pytest.raises(ModelNotFoundError, match="no lengths yet"):
        engine.check()
    assert engine.name == "text lengths"
    assert factory.loaded == []
    for _ in range(3):
        engine.embed({"input": "a"})
    engine.check()
    engine.close()
    assert [backend.closed for backend in factory.loaded] == [True]
    with pytest.raises(RequestError) as error:
        engine.embed({"input": "a"})
    assert error.value.status == 503


def test_conflicting_options_raise() -> None:
    with pytest.raises(ValueError, match="set only one of them"):
        Engine("folder", backend=LengthFactory())
    with pytest.raises(ValueError, match="set model= too"):
        Engine(model_id="jina-embeddings-v3")


def install(folder: Path, name: str, function: str) -> None:
    """Write the files that pip would install for a package with an entry point."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[jina_local.backends]\n{name} = {function}\n")


def make_length_factory(model: str, **options: Any) -> BackendFactory:
    factory = LengthFactory()
    factory.name = f"{model} {sorted(options.items())}"
    return factory


needs_no_other_backend = pytest.mark.skipif(
    find_spec("jina_torch") is not None, reason="jina-torch is installed, and the engine uses a single backend package"
)


@needs_no_other_backend
def test_an_installed_package_provides_the_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "length_backend", sys.modules[__name__])
    install(tmp_path, "length-backend", "length_backend:make_length_factory")
    engine = Engine(model="folder", model_id="jina-embeddings-v3", threads=2, allow_fetch=True)
    assert engine.name == ("folder [('allow_fetch', True), ('model_id', 'jina-embeddings-v3'), ('threads', 2)]")
    assert engine.embed({"input": "a"})["usage"]["total_tokens"] == 1


@needs_no_other_backend
def test_two_installed_backends_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "first-backend", "first_backend:make")
    install(tmp_path, "second-backend", "second_backend:make")
    with pytest.raises(ModelNotFoundError, match="first-backend, second-backend"):
        Engine(model="folder")


@needs_no_other_backend
def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    install(tmp_path, "broken-backend", "broken_backend:make")
    with pytest.raises(ModelNotFoundError, match="broken-backend needs broken_backend, which is not installed"):
        Engine(model="folder")


def test_without_a_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jina_local.backend_discovery.entry_points", lambda group: [])
    with pytest.raises(ModelNotFoundError, match="pip install jina-torch"):
        Engine(model="jinaai/jina-embeddings-v3-hf")
