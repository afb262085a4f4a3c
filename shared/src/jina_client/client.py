"""The synchronous client."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Any, Self, TypeVar

from . import calls
from .base import BaseClient
from .errors import JinaError, JinaInputError
from .models import EmbeddingType
from .planning import Job
from .policy import retrying
from .progress import progress_bar
from .results import Embeddings, RerankResult
from .settings import Settings
from .transport import LocalTransport, RequestsTransport, Transport

T = TypeVar("T")


class JinaClient(BaseClient):
    """Jina AI's search models, synchronously; safe to use from many threads.

    Args:
        api_key: else the first of the environment variables ``JINA_API_KEY``, ``JINAAI_API_KEY`` and
            ``JINA_AUTH_TOKEN``; needed only for Jina's own hosts.
        base_url: the API's root, else ``JINA_BASE_URL``, else ``https://api.jina.ai/v1``; ``"local"`` is the embedded
            engine, inside this process.
        timeout: seconds for one exchange.
        max_retries: how often a request that failed in a way that may pass is sent again.
        max_concurrency: exchanges in flight at once, over all calls of this client.
        transport: an object to send with instead of HTTP, see :class:`jina_client.transport.Transport`.

    Raises:
        JinaInputError: no key for a host that needs one, or a value that cannot work.
    """

    def _open(self) -> None:
        self._slots = threading.BoundedSemaphore(self.settings.max_concurrency)
        self._transport = _transport(self.settings)

    def embed(
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
        """One vector for each input.

        Args:
            inputs: texts; any iterable but a single string.
            model: the model's id, see :data:`jina_client.models.MODELS`.
            task: the adapter, such as ``retrieval.query``; by default the one that the model has for documents.
            dimensions: the length to cut the vectors to (Matryoshka); by default the model's full length.
            late_chunking: embed all inputs as the chunks of one document, in one request. For several documents use
                :meth:`embed_chunked`.
            embedding_type: ``float`` or ``base64`` give float32 (and travel alike); ``binary`` int8 and ``ubinary``
                uint8 give one bit a dimension.
            normalized: scale to length 1; by default yes, where the model takes the option.
            truncate: cut inputs longer than the model's context; by default the service refuses them.
            batch_size: inputs in one request, at most 512; by default 128.
            show_progress: show a progress bar.

        Returns:
            float32 of shape ``(n, dims)``, or bytes of shape ``(n, ceil(dims / 8))``, in the order of the inputs.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
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
        return self._run(job, show_progress)

    def embed_chunked(
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
        """Late chunking: every chunk is embedded in the context of its own document, and of no other.

        Args:
            documents: for each document the list of its chunks, in order; one request each.
            model, task, dimensions, embedding_type, normalized, truncate, show_progress: as in :meth:`embed`.

        Returns:
            For each document one vector for each of its chunks. ``usage`` is of the whole call.

        Raises:
            JinaInputError: a model without late chunking, or a document of more than 512 chunks.
        """
        job, split = calls.embed_chunked(
            documents,
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
        )
        return split(self._run(job, show_progress))

    def rerank(
        self,
        query: str,
        documents: Iterable[Any],
        *,
        model: str = calls.RERANKER_MODEL,
        top_n: int | None = None,
        truncation: bool | None = None,
        max_doc_length: int | None = None,
    ) -> RerankResult:
        """Documents from the most to the least relevant to a query.

        Args:
            query: the query.
            documents: texts, or ``{"text": …}``; any iterable but a single string.
            model: the reranker's id.
            top_n: how many to return; by default all.
            truncation: cut documents longer than the model's context.
            max_doc_length: the tokens of each document that are read, 1 to 8192 (``jina-reranker-v3`` and later).

        Returns:
            The best ``top_n``, each with its index in ``documents`` and the caller's own document.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
        job = calls.rerank(
            query, documents, model=model, top_n=top_n, truncation=truncation, max_doc_length=max_doc_length
        )
        return self._run(job)

    def close(self) -> None:
        """Close the connections. A transport that was given stays open: it belongs to who made it."""
        if self.settings.transport is None:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, job: Job[T], show_progress: bool = False) -> T:
        try:
            self._send(job, show_progress)
        finally:
            self._count(job.usage)
        return job.result()

    def _send(self, job: Job[Any], show_progress: bool) -> None:
        with progress_bar(job, show_progress) as advance:
            if len(job.batches) == 1:
                job.accept(0, self._exchange(job, 0))
                advance(0)
                return
            workers = min(len(job.batches), self.settings.max_concurrency)
            with ThreadPoolExecutor(workers, thread_name_prefix="jina-client") as pool:
                futures = {pool.submit(self._exchange, job, number): number for number in range(len(job.batches))}
                try:
                    for future in as_completed(futures):
                        number = futures.pop(future)
                        job.accept(number, future.result())
                        advance(number)
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise

    def _exchange(self, job: Job[Any], number: int) -> dict[str, Any]:
        def once() -> dict[str, Any]:
            with self._slots:
                return self._read(self._transport.send(self._request(job, number)))

        try:
            return retrying(self.settings.max_retries)(once)
        except JinaError as error:
            raise self._noted(error, job, number) from error.__cause__


def _transport(settings: Settings) -> Transport:
    if settings.transport is not None:
        if not isinstance(settings.transport, Transport):
            raise JinaInputError(
                f"{type(settings.transport).__name__} has no send and close: it is no transport for this client"
            )
        return settings.transport
    return LocalTransport() if settings.is_local else RequestsTransport(settings.max_concurrency)
