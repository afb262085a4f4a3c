"""The asynchronous client: the same calls as :class:`jina_client.JinaClient`, as coroutines."""

from __future__ import annotations

import asyncio
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from . import calls
from .arguments import EMBEDDING_ALIASES, RERANK_ALIASES, OnError, aliases, returns_failures
from .base import BaseClient
from .errors import JinaError, JinaInputError
from .estimates import Tokenizer, estimate_tokens
from .exchange import Exchange
from .isolation import Isolation
from .models import EmbeddingType, Role
from .pacing import Turn
from .planning import EmbedJob, Job, handing_over
from .progress import Progress, Waiting
from .protocol.classification import Access, Labels
from .protocol.embedding import ColbertEndpoint
from .protocol.reader import ReturnFormat
from .results import (
    BatchJob,
    BatchOutput,
    Classifications,
    ClassifierInfo,
    Embeddings,
    Grounding,
    ModelInfo,
    MultiVectors,
    Page,
    RerankResult,
    SearchResults,
    Segments,
    SparseEmbeddings,
    TrainedClassifier,
)
from .sagemaker import SageMakerTransport
from .settings import Settings
from .transport import AiohttpTransport, AsyncTransport, LocalTransport

T = TypeVar("T")
J = TypeVar("J", bound=Job[Any])


class AsyncJinaClient(BaseClient):
    """Jina AI's search models, asynchronously; usable from several event loops, one after another or side by side.

    Args and errors are those of :class:`jina_client.JinaClient`; ``transport`` is a
    :class:`jina_client.transport.AsyncTransport`, and the limits hold for all event loops together.
    """

    def _open(self) -> None:
        self._transport = _transport(self.settings)

    @aliases(EMBEDDING_ALIASES)
    async def embed(
        self,
        inputs: Iterable[Any],
        *,
        model: str = calls.EMBEDDING_MODEL,
        task: str | None = None,
        dimensions: int | None = None,
        late_chunking: bool = False,
        embedding_type: EmbeddingType = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        batch_size: int | None = None,
        max_image_side: int | None = None,
        on_error: OnError = "raise",
        show_progress: bool = False,
    ) -> Embeddings:
        """One vector for each input; see :meth:`jina_client.JinaClient.embed`."""
        job = await self._planned(
            calls.embed,
            inputs,
            model=model,
            task=task,
            dimensions=dimensions,
            late_chunking=late_chunking,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
            batch_size=batch_size,
            max_image_side=max_image_side,
        )
        return await self._run(job, show_progress, partial=returns_failures(on_error))

    @aliases(EMBEDDING_ALIASES)
    def embed_stream(
        self,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        model: str = calls.EMBEDDING_MODEL,
        task: str | None = None,
        dimensions: int | None = None,
        embedding_type: EmbeddingType = "float",
        normalized: bool | None = None,
        truncate: bool | None = None,
        batch_size: int | None = None,
        max_image_side: int | None = None,
        on_error: OnError = "raise",
        show_progress: bool = False,
    ) -> AsyncIterator[tuple[int, Embeddings]]:
        """See :meth:`jina_client.JinaClient.embed_stream`; ``inputs`` may be an asynchronous iterable as well."""
        partial = returns_failures(on_error)
        stream = calls.Stream(
            self.service,
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
            batch_size=batch_size,
            max_image_side=max_image_side,
        )
        return self._stream(stream.ajobs(inputs), stream.total(inputs), partial=partial, show_progress=show_progress)

    @aliases(EMBEDDING_ALIASES)
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
        """See :meth:`jina_client.JinaClient.embed_chunked`."""
        job = await self._planned(
            calls.embed_chunked,
            documents,
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
        )
        await self._run(job, show_progress)
        return job.by_document()

    @aliases(EMBEDDING_ALIASES)
    async def embed_multi_vector(
        self,
        inputs: Iterable[Any],
        *,
        model: str = calls.MULTI_VECTOR_MODEL,
        input_type: Role = "document",
        dimensions: int | None = None,
        task: str | None = None,
        embedding_type: EmbeddingType = "float",
        truncate: bool | None = None,
        return_tokenized_input: bool = False,
        batch_size: int | None = None,
        max_image_side: int | None = None,
        endpoint: ColbertEndpoint = "embeddings",
        show_progress: bool = False,
    ) -> MultiVectors:
        """See :meth:`jina_client.JinaClient.embed_multi_vector`."""
        job = calls.embed_multi_vector(
            self.service,
            inputs,
            model=model,
            input_type=input_type,
            dimensions=dimensions,
            task=task,
            embedding_type=embedding_type,
            truncate=truncate,
            return_tokenized_input=return_tokenized_input,
            batch_size=batch_size,
            max_image_side=max_image_side,
            endpoint=endpoint,
        )
        return await self._run(job, show_progress)

    @aliases(EMBEDDING_ALIASES)
    async def embed_sparse(
        self,
        inputs: Iterable[str],
        *,
        model: str = calls.SPARSE_MODEL,
        task: str | None = None,
        batch_size: int | None = None,
        show_progress: bool = False,
    ) -> SparseEmbeddings:
        """See :meth:`jina_client.JinaClient.embed_sparse`."""
        job = calls.embed_sparse(self.service, inputs, model=model, task=task, batch_size=batch_size)
        return await self._run(job, show_progress)

    @aliases(RERANK_ALIASES)
    async def rerank(
        self,
        query: Any,
        documents: Iterable[Any],
        *,
        model: str = calls.RERANKER_MODEL,
        top_n: int | None = None,
        return_documents: bool = True,
        truncation: bool | None = None,
        max_doc_length: int | None = None,
        return_embeddings: bool = False,
        batch_size: int | None = None,
        max_image_side: int | None = None,
    ) -> RerankResult:
        """Documents from the most to the least relevant to a query; see :meth:`jina_client.JinaClient.rerank`."""
        job = calls.rerank(
            self.service,
            query,
            documents,
            model=model,
            top_n=top_n,
            return_documents=return_documents,
            truncation=truncation,
            max_doc_length=max_doc_length,
            return_embeddings=return_embeddings,
            batch_size=batch_size,
            max_image_side=max_image_side,
        )
        return await self._run(job)

    async def classify(
        self,
        inputs: Iterable[Any],
        labels: Labels | None = None,
        *,
        model: str = calls.CLASSIFIER_MODEL,
        classifier_id: str | None = None,
        batch_size: int | None = None,
        max_image_side: int | None = None,
        show_progress: bool = False,
    ) -> Classifications:
        """See :meth:`jina_client.JinaClient.classify`."""
        job = calls.classify(
            self.service,
            inputs,
            labels,
            model=model,
            classifier_id=classifier_id,
            batch_size=batch_size,
            max_image_side=max_image_side,
        )
        return await self._run(job, show_progress)

    async def train(
        self,
        examples: Iterable[Any],
        *,
        model: str = calls.CLASSIFIER_MODEL,
        classifier_id: str | None = None,
        access: Access = "private",
        num_iters: int = 10,
        max_image_side: int | None = None,
    ) -> TrainedClassifier:
        """Train a classifier by examples, or an existing one further; see :meth:`jina_client.JinaClient.train`."""
        job = calls.train(
            examples,
            model=model,
            classifier_id=classifier_id,
            access=access,
            num_iters=num_iters,
            max_image_side=max_image_side,
        )
        return await self._run(job)

    async def classifiers(self) -> list[ClassifierInfo]:
        """The classifiers trained with this key; see :meth:`jina_client.JinaClient.classifiers`."""
        return await self._run(calls.classifiers())

    async def delete_classifier(self, classifier_id: str) -> None:
        """Delete a trained classifier; see :meth:`jina_client.JinaClient.delete_classifier`."""
        await self._run(calls.delete_classifier(classifier_id))

    async def segment(
        self,
        text: str,
        *,
        tokenizer: str = "cl100k_base",
        max_chunk_length: int = 1000,
        return_chunks: bool = True,
        return_tokens: bool = False,
        head: int | None = None,
        tail: int | None = None,
    ) -> Segments:
        """See :meth:`jina_client.JinaClient.segment`."""
        job = calls.segment(
            text,
            tokenizer=tokenizer,
            max_chunk_length=max_chunk_length,
            return_chunks=return_chunks,
            return_tokens=return_tokens,
            head=head,
            tail=tail,
        )
        return await self._run(job)

    async def estimate_tokens(
        self,
        inputs: Iterable[Any] | str,
        *,
        model: str,
        tokenizer: Tokenizer | None = None,
        max_image_side: int | None = None,
    ) -> int:
        """See :meth:`jina_client.JinaClient.estimate_tokens`."""
        return estimate_tokens(inputs, model=model, tokenizer=tokenizer, max_image_side=max_image_side)

    async def read(
        self,
        url: str,
        *,
        return_format: ReturnFormat | None = None,
        target_selector: str | None = None,
        page_timeout: int | None = None,
        with_links_summary: bool | None = None,
        no_cache: bool | None = None,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
        endpoint: str | None = None,
    ) -> Page:
        """See :meth:`jina_client.JinaClient.read`."""
        job = calls.read(
            self.service,
            url,
            return_format=return_format,
            target_selector=target_selector,
            page_timeout=page_timeout,
            with_links_summary=with_links_summary,
            no_cache=no_cache,
            headers=headers,
            plain=plain,
            endpoint=endpoint,
        )
        return await self._run(job)

    async def search(
        self,
        query: str,
        *,
        return_format: ReturnFormat | None = None,
        page_timeout: int | None = None,
        with_links_summary: bool | None = None,
        no_cache: bool | None = None,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
        endpoint: str | None = None,
    ) -> SearchResults:
        """See :meth:`jina_client.JinaClient.search`."""
        job = calls.search(
            self.service,
            query,
            return_format=return_format,
            page_timeout=page_timeout,
            with_links_summary=with_links_summary,
            no_cache=no_cache,
            headers=headers,
            plain=plain,
            endpoint=endpoint,
        )
        return await self._run(job)

    async def ground(
        self,
        statement: str,
        *,
        no_cache: bool | None = None,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
        endpoint: str | None = None,
    ) -> Grounding:
        """See :meth:`jina_client.JinaClient.ground`."""
        job = calls.ground(self.service, statement, no_cache=no_cache, headers=headers, plain=plain, endpoint=endpoint)
        return await self._run(job)

    async def models(self) -> list[ModelInfo]:
        """The models that the service has; see :meth:`jina_client.JinaClient.models`."""
        return await self._run(calls.models())

    async def model(self, model: str) -> ModelInfo:
        """One model that the service has; see :meth:`jina_client.JinaClient.model`."""
        return await self._run(calls.model(model))

    @aliases(EMBEDDING_ALIASES)
    async def create_batch(
        self,
        inputs: Iterable[str] | None = None,
        *,
        input_url: str | None = None,
        ids: Sequence[str] | None = None,
        model: str = calls.BATCH_MODEL,
        task: str | None = None,
        dimensions: int | None = None,
        normalized: bool | None = None,
        webhook_url: str | None = None,
    ) -> BatchJob:
        """See :meth:`jina_client.JinaClient.create_batch`."""
        job = calls.create_batch(
            inputs,
            input_url=input_url,
            ids=ids,
            model=model,
            task=task,
            dimensions=dimensions,
            normalized=normalized,
            webhook_url=webhook_url,
        )
        return await self._run(job)

    async def get_batch(self, batch_id: str) -> BatchJob:
        """How far a batch job is; see :meth:`jina_client.JinaClient.get_batch`."""
        return await self._run(calls.get_batch(batch_id))

    async def list_batches(self, limit: int = 20) -> list[BatchJob]:
        """The newest batch jobs; see :meth:`jina_client.JinaClient.list_batches`."""
        return await self._run(calls.list_batches(limit))

    async def wait_for_batch(
        self,
        batch_id: str,
        *,
        poll_interval: float = 5.0,
        timeout: float | None = None,  # noqa: ASYNC109 - the job goes on, and the error says how far it is
        show_progress: bool = False,
    ) -> BatchJob:
        """See :meth:`jina_client.JinaClient.wait_for_batch`."""
        with Waiting(batch_id, poll_interval, timeout, show_progress) as waiting:
            while not waiting.is_over(job := await self.get_batch(batch_id)):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(waiting.pause)
        return job

    async def cancel_batch(self, batch_id: str) -> BatchJob:
        """Cancel a batch job that is not finished; see :meth:`jina_client.JinaClient.cancel_batch`."""
        return await self._run(calls.cancel_batch(batch_id))

    async def batch_output(self, batch_id: str) -> BatchOutput:
        """The output of a batch job that is completed; see :meth:`jina_client.JinaClient.batch_output`."""
        return await self._run(calls.batch_output(batch_id))

    async def batch_errors(self, batch_id: str) -> list[dict[str, Any]]:
        """See :meth:`jina_client.JinaClient.batch_errors`."""
        return await self._run(calls.batch_errors(batch_id))

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

    async def _planned(self, plan: Callable[..., J], inputs: Any, **options: Any) -> J:
        """A job; where there is a cache, made in a thread: it looks there for every input, and reads files for that."""
        if self.settings.cache is None:
            return plan(self.service, inputs, **options)
        return await asyncio.to_thread(plan, self.service, inputs, **options)

    async def _run(self, job: Job[T], show_progress: bool = False, *, partial: bool = False) -> T:
        while True:
            try:
                await self._send(job, show_progress)
            finally:
                self._count(job.usage)
            job.check(partial=partial)
            following = job.then()
            if following is None:
                return job.result()
            job = following

    async def _send(self, job: Job[Any], show_progress: bool) -> None:
        batches = iter(job.batches)
        with Progress(show_progress, sum(map(len, job.batches))) as progress, handing_over([job]):

            async def work() -> None:
                for batch in batches:
                    await self._complete(job, batch)
                    progress.advance(len(batch), job.usage.total_tokens)

            async with _tasks() as start:
                workers = min(len(job.batches), self.settings.max_concurrency)
                await asyncio.gather(*(start(work()) for _ in range(workers)))

    async def _stream(
        self, jobs: AsyncGenerator[EmbedJob], total: int | None, *, partial: bool, show_progress: bool
    ) -> AsyncIterator[tuple[int, Embeddings]]:
        most, tokens = self.settings.max_concurrency, 0
        # Those whose result the caller does not have yet.
        under_way: dict[EmbedJob, asyncio.Task[None]] = {}
        with Progress(show_progress, total) as progress, handing_over(under_way):
            async with aclosing(jobs), _tasks() as start:
                while True:
                    busy = sum(not task.done() for task in under_way.values())
                    if busy < most and len(under_way) < 2 * most and (job := await anext(jobs, None)) is not None:
                        under_way[job] = start(self._complete_all(job))
                        continue
                    if not under_way:
                        return
                    job = next(iter(under_way))
                    await under_way[job]
                    self._count(job.usage)
                    job.check(partial=partial and job.stopped is None)
                    result = job.result()
                    del under_way[job]
                    tokens += job.usage.total_tokens
                    progress.advance(job.length, tokens)
                    yield job.first, result

    async def _complete_all(self, job: Job[Any]) -> None:
        for batch in job.batches:
            await self._complete(job, batch)

    async def _complete(self, job: Job[Any], batch: range) -> None:
        """Send a batch, in pieces where it must be; what fails for good is noted in the job."""
        found = Isolation(batch, job.sizes, divisible=job.divisible)
        while job.stopped is None and (piece := found.next()) is not None:
            try:
                await self._exchange(job, piece, retry=found.retries)
            except JinaError as error:
                found.refused(piece, error, promising=job.promising)
        job.give_up(found)

    async def _exchange(self, job: Job[Any], piece: range, *, retry: bool) -> None:
        exchange = Exchange(self, job, piece, retry=retry)

        async def attempt() -> None:
            async with self._turn(exchange) as turn:
                # Reading files, encoding images and writing to a cache would hold up the event loop.
                made = asyncio.to_thread(exchange.request) if job.reads_media else None
                request = await made if made else exchange.request()
                answer = exchange.answer(turn, await self._transport.asend(request))
                if job.keeps:
                    await _to_the_end(asyncio.to_thread(job.take, piece, answer))
                else:
                    job.take(piece, answer)

        await exchange.aretrying(attempt)

    @asynccontextmanager
    async def _turn(self, exchange: Exchange) -> AsyncIterator[Turn]:
        """Wait for a turn, and end it."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            # An event loop that is closed waits for nothing.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

        turn = exchange.join(wake)
        try:
            while (delay := self.pacer.delay(turn)) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if math.isinf(delay) else delay):
                        await event.wait()
                event.clear()
            yield turn
        finally:
            self.pacer.leave(turn)


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for something that was paid for, even where the task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


@asynccontextmanager
async def _tasks() -> AsyncIterator[Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]]:
    """Start tasks, of which none is left when the block ends, however it ends."""
    tasks: set[asyncio.Task[None]] = set()

    def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    try:
        yield start
    finally:
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _transport(settings: Settings) -> AsyncTransport:
    if settings.transport is not None:
        if not isinstance(settings.transport, AsyncTransport):
            raise JinaInputError(
                f"{type(settings.transport).__name__} has no asend and aclose: it is no transport for this client"
            )
        return settings.transport
    if settings.is_sagemaker:
        return SageMakerTransport(settings.base_url, settings.max_concurrency)
    return LocalTransport() if settings.is_local else AiohttpTransport(settings.max_concurrency)
