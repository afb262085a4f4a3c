"""Runs: every way to embed texts, sync and async, through the client and the frameworks, and its outcome."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder
from jina_client import AsyncJinaClient, JinaClient, JinaError, PartialFailureError
from langchain_jina import JinaEmbeddings
from llama_index.embeddings.jinaai import JinaEmbedding
from loopback import vector_of

from .server import DIMENSIONS, FaultServer

KEY = "jina_0123456789abcdefsecret0123456789"
MODEL = {"model": "jina-embeddings-v3", "dimensions": DIMENSIONS}


@dataclass
class Outcome:
    """The outcome of a call.

    Attributes:
        vectors: the vectors by the index of the input.
        failed: the errors by the index of the input.
        error: the exception.
        shown: the repr of all objects that took part.
    """

    # asyncio.run formats what it returns, and arrays of numbers take long.
    vectors: dict[int, Any] = field(default_factory=dict, repr=False)
    failed: Mapping[int, JinaError] = field(default_factory=dict, repr=False)
    error: JinaError | None = None
    shown: str = ""

    def take(self, result: Any, start: int = 0) -> None:
        indices = result.input_indices
        places = range(start, start + len(result.vectors)) if indices is None else indices
        self.vectors.update(zip((int(place) for place in places), result.vectors, strict=True))
        self.failed = {**self.failed, **result.failed}


@contextmanager
def raising(outcome: Outcome, texts: Sequence[str]) -> Iterator[None]:
    """Record the exception that the block raises. An error that names no inputs counts for all inputs."""
    try:
        yield
    except PartialFailureError as error:
        outcome.error = error
        outcome.vectors.update(error.completed)
        outcome.failed = {**outcome.failed, **error.failed}
    except JinaError as error:
        outcome.error = error
        outcome.failed = {index: error for index in range(len(texts)) if index not in outcome.vectors}


Run = Callable[[str, Sequence[str], int | None, dict[str, Any]], Outcome]


def client_run(url: str, texts: Sequence[str], batch_size: int | None, options: dict[str, Any], **more: Any) -> Outcome:
    outcome = Outcome()
    with JinaClient(KEY, url, **options) as client:
        with raising(outcome, texts):
            outcome.take(client.embed(texts, batch_size=batch_size, **MODEL, **more))
        outcome.shown = f"{client!r} {client.settings!r} {vars(client)!r}"
    return outcome


def async_client_run(
    url: str, texts: Sequence[str], batch_size: int | None, options: dict[str, Any], **more: Any
) -> Outcome:
    async def run() -> Outcome:
        outcome = Outcome()
        async with AsyncJinaClient(KEY, url, **options) as client:
            with raising(outcome, texts):
                outcome.take(await client.embed(texts, batch_size=batch_size, **MODEL, **more))
            outcome.shown = f"{client!r} {client.settings!r} {vars(client)!r}"
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, "tasks are left"
        return outcome

    return asyncio.run(run())


def stream_run(url: str, texts: Sequence[str], batch_size: int | None, options: dict[str, Any]) -> Outcome:
    outcome = Outcome()
    with JinaClient(KEY, url, **options) as client, raising(outcome, texts):
        for start, part in client.embed_stream(iter(texts), batch_size=batch_size, on_error="return", **MODEL):
            outcome.take(part, start)
    return outcome


def async_stream_run(url: str, texts: Sequence[str], batch_size: int | None, options: dict[str, Any]) -> Outcome:
    async def run() -> Outcome:
        outcome = Outcome()
        async with AsyncJinaClient(KEY, url, **options) as client:
            with raising(outcome, texts):
                async for start, part in client.embed_stream(texts, batch_size=batch_size, on_error="return", **MODEL):
                    outcome.take(part, start)
        return outcome

    return asyncio.run(run())


def returning(run: Callable[..., Outcome]) -> Run:
    def returned(url: str, texts: Sequence[str], batch_size: int | None, options: dict[str, Any]) -> Outcome:
        return run(url, texts, batch_size, options, on_error="return")

    return returned


def framework(
    make: Callable[[str, int | None, dict[str, Any]], Any], call: Callable[[Any, list[str]], Any], close: str
) -> Run:
    """Return a run through a component, which returns a list of vectors."""

    def run(url: str, texts: Sequence[str], batch_size: int | None, options: dict[str, Any]) -> Outcome:
        async def inside() -> None:
            result = call(component, list(texts))
            take(await result if isinstance(result, Awaitable) else result)
            closing = getattr(component, close)()
            if isinstance(closing, Awaitable):
                await closing

        def take(vectors: Sequence[Sequence[float]]) -> None:
            outcome.vectors = {index: np.asarray(vector, np.float32) for index, vector in enumerate(vectors)}

        outcome = Outcome()
        component = make(url, batch_size, options)
        with raising(outcome, texts):
            asyncio.run(inside())
        outcome.shown = f"{component!r} {component}"
        return outcome

    return run


def langchain(url: str, batch_size: int | None, options: dict[str, Any]) -> JinaEmbeddings:
    return JinaEmbeddings(api_key=KEY, base_url=url, batch_size=batch_size, **MODEL, **options)


def llama_index(url: str, batch_size: int | None, options: dict[str, Any]) -> JinaEmbedding:
    size = {} if batch_size is None else {"embed_batch_size": batch_size}
    return JinaEmbedding(api_key=KEY, base_url=url, **size, **MODEL, **options)


def haystack(url: str, batch_size: int | None, options: dict[str, Any]) -> JinaDocumentEmbedder:
    secret = Secret.from_token(KEY)
    return JinaDocumentEmbedder(secret, base_url=url, batch_size=batch_size, progress_bar=False, **MODEL, **options)


def documents(texts: list[str]) -> list[Document]:
    return [Document(content=text) for text in texts]


def embedded(state: dict[str, Any]) -> list[list[float]]:
    return [document.embedding for document in state["documents"]]


async def aembedded(component: JinaDocumentEmbedder, texts: list[str]) -> list[list[float]]:
    return embedded(await component.run_async(documents(texts)))


CLIENTS: dict[str, Run] = {"sync": client_run, "async": async_client_run}
OTHERS: dict[str, Run] = {
    "sync, errors returned": returning(client_run),
    "async, errors returned": returning(async_client_run),
    "sync stream": stream_run,
    "async stream": async_stream_run,
    "LangChain": framework(langchain, lambda component, texts: component.embed_documents(texts), "close"),
    "LangChain async": framework(langchain, lambda component, texts: component.aembed_documents(texts), "aclose"),
    "LlamaIndex": framework(llama_index, lambda component, texts: component.get_text_embedding_batch(texts), "close"),
    "LlamaIndex async": framework(
        llama_index, lambda component, texts: component.aget_text_embedding_batch(texts), "aclose"
    ),
    "Haystack": framework(haystack, lambda component, texts: embedded(component.run(documents(texts))), "close"),
    "Haystack async": framework(haystack, aembedded, "close_async"),
}
RUNS = {**CLIENTS, **OTHERS}
BY_REQUEST = frozenset(name for name in RUNS if not name.startswith("LlamaIndex"))
"""Runs that choose the number of inputs per request; LlamaIndex leaves that to the client."""


def threads_of_calls() -> list[str]:
    """Return the threads that calls have left. Those that resize images serve all calls of the process."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("jina-client") and not name.startswith("jina-client-images")]


def check(outcome: Outcome, texts: Sequence[str], server: FaultServer, logged: Sequence[logging.LogRecord]) -> None:
    """Check the facts that hold for every run, whatever the server did."""
    done, failed = set(outcome.vectors), set(outcome.failed)
    assert done | failed == set(range(len(texts))), "an input has neither a vector nor an error"
    assert not done & failed, "an input has both"
    for index, vector in outcome.vectors.items():
        assert np.array_equal(vector, vector_of(texts[index], DIMENSIONS)), f"the vector of input {index}"
    assert all(isinstance(error, JinaError) for error in outcome.failed.values())
    for record in logged:
        assert KEY not in f"{record.getMessage()} {record.args!r} {record.exc_text}"
        assert not any(text in record.getMessage() for text in texts), "a log record shows an input"
    assert KEY not in outcome.shown
    for error in {outcome.error, *outcome.failed.values()} - {None}:
        assert KEY not in f"{error!r} {error} {vars(error)!r} {pickle.loads(pickle.dumps(error))!r}"
        assert KEY not in "".join(traceback.format_exception(error, limit=0))
    assert not threads_of_calls()
    assert all(seen.headers.get("authorization") == f"Bearer {KEY}" for seen in server.seen)
