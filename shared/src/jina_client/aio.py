"""The asynchronous client: the same calls as :class:`jina_client.JinaClient`, as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from . import calls
from .base import BaseClient
from .errors import JinaError, JinaInputError
from .models import EmbeddingType
from .planning import Job
from .policy import retrying_async
from .progress import progress_bar
from .results import Embeddings, RerankResult
from .settings import Settings
from .transport import AiohttpTransport, AsyncTransport, LocalTransport

T = TypeVar("T")


class AsyncJinaClient(BaseClient):
    """Jina AI's search models, asynchronously; usable from several event loops, one after another or side by side.

    Args and errors are those of :class:`jina_client.JinaClient`; ``transport`` is a
    :class:`jina_client.transport.AsyncTransport`, and ``max_concurrency`` holds for each event loop.
    """

    def _open(self) -> None:
        self._slots: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
        self._transport = _transport(self.settings)

    async def embed(
        self,
        inputs: Iterable[str],
        *,
        model: str = calls.EMBEDDING_MODEL,
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool = False,
        embedding_type: EmbeddingType = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        batch_size: int | None = None,
        show_progress: bool = False,
    ) -> Embeddings:
        """One vector for each input; see :meth:`jina_client.JinaClient.embed`."""
        job = calls.embed(
            inputs,
            model=model,
            task=task,
            dimensions=dimensions,
            late_chunking=late_chunking,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
            batch_size=batch_size,
        )
        return await self._run(job, show_progress)

    async def embed_chunked(
        self,
        documents: Iterable[Sequence[str]],
        *,
        model: str = calls.EMBEDDING_MODEL,
        task: str | None = None,
        dimensions: int | None = None,
        embedding_type: EmbeddingType = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        show_progress: bool = False,
    ) -> list[Embeddings]:
        """Late chunking, document by document; see :meth:`jina_client.JinaClient.embed_chunked`."""
        job, split = calls.embed_chunked(
            documents,
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
        )
        return split(await self._run(job, show_progress))

    async def rerank(
        self,
        query: str,
        documents: Iterable[Any],
        *,
        model: str = calls.RERANKER_MODEL,
        top_n: int | None = None,
        truncation: bool | None = None,
        max_doc_length: int | None = None,
    ) -> RerankResult:
        """Documents from the most to the least relevant; see :meth:`jina_client.JinaClient.rerank`."""
        job = calls.rerank(
            query, documents, model=model, top_n=top_n, truncation=truncation, max_doc_length=max_doc_length
        )
        return await self._run(job)

    async def aclose(self) -> None:
        """Close this event loop's connections. A transport that was given stays open: it belongs to who made it."""
        if self.settings.transport is None:
            await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, job: Job[T], show_progress: bool = False) -> T:
        try:
            await self._send(job, show_progress)
        finally:
            self._count(job.usage)
        return job.result()

    async def _send(self, job: Job[Any], show_progress: bool) -> None:
        with progress_bar(job, show_progress) as advance:

            async def one(number: int) -> None:
                job.accept(number, await self._exchange(job, number))
                advance(number)

            tasks = [asyncio.ensure_future(one(number)) for number in range(len(job.batches))]
            try:
                await asyncio.gather(*tasks)
            except BaseException:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                raise

    async def _exchange(self, job: Job[Any], number: int) -> dict[str, Any]:
        slots = self._semaphore()

        async def once() -> dict[str, Any]:
            async with slots:
                return self._read(await self._transport.asend(self._request(job, number)))

        try:
            result: dict[str, Any] = await retrying_async(self.settings.max_retries)(once)
        except JinaError as error:
            raise self._noted(error, job, number) from error.__cause__
        return result

    def _semaphore(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop not in self._slots:
            self._slots = {known: slots for known, slots in self._slots.items() if not known.is_closed()}
            self._slots[loop] = asyncio.Semaphore(self.settings.max_concurrency)
        return self._slots[loop]


def _transport(settings: Settings) -> AsyncTransport:
    if settings.transport is not None:
        if not isinstance(settings.transport, AsyncTransport):
            raise JinaInputError(
                f"{type(settings.transport).__name__} has no asend and aclose: it is no transport for this client"
            )
        return settings.transport
    return LocalTransport() if settings.is_local else AiohttpTransport(settings.max_concurrency)
