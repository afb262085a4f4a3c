"""The synchronous client."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
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
from .stop import Stop
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
        retry_timeout: seconds after its first attempt, the waiting for the limits not counted, after which a request
            is not sent again.
        max_concurrency: exchanges in flight at once, over all calls and threads of this client. Where the service
            takes fewer, fewer are sent.
        requests_per_minute, tokens_per_minute: the most that this client sends; by default what the service takes, as
            it says when it refuses more.
        dialect: the protocol that the service speaks, one of :data:`jina_client.dialects.DIALECTS`; Jina's by default.
        cache: a file to keep vectors in, so that none is paid for twice, or an :class:`jina_client.EmbeddingCache`.
        on_attempt: a function that is told of every request: see :class:`jina_client.Attempt`. It is called from the
            thread that sends, and must be quick.
        transport: an object to send with instead of HTTP, see :class:`jina_client.transport.Transport`.

    Raises:
        JinaInputError: no key for a host that needs one, or a value that cannot work.
    """

    def _open(self) -> None:
        self._transport = _transport(self.settings)

    @aliases(EMBEDDING_ALIASES)
    def embed(
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
        """One vector for each input.

        Args:
            inputs: any iterable but a single string. A string is a text. Images, PDFs, video, audio and fused groups,
                for the models that take them: see :mod:`jina_client.inputs`.
            model: the model's id, see :data:`jina_client.models.MODELS`.
            task: the adapter, such as ``retrieval.query``; by default the one that the model has for documents.
            dimensions: the length to cut the vectors to (Matryoshka); by default the model's full length.
            late_chunking: embed all inputs as the chunks of one document, in one request. For several documents use
                :meth:`embed_chunked`.
            embedding_type: ``float`` or ``base64`` give float32 (and travel alike); ``binary`` int8 and ``ubinary``
                uint8 give one bit a dimension.
            normalized: scale to length 1; by default yes, where the model takes the option.
            truncate: cut inputs longer than the model's context; by default the service refuses them.
            batch_size: inputs in one request, at most 512; by default 128, and fewer where they are large.
            max_image_side: pixels of the longer side above which an image is made smaller before it is sent, since
                images are billed by tile (needs Pillow: ``jina-client[images]``); by default images are sent as they
                are.
            on_error: whether inputs that fail for good ``"raise"`` a PartialFailureError, or ``"return"`` as the
                result's ``failed``, which then has rows for the other inputs only: see ``input_indices``.
            show_progress: show a progress bar.

        Returns:
            float32 of shape ``(n, dims)``, or bytes of shape ``(n, ceil(dims / 8))``, in the order of the inputs. A PDF
            gives one row for each page: see ``input_indices``.

        Raises:
            JinaInputError: refused before sending.
            PartialFailureError: some inputs have failed, and the vectors of the others are in the error.
            JinaError: nothing is done; see :mod:`jina_client.errors`.
        """
        job = calls.embed(
            self.service,
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
        return self._run(job, show_progress, partial=returns_failures(on_error))

    @aliases(EMBEDDING_ALIASES)
    def embed_stream(
        self,
        inputs: Iterable[Any],
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
    ) -> Iterator[tuple[int, Embeddings]]:
        """Embed inputs as they come, in bounded memory and in order; such as a generator of millions of texts.

        Inputs are taken when there is room for them: at most twice as many requests as ``max_concurrency`` are under
        way or wait to be taken. Nothing is sent before the first result is asked for.

        Args:
            inputs: any iterable; it is read from this thread.
            on_error: as in :meth:`embed`. What all requests have in common, such as a wrong key, or a service that does
                not answer, is raised nevertheless.
            model, task, dimensions, embedding_type, normalized, truncate, batch_size, max_image_side, show_progress: as
                in :meth:`embed`.

        Yields:
            The index of the first input, and the vectors of it and of those that follow, as many as one request holds.
            ``input_indices`` and ``failed`` count from the beginning of the stream.

        Raises:
            PartialFailureError: inputs failed; ``completed`` has what is done and was not yielded yet.
            JinaInputError: an input that cannot be sent.
        """
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
        return self._stream(stream.jobs(inputs), stream.total(inputs), partial=partial, show_progress=show_progress)

    @aliases(EMBEDDING_ALIASES)
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
            documents: for each document the list of its chunks, in order. Each is sent in one request, or, where it is
                longer than the model's context, in several that overlap: see ``windows`` of the result.
            model, task, dimensions, embedding_type, normalized, truncate, show_progress: as in :meth:`embed`.

        Returns:
            For each document one vector for each of its chunks. ``usage`` is of the whole call.

        Raises:
            JinaInputError: a model without late chunking.
            PartialFailureError: some documents have failed; ``completed`` and ``failed`` are by document.
        """
        job = calls.embed_chunked(
            self.service,
            documents,
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
        )
        self._run(job, show_progress)
        return job.by_document()

    @aliases(EMBEDDING_ALIASES)
    def embed_multi_vector(
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
        """One vector for each token of each input, for late interaction.

        Args:
            inputs: as in :meth:`embed`.
            model: ``jina-colbert-v2``, ``jina-colbert-v1-en`` or ``jina-embeddings-v4``.
            input_type: ``query`` or ``document``. ColBERT gives 32 vectors for every query; for v4 it chooses the task.
            dimensions: 128, 96 or 64 (``jina-colbert-v2``).
            task: v4's task, above the one that ``input_type`` chooses.
            embedding_type, truncate, batch_size, max_image_side, show_progress: as in :meth:`embed`.
            return_tokenized_input: give the tokens too (v4).
            endpoint: ``embeddings``, as the published schema has it; ``multi-vector`` for services of 2024 and 2025.

        Returns:
            Arrays of shape ``(tokens, dims)``, in the order of the inputs.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
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
        return self._run(job, show_progress)

    @aliases(EMBEDDING_ALIASES)
    def embed_sparse(
        self,
        inputs: Iterable[str],
        *,
        model: str = calls.SPARSE_MODEL,
        task: str | None = None,
        batch_size: int | None = None,
        show_progress: bool = False,
    ) -> SparseEmbeddings:
        """Sparse vectors: for each text the tokens that stand for it, with their scores.

        Args:
            inputs: texts; any iterable but a single string.
            model: ``elser-v2``.
            task: ``retrieval.passage`` (the default) or ``retrieval.query``.
            batch_size, show_progress: as in :meth:`embed`.
        """
        job = calls.embed_sparse(self.service, inputs, model=model, task=task, batch_size=batch_size)
        return self._run(job, show_progress)

    @aliases(RERANK_ALIASES)
    def rerank(
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
        """Documents from the most to the least relevant to a query.

        Args:
            query: a text; an image with ``jina-reranker-m0``.
            documents: texts, or ``{"text": …}``; images with ``jina-reranker-m0``; any iterable but a single string.
                More than one request may hold are scored in parts, see :class:`jina_client.planning.RerankJob`.
            model: the reranker's id.
            top_n: how many to return; by default all.
            return_documents: give the caller's own documents back in the results. They never travel back.
            truncation: cut documents longer than the model's context.
            max_doc_length: the tokens of each document that are read, 1 to 8192 (``jina-reranker-v3`` and later).
            return_embeddings: give each document's vector too (``jina-reranker-v3`` and later).
            batch_size: documents in one request, at most 512, which is the default.
            max_image_side: as in :meth:`embed`.

        Returns:
            The best ``top_n``, each with its index in ``documents`` and the caller's own document.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
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
        return self._run(job)

    def classify(
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
        """The label of each input, out of ``labels`` (zero-shot) or by a trained classifier (few-shot).

        Args:
            inputs: texts; images too with the CLIP models.
            labels: at most 512 labels, or at most 8 groups (a dictionary) of at most 64 labels, one of which is chosen
                from each group.
            model: the embedding model that compares inputs and labels.
            classifier_id: a trained classifier, in place of ``labels`` and ``model``.
            batch_size, max_image_side, show_progress: as in :meth:`embed`.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
        job = calls.classify(
            self.service,
            inputs,
            labels,
            model=model,
            classifier_id=classifier_id,
            batch_size=batch_size,
            max_image_side=max_image_side,
        )
        return self._run(job, show_progress)

    def train(
        self,
        examples: Iterable[Any],
        *,
        model: str = calls.CLASSIFIER_MODEL,
        classifier_id: str | None = None,
        access: Access = "private",
        num_iters: int = 10,
        max_image_side: int | None = None,
    ) -> TrainedClassifier:
        """Train a classifier by examples, or an existing one further.

        It is sent again only where the service says that it did nothing: otherwise there might be two classifiers.

        Args:
            examples: at most 512 pairs ``(input, label)``, or ``{"text": …, "label": …}``; images too with CLIP and v4.
            model: the embedding model of a new classifier.
            classifier_id: a classifier to train further; ``model`` and ``access`` stay what they are.
            access: ``private``, or ``public``: anybody can classify with it.
            num_iters: passes over the examples.
            max_image_side: as in :meth:`embed`.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
        job = calls.train(
            examples,
            model=model,
            classifier_id=classifier_id,
            access=access,
            num_iters=num_iters,
            max_image_side=max_image_side,
        )
        return self._run(job)

    def classifiers(self) -> list[ClassifierInfo]:
        """The classifiers trained with this key."""
        return self._run(calls.classifiers())

    def delete_classifier(self, classifier_id: str) -> None:
        """Delete a trained classifier.

        Raises:
            NotFoundError: there is none of this id.
        """
        self._run(calls.delete_classifier(classifier_id))

    def segment(
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
        """Cut a text into chunks where its structure breaks, and count its tokens.

        Args:
            text: the text. One of 64,000 characters or more is sent in parts, cut after a line where there is one.
            tokenizer: ``cl100k_base``, ``o200k_base``, ``p50k_base``, ``r50k_base``, ``p50k_edit`` or ``gpt2``.
            max_chunk_length: characters.
            return_chunks: give the chunks and their positions.
            return_tokens: give the tokens.
            head, tail: only the first, or the last, of so many tokens.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
        job = calls.segment(
            text,
            tokenizer=tokenizer,
            max_chunk_length=max_chunk_length,
            return_chunks=return_chunks,
            return_tokens=return_tokens,
            head=head,
            tail=tail,
        )
        return self._run(job)

    def estimate_tokens(
        self,
        inputs: Iterable[Any] | str,
        *,
        model: str,
        tokenizer: Tokenizer | None = None,
        max_image_side: int | None = None,
    ) -> int:
        """What inputs will be billed as, without sending anything.

        Images are counted by the published formula: ``ceil(width / t) * ceil(height / t) * c`` for tiles of ``t``
        pixels (clip-v1: 224 and 1000, clip-v2: 512 and 4000, v4: 28 and 10). Texts are counted with the task's prefix
        and two special tokens, by a tokenizer or else roughly, see :func:`jina_client.estimates.text_tokens`.

        Args:
            inputs: as in :meth:`embed`, or one text. Images need Pillow (``jina-client[images]``).
            model: a model of the catalogue.
            tokenizer: something with ``encode``, of tokenizers, transformers or tiktoken.
            max_image_side: as in :meth:`embed`.

        Raises:
            JinaInputError: an unknown model, an image that only the service can fetch, or a PDF, video or audio, for
                which no formula is published.
        """
        return estimate_tokens(inputs, model=model, tokenizer=tokenizer, max_image_side=max_image_side)

    def read(
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
        """A page of the web as text, from Jina's reader.

        Args:
            url: the page's address.
            return_format: ``markdown`` (the default), ``html``, ``text``, or ``screenshot`` and ``pageshot``, whose
                address is in ``details``.
            target_selector: the CSS selector of the part that is wanted.
            page_timeout: seconds that the service waits for the page; the client's own ``timeout`` should be longer.
            with_links_summary: list the links at the end.
            no_cache: fetch the page anew.
            headers: further headers of the reader, such as ``{"X-Wait-For-Selector": "main"}``. They stay as they are:
                the key is never written into them.
            plain: have the answer as a text instead of JSON: a page with nothing but its ``content``.
            endpoint: the reader's address, for a reader of one's own; by default ``https://r.jina.ai``. The key goes to
                Jina's hosts and to the server of ``base_url``, and to no other.

        Raises:
            JinaInputError: refused before sending; also a client that calls another service than Jina's, without
                ``endpoint``.
            PaymentRequiredError: the balance is used up.
            JinaError: see :mod:`jina_client.errors`.
        """
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
        return self._run(job)

    def search(
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
        """Pages of the web that answer a query, from Jina's search.

        Args:
            query: the query.
            return_format, page_timeout, with_links_summary, no_cache, headers, plain: as in :meth:`read`.
            endpoint: as in :meth:`read`; by default ``https://s.jina.ai``.
        """
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
        return self._run(job)

    def ground(
        self,
        statement: str,
        *,
        no_cache: bool | None = None,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
        endpoint: str | None = None,
    ) -> Grounding:
        """A statement checked against the web, by Jina's grounding service.

        Args:
            statement: the statement.
            no_cache, headers, plain: as in :meth:`read`.
            endpoint: as in :meth:`read`; by default ``https://g.jina.ai``.
        """
        job = calls.ground(self.service, statement, no_cache=no_cache, headers=headers, plain=plain, endpoint=endpoint)
        return self._run(job)

    def models(self) -> list[ModelInfo]:
        """The models that the service has."""
        return self._run(calls.models())

    def model(self, model: str) -> ModelInfo:
        """One model that the service has.

        Raises:
            NotFoundError: it has none of this id.
        """
        return self._run(calls.model(model))

    @aliases(EMBEDDING_ALIASES)
    def create_batch(
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
        """Have texts embedded by a batch job, which the service runs in its own time.

        It is sent again only where the service says that it did nothing: otherwise there might be two jobs.

        Args:
            inputs: at most 10,000 texts.
            input_url: in place of ``inputs``, a file of JSON lines that the service can read, at most 50,000.
            ids: what each text is called in the output; by default its index.
            model: ``jina-embeddings-v5-text-small`` or ``jina-embeddings-v5-text-nano``.
            task: ``retrieval`` (the default), ``text-matching``, ``clustering`` or ``classification``.
            dimensions, normalized: as in :meth:`embed`.
            webhook_url: where the service tells that the job is done.

        Returns:
            The job as it was accepted. :meth:`wait_for_batch` waits for it, :meth:`batch_output` fetches the vectors.
        """
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
        return self._run(job)

    def get_batch(self, batch_id: str) -> BatchJob:
        """How far a batch job is."""
        return self._run(calls.get_batch(batch_id))

    def list_batches(self, limit: int = 20) -> list[BatchJob]:
        """The newest batch jobs."""
        return self._run(calls.list_batches(limit))

    def wait_for_batch(
        self,
        batch_id: str,
        *,
        poll_interval: float = 5.0,
        timeout: float | None = None,
        show_progress: bool = False,
    ) -> BatchJob:
        """Wait until a batch job is finished, well or badly: see its ``status``.

        Args:
            batch_id: the job's id.
            poll_interval: seconds between two questions.
            timeout: seconds after which to give up; by default never. The job goes on.
            show_progress: show a progress bar.

        Raises:
            JinaTimeoutError: the job is not finished within ``timeout``.
        """
        with Waiting(batch_id, poll_interval, timeout, show_progress) as waiting:
            while not waiting.is_over(job := self.get_batch(batch_id)):
                time.sleep(waiting.pause)
        return job

    def cancel_batch(self, batch_id: str) -> BatchJob:
        """Cancel a batch job that is not finished."""
        return self._run(calls.cancel_batch(batch_id))

    def batch_output(self, batch_id: str) -> BatchOutput:
        """The output of a batch job that is completed."""
        return self._run(calls.batch_output(batch_id))

    def batch_errors(self, batch_id: str) -> list[dict[str, Any]]:
        """The lines of a batch job's error file, as the service wrote them."""
        return self._run(calls.batch_errors(batch_id))

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

    def _run(self, job: Job[T], show_progress: bool = False, *, partial: bool = False) -> T:
        while True:
            try:
                self._send(job, show_progress)
            finally:
                self._count(job.usage)
            job.check(partial=partial)
            following = job.then()
            if following is None:
                return job.result()
            job = following

    def _send(self, job: Job[Any], show_progress: bool) -> None:
        stop = Stop()
        with Progress(show_progress, sum(map(len, job.batches))) as progress, handing_over([job]):
            if len(job.batches) == 1:
                self._complete(job, job.batches[0], stop)
                progress.advance(len(job.batches[0]), job.usage.total_tokens)
                return
            workers = max(1, min(len(job.batches), self.settings.max_concurrency))
            with self._working(workers, stop) as pool:
                futures = {pool.submit(self._complete, job, batch, stop): batch for batch in job.batches}
                for future in as_completed(futures):
                    future.result()
                    progress.advance(len(futures[future]), job.usage.total_tokens)

    def _stream(
        self, jobs: Iterator[EmbedJob], total: int | None, *, partial: bool, show_progress: bool
    ) -> Iterator[tuple[int, Embeddings]]:
        stop, most, tokens = Stop(), self.settings.max_concurrency, 0
        # Those whose result the caller does not have yet.
        under_way: dict[EmbedJob, Future[None]] = {}
        with (
            Progress(show_progress, total) as progress,
            handing_over(under_way),
            self._working(most, stop) as pool,
        ):
            while True:
                busy = sum(not future.done() for future in under_way.values())
                if busy < most and len(under_way) < 2 * most and (job := next(jobs, None)) is not None:
                    under_way[job] = pool.submit(self._complete_all, job, stop)
                    continue
                if not under_way:
                    return
                job = next(iter(under_way))
                under_way[job].result()
                self._count(job.usage)
                job.check(partial=partial and job.stopped is None)
                result = job.result()
                del under_way[job]
                tokens += job.usage.total_tokens
                progress.advance(job.length, tokens)
                yield job.first, result

    def _complete_all(self, job: Job[Any], stop: Stop) -> None:
        for batch in job.batches:
            self._complete(job, batch, stop)

    def _complete(self, job: Job[Any], batch: range, stop: Stop) -> None:
        """Send a batch, in pieces where it must be; what fails for good is noted in the job."""
        found = Isolation(batch, job.sizes, divisible=job.divisible)
        while job.stopped is None and (piece := found.next()) is not None:
            try:
                self._exchange(job, piece, stop, retry=found.retries)
            except JinaError as error:
                found.refused(piece, error, promising=job.promising)
        job.give_up(found)

    def _exchange(self, job: Job[Any], piece: range, stop: Stop, *, retry: bool) -> None:
        exchange = Exchange(self, job, piece, retry=retry)

        def attempt() -> None:
            with self._turn(exchange, stop) as turn:
                job.take(piece, exchange.answer(turn, self._transport.send(exchange.request())))

        with stop.working():
            exchange.retrying(attempt, stop.sleep)

    @contextmanager
    def _turn(self, exchange: Exchange, stop: Stop) -> Iterator[Turn]:
        """Wait for a turn, and end it."""
        event = threading.Event()
        turn = exchange.join(event.set)
        try:
            with stop.waking(event.set):
                while (delay := self.pacer.delay(turn)) > 0:
                    event.wait(None if math.isinf(delay) else delay)
                    event.clear()
                    stop.check()
            yield turn
        finally:
            self.pacer.leave(turn)

    @contextmanager
    def _working(self, workers: int, stop: Stop) -> Iterator[ThreadPoolExecutor]:
        """Threads, of which none is left when the block ends, however it ends."""
        with ThreadPoolExecutor(workers, thread_name_prefix="jina-client") as pool:
            try:
                yield pool
            except BaseException:
                stop.set()
                abort = getattr(self._transport, "abort", None)
                pool.shutdown(wait=False, cancel_futures=True)
                # Again and again, for a thread may just be about to connect or to send.
                while abort is not None and stop.threads:
                    abort(list(stop.threads))
                    time.sleep(0.01)
                raise


def _transport(settings: Settings) -> Transport:
    if settings.transport is not None:
        if not isinstance(settings.transport, Transport):
            raise JinaInputError(
                f"{type(settings.transport).__name__} has no send and close: it is no transport for this client"
            )
        return settings.transport
    if settings.is_sagemaker:
        return SageMakerTransport(settings.base_url, settings.max_concurrency)
    return LocalTransport() if settings.is_local else RequestsTransport(settings.max_concurrency)
