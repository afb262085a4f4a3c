"""The headings of the page on troubleshooting quote messages that users really see."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jina_client import JinaClient
from jina_index import BinaryIndex
from jina_local import Engine
from langchain_core.documents import Document
from langchain_jina import JinaEmbeddings, JinaRetriever
from loopback import Answer, recorder

PAGE = Path(__file__).resolve().parents[2] / "docs" / "troubleshooting.md"
QUOTES = re.findall(r'"([^"]+)"', "\n".join(re.findall(r"^### (.+)$", PAGE.read_text(), re.MULTILINE)))
OF_OTHERS = {
    # Messages of Python, of Spark and of vector stores, those about packages and models that the tests have, and that
    # of a server with TLS, which `tests/services/test_gateways.py` provokes.
    "its certificate is not trusted",
    "cannot import name 'JinaEmbedding'",
    "embedding has length …, expected …",
    "needs the embedded engine, which is not installed",
    "the model all-MiniLM-L6-v2 is not on this machine",
    "need jina-index, which is not installed",
    "… needs Pillow",
    "[JAVA_GATEWAY_EXITED] Java gateway process exited before sending its port number",
}
V3 = "jina-embeddings-v3"


def _embed(*inputs: object, model: str = V3, **options: object) -> None:
    JinaClient(base_url="local").embed(list(inputs), model=model, **options)  # type: ignore[arg-type]


def _unencrypted(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        JinaClient(api_key="jina_0123456789", base_url="http://192.0.2.1/v1")


def _two_models(folder: Path) -> None:
    first, second = (JinaEmbeddings(model=model, base_url="local") for model in (V3, "jina-embeddings-v5-text-small"))
    JinaRetriever.from_documents([Document("a")], first, path=folder / "index").close()
    JinaRetriever.load(folder / "index", second).invoke("a")


def _open_twice(folder: Path) -> None:
    with BinaryIndex(8, folder / "index") as index:
        index.add([1], np.ones((1, 8)))
        BinaryIndex.load(folder / "index")


def _other_protocol(folder: Path) -> None:
    with recorder(lambda sent: Answer([[0.0] * 1024])) as server:  # the form of text-embeddings-inference
        JinaClient(base_url=server.url).embed(["a"], model=V3)


CAUSES: dict[str, Callable[[Path], object]] = {
    "no key": lambda folder: JinaClient().embed(["a"], model=V3),
    "a key with a space": lambda folder: JinaClient(api_key="Bearer jina_0123456789"),
    "a folder without a model": lambda folder: Engine(folder).embed({"model": V3, "input": ["a"]}),
    "no server": lambda folder: JinaClient(base_url="http://127.0.0.1:9/v1", max_retries=0).embed(["a"], model=V3),
    "an option that a server lacks": lambda folder: JinaClient(base_url="http://127.0.0.1:9/v1", dialect="vllm").embed(
        ["a"], model=V3, late_chunking=True
    ),
    "a server with another protocol": _other_protocol,
    "a long text": lambda folder: _embed("word " * 9000),
    "http to another machine": _unencrypted,
    "a misspelled argument": lambda folder: JinaEmbeddings(model=V3, dimensoins=256),  # type: ignore[call-arg]
    "a misspelled model": lambda folder: _embed("a", model="no-such-model"),
    "a multi-vector model": lambda folder: _embed("a", model="jina-colbert-v2"),
    "a task of another model": lambda folder: _embed("a", task="no-such-task"),
    "a model without tasks": lambda folder: _embed("a", model="jina-embeddings-v2-base-en", task="retrieval.query"),
    "too many dimensions": lambda folder: _embed("a", dimensions=5000),
    "a string for a list": lambda folder: JinaClient(base_url="local").embed("text", model=V3),
    "None among the texts": lambda folder: _embed("a", None),
    "a data URI as text": lambda folder: _embed("data:image/png;base64,iVBORw0KGgo=", model="jina-clip-v2"),
    "text for an image": lambda folder: _embed({"image": b"no image"}, model="jina-clip-v2"),
    "a large image": lambda folder: _embed({"image": b"\x89PNG\r\n\x1a\n" + bytes(12_000_000)}, model="jina-clip-v2"),
    "an index of another model": _two_models,
    "an index that is open": _open_twice,
}


def _quoted(message: str) -> set[str]:
    """Return the quotes that a message matches. In a quote, ``…`` and numbers stand for anything."""
    patterns = {quote: ".*".join(map(re.escape, re.split(r"…|\d[\d.]*", quote))) for quote in QUOTES}
    return {quote for quote, pattern in patterns.items() if re.search(pattern, message, re.DOTALL)}


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JINA_API_KEY", "JINAAI_API_KEY", "JINA_AUTH_TOKEN", "JINA_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def _message(cause: str, folder: Path) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        CAUSES[cause](folder)
    return str(caught.value)


@pytest.mark.parametrize("cause", CAUSES)
def test_a_heading_quotes_the_message(cause: str, tmp_path: Path) -> None:
    message = _message(cause, tmp_path)
    assert _quoted(message), message


def test_every_quote_is_a_message(tmp_path: Path) -> None:
    quotes = set(OF_OTHERS)
    for number, cause in enumerate(CAUSES):
        folder = tmp_path / str(number)
        folder.mkdir()
        quotes |= _quoted(_message(cause, folder))
    assert set(QUOTES) - quotes == set()
