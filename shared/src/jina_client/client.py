"""The synchronous client."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Any, Self, TypeVar

from . import calls
from .arguments import EMBEDDING_ALIASES, RERANK_ALIASES, aliases
from .base import BaseClient
from .errors import JinaError, JinaInputError
from .estimates import Tokenizer, estimate_tokens
from .models import EmbeddingType, Role
from .planning import Job
from .policy import retrying
from .progress import Waiting, progress_bar
from .protocol.classification import Access, Labels
from .protocol.embedding import ColbertEndpoint
from .results import (
    BatchJob,
    BatchOutput,
    Classifications,
    ClassifierInfo,
    Embeddings,
    ModelInfo,
    MultiVectors,
    RerankResult,
    Segments,
    SparseEmbeddings,
    TrainedClassifier,
)
from .sagemaker import SageMakerTransport
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
        dialect: the protocol that the service speaks, one of :data:`jina_client.dialects.DIALECTS`; Jina's by default.
        transport: an object to send with instead of HTTP, see :class:`jina_client.transport.Transport`.

    Raises:
        JinaInputError: no key for a host that needs one, or a value that cannot work.
    """

    def _open(self) -> None:
        self._slots = threading.BoundedSemaphore(self.settings.max_concurrency)
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
            show_progress: show a progress bar.

        Returns:
            float32 of shape ``(n, dims)``, or bytes of shape ``(n, ceil(dims / 8))``, in the order of the inputs. A PDF
            gives one row for each page: see ``input_indices``.

        Raises:
            JinaInputError: refused before sending.
            JinaError: see :mod:`jina_client.errors`.
        """
        job = calls.embed(
            self.dialect,
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
        return self._run(job, show_progress)

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
            documents: for each document the list of its chunks, in order; one request each.
            model, task, dimensions, embedding_type, normalized, truncate, show_progress: as in :meth:`embed`.

        Returns:
            For each document one vector for each of its chunks. ``usage`` is of the whole call.

        Raises:
            JinaInputError: a model without late chunking, or a document of more than 512 chunks.
        """
        job, split = calls.embed_chunked(
            self.dialect,
            documents,
            model=model,
            task=task,
            dimensions=dimensions,
            embedding_type=embedding_type,
            normalized=normalized,
            truncate=truncate,
        )
        return split(self._run(job, show_progress))

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
        job = calls.embed_sparse(inputs, model=model, task=task, batch_size=batch_size)
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

    def _run(self, job: Job[T], show_progress: bool = False) -> T:
        while True:
            try:
                self._send(job, show_progress)
            finally:
                self._count(job.usage)
            following = job.then()
            if following is None:
                return job.result()
            job = following

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

    def _exchange(self, job: Job[Any], number: int) -> Any:
        call = job.call(number)

        def once() -> Any:
            with self._slots:
                return self._read(call, self._transport.send(self._request(call)))

        try:
            return retrying(self.settings.max_retries, call.repeatable)(once)
        except JinaError as error:
            raise self._noted(error, job, number) from error.__cause__


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
