"""The asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Any, Unpack

from .. import batching, protocol, results
from ..arguments import keyword_options
from ..concurrency.tasks import closed_by_loop, in_thread
from ..estimates import Tokenizer, estimate_tokens
from ..inputs import as_text
from ..models import CLASSIFIER_MODEL, EMBEDDING_MODEL, MULTI_VECTOR_MODEL, RERANKER_MODEL, SPARSE_MODEL, Role
from ..options import (
    EMBEDDING_ALIASES,
    RERANK_ALIASES,
    EmbedListOptions,
    EmbedOptions,
    InputOptions,
    MultiVectorOptions,
    OnError,
    RerankOptions,
    returns_failures,
)
from ..results import Embeddings
from .lifecycle import AsyncClientLifecycle


class AsyncJinaClient(AsyncClientLifecycle):
    """A client of Jina AI's search models for asynchronous programs; see JinaClient for the synchronous one.

    It may be used from several threads and event loops. The limits hold for all of them together. A pickled client
    holds its settings; the copy opens connections of its own.

    Example:
        >>> async with AsyncJinaClient(base_url="local") as client:
        ...     embeddings = await client.embed(["a text", "another"], model="jina-embeddings-v3")

    Args:
        api_key: the API key; by default the first of the environment variables ``JINA_API_KEY``, ``JINAAI_API_KEY`` and
            ``JINA_AUTH_TOKEN`` that is set. Only Jina's own hosts need one.
        base_url: the API's root; by default ``JINA_BASE_URL``, or ``https://api.jina.ai/v1``. ``"local"`` is the
            embedded engine inside this process. A list of addresses names servers of your own that serve the same
            model, see :mod:`jina_client.servers`; the limits below then hold for each of them.
        timeout: seconds from the start of a request to the last byte of its response.
        max_retries: maximum number of retries after a transient failure.
        retry_timeout: seconds after the first attempt within which retries may start. Time in the rate limiter's queue
            does not count.
        max_concurrency: maximum number of requests in flight, over all calls and threads of this client. If the service
            allows fewer, the client sends fewer. By default the number adapts to the service: it starts at 8 and grows
            up to 64 while throughput grows with it, see :mod:`jina_client.adaptive`.
        requests_per_minute: client-side limit; by default the limit that the service states when it rejects a request.
        tokens_per_minute: client-side limit; by default the limit that the service states when it rejects a request.
        limiter: an object that decides when a request may be sent, instead of these three limits, such as one that
            several clients or processes share; see :class:`jina_client.limiter.Limiter`.
        dialect: the protocol that the service speaks, one of :data:`jina_client.dialects.DIALECTS`; by default Jina's.
        cache: path of a file to keep vectors in, so that none is paid for twice, or an
            :class:`jina_client.EmbeddingCache`.
        on_attempt: function that is called with an :class:`jina_client.Attempt` for every request. It runs in the
            thread that sends, and must be quick.
        transport: an object that sends requests instead of HTTP; see :mod:`jina_client.transport.contract`.
        headers: headers to add to every request, such as those that a gateway asks for. Integrations save them, so put
            no secret there.
        key_header: the header that carries the key alone, such as ``api-key``; by default the key is sent as
            ``Authorization: Bearer``.
        ca_bundle: path of a file of certificate authorities to trust, in PEM form; by default the usual ones.

    Raises:
        JinaInputError: a missing key, an unknown argument, or a value that cannot work.
    """

    @keyword_options(EmbedListOptions, EMBEDDING_ALIASES)
    async def embed(
        self,
        inputs: Iterable[Any],
        *,
        model: str = EMBEDDING_MODEL,
        late_chunking: bool = False,
        on_error: OnError = "raise",
        **options: Unpack[EmbedListOptions],
    ) -> Embeddings:
        """Embed inputs, one vector each.

        Args:
            inputs: any iterable except a single string. Strings are texts. Models that accept images, PDFs, video,
                audio or fused groups take those too: see :mod:`jina_client.inputs`.
            model: the model's id, see :data:`jina_client.models.MODELS`.
            late_chunking: read all inputs as the chunks of one document, in one request. For several documents use
                :meth:`embed_chunked`.
            on_error: what happens to inputs that fail for good: ``"raise"`` raises PartialFailureError; ``"return"``
                returns them as ``failed`` of the result, whose rows are then those of the other inputs (see
                ``input_indices``).
            task: the adapter, such as ``retrieval.query``; by default the model's own for documents.
            dimensions: the length of the vectors (Matryoshka); by default the model's full length.
            embedding_type: ``float`` and ``base64`` both return float32 (and travel alike); ``binary`` returns int8 and
                ``ubinary`` uint8 with one bit per dimension.
            normalized: scale vectors to length 1; by default yes, if the model takes the option.
            truncate: cut inputs longer than the model's context; by default the service rejects them.
            batch_size: inputs per request, at most 512. By default the client makes requests of one size: as many as
                may be in flight if each gets at least 32 inputs, and more if one would get more than 512 or be too
                large.
            max_image_side: longer side in pixels above which an image is made smaller before it is sent, because images
                are billed by tile. Needs Pillow, the extra ``images``. By default images are sent unchanged.
            show_progress: show a progress bar.

        Returns:
            float32 vectors of shape ``(n, dims)``, or bytes of shape ``(n, ceil(dims / 8))``, in the order of the
            inputs. A PDF has one row per page: see ``input_indices``.

        Raises:
            JinaInputError: an invalid input or option; nothing was sent.
            PartialFailureError: some inputs failed; the error holds the vectors of the others.
            JinaError: every input failed; see :mod:`jina_client.errors`.
        """
        partial = returns_failures(on_error)
        job = await self._runner.plan(model, batching.plan_embed, inputs, model, options, late_chunking=late_chunking)
        return await self._runner.run(job, show_progress=options.get("show_progress", False), partial=partial)

    @keyword_options(EmbedListOptions, EMBEDDING_ALIASES)
    def embed_stream(
        self,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        model: str = EMBEDDING_MODEL,
        on_error: OnError = "raise",
        **options: Unpack[EmbedListOptions],
    ) -> AsyncIterator[tuple[int, Embeddings]]:
        """Embed inputs as they arrive, in bounded memory and in order, such as a generator of millions of texts.

        The client takes inputs only when it has room for them: at most twice as many requests as may be in flight
        have been sent or wait to be taken. It sends nothing before the first result is requested.

        Args:
            inputs: any iterable; for the asynchronous client also an asynchronous one.
            model: as in :meth:`embed`.
            on_error: as in :meth:`embed`. An error that all requests share, such as a wrong key or a service that does
                not respond, is raised nevertheless.
            **options: as in :meth:`embed`.

        Yields:
            The index of a request's first input, and the vectors of its inputs. ``input_indices`` and ``failed`` count
            from the beginning of the stream.

        Raises:
            PartialFailureError: inputs failed; ``completed`` holds the results that were not yielded yet.
            JinaInputError: an invalid input.
        """
        plan = batching.StreamPlan(self._runner.context, model, options)
        partial = returns_failures(on_error)
        stream = self._runner.stream(plan, inputs, show_progress=options.get("show_progress", False), partial=partial)
        return closed_by_loop(stream)

    @keyword_options(EmbedOptions, EMBEDDING_ALIASES)
    async def embed_chunked(
        self,
        documents: Iterable[Sequence[str]],
        *,
        model: str = EMBEDDING_MODEL,
        **options: Unpack[EmbedOptions],
    ) -> list[Embeddings]:
        """Embed the chunks of documents, each in the context of its own document and of no other (late chunking).

        Args:
            documents: for each document the list of its chunks, in order. Each document is one request; one that is
                longer than the model's context is several requests that overlap: see ``windows`` of the result.
            model: the id of a model with late chunking.
            **options: as in :meth:`embed`.

        Returns:
            For each document one vector per chunk. ``usage`` is that of the whole call.

        Raises:
            JinaInputError: a model without late chunking, or an invalid option.
            PartialFailureError: some documents failed; ``completed`` and ``failed`` are by document.
        """
        job = await self._runner.plan(model, batching.plan_embed_chunked, documents, model, options)
        await self._runner.run(job, show_progress=options.get("show_progress", False))
        return job.by_document()

    @keyword_options(MultiVectorOptions, EMBEDDING_ALIASES)
    async def embed_multi_vector(
        self,
        inputs: Iterable[Any],
        *,
        model: str = MULTI_VECTOR_MODEL,
        input_type: Role = "document",
        return_tokenized_input: bool = False,
        endpoint: protocol.ColbertEndpoint = "embeddings",
        on_error: OnError = "raise",
        **options: Unpack[MultiVectorOptions],
    ) -> results.MultiVectors:
        """Embed inputs, one vector per token, for late interaction.

        Args:
            inputs: as in :meth:`embed`.
            model: ``jina-colbert-v2``, ``jina-colbert-v1-en`` or ``jina-embeddings-v4``.
            input_type: ``query`` or ``document``. ColBERT gives 32 vectors for every query; for v4 it chooses the task.
            return_tokenized_input: return the tokens too (v4).
            endpoint: ``embeddings``, as the published schema has it, or ``multi-vector`` for services of 2024 and 2025.
            on_error: as in :meth:`embed`.
            **options: as in :meth:`embed`. ``dimensions`` may be 128, 96 or 64 (``jina-colbert-v2``); ``task`` (v4)
                takes precedence over ``input_type``.

        Returns:
            float32 arrays of shape ``(tokens, dims)``, in the order of the inputs.

        Raises:
            JinaInputError: an invalid input or option; nothing was sent.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = protocol.MultiVectorRequest.build(
            model, options, input_type=input_type, return_tokenized_input=return_tokenized_input, endpoint=endpoint
        )
        job = await self._runner.plan(model, batching.plan_multi_vector, inputs, request, options)
        partial = returns_failures(on_error)
        return await self._runner.run(job, show_progress=options.get("show_progress", False), partial=partial)

    async def embed_sparse(
        self,
        inputs: Iterable[str],
        *,
        model: str = SPARSE_MODEL,
        task: str | None = None,
        batch_size: int | None = None,
        show_progress: bool = False,
    ) -> results.SparseEmbeddings:
        """Embed texts as sparse vectors: a score for each token that matters.

        Args:
            inputs: texts.
            model: ``elser-v2``.
            task: ``retrieval.query`` or ``retrieval.passage``; by default the latter.
            batch_size: texts per request, at most 512.
            show_progress: show a progress bar.

        Returns:
            One dictionary of scores by token for each text, in the order of the texts.

        Raises:
            JinaInputError: an invalid input or option; nothing was sent.
            JinaError: see :mod:`jina_client.errors`.
        """
        job = batching.plan_sparse(
            self._runner.context, inputs, protocol.SparseRequest.build(model, task=task), batch_size
        )
        return await self._runner.run(job, show_progress=show_progress)

    @keyword_options(RerankOptions, RERANK_ALIASES)
    async def rerank(
        self, query: Any, documents: Iterable[Any], *, model: str = RERANKER_MODEL, **options: Unpack[RerankOptions]
    ) -> results.RerankResult:
        """Sort documents by their relevance to a query.

        Args:
            query: a text; for ``jina-reranker-m0`` also an image.
            documents: texts; for ``jina-reranker-m0`` also images, see :mod:`jina_client.inputs`.
            model: the reranker's id.
            top_n: the number of documents to return; by default all.
            return_documents: put the caller's own documents into the result; the service is never asked to send them
                back.
            truncation: cut documents longer than the model's context.
            max_doc_length: tokens per document that the model reads, 1 to 8192 (``jina-reranker-v3`` and later).
            return_embeddings: return a vector of 512 dimensions per document (``jina-reranker-v3`` and later).
            batch_size: documents per request, at most 512; by default as many as a request may hold.
            max_image_side: as in :meth:`embed`.

        Returns:
            The documents, most relevant first. If they need several requests, pointwise models score each document on
            its own and the scores are merged; listwise ones rerank the best ``top_n`` of each request among themselves.

        Raises:
            JinaInputError: an invalid input or option; nothing was sent.
            JinaError: see :mod:`jina_client.errors`.
        """
        return await self._runner.run(
            await self._runner.plan(model, batching.plan_rerank, query, documents, model, options)
        )

    @keyword_options(InputOptions)
    async def classify(
        self,
        inputs: Iterable[Any],
        labels: protocol.Labels | None = None,
        *,
        model: str = CLASSIFIER_MODEL,
        classifier_id: str | None = None,
        show_progress: bool = False,
        **options: Unpack[InputOptions],
    ) -> results.Classifications:
        """Classify inputs, by labels (zero-shot) or by a trained classifier (few-shot).

        Args:
            inputs: texts; images too with CLIP models.
            labels: up to 512 labels, or up to 8 groups of up to 64 labels each; every input gets one label per group.
            model: the embedding model for zero-shot classification.
            classifier_id: a trained classifier instead of labels, see :attr:`classifiers`.
            show_progress: show a progress bar.
            **options: ``batch_size`` and ``max_image_side``, as in :meth:`embed`.

        Returns:
            One classification per input, in the order of the inputs.

        Raises:
            JinaInputError: an invalid input or option; nothing was sent.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = protocol.ClassifyRequest.build(model=model, labels=labels, classifier_id=classifier_id)
        job = await self._runner.plan(model, batching.plan_classify, inputs, model, request, options)
        return await self._runner.run(job, show_progress=show_progress)

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
    ) -> results.Segments:
        """Split a text into chunks along its structure, and count its tokens.

        Args:
            text: the text. One of 64,000 characters or more is sent in parts, cut after a line if possible.
            tokenizer: ``cl100k_base``, ``o200k_base``, ``p50k_base``, ``r50k_base``, ``p50k_edit`` or ``gpt2``.
            max_chunk_length: characters per chunk.
            return_chunks: return the chunks and their positions.
            return_tokens: return the tokens.
            head: return only the first tokens, this many.
            tail: return only the last tokens, this many.

        Raises:
            JinaInputError: an invalid option; nothing was sent.
            JinaError: see :mod:`jina_client.errors`.
        """
        request = protocol.SegmentRequest.build(
            tokenizer=tokenizer,
            max_chunk_length=max_chunk_length,
            return_chunks=return_chunks,
            return_tokens=return_tokens,
            head=head,
            tail=tail,
        )
        return await self._runner.run(batching.SegmentJob(request, as_text(text, "text")))

    async def estimate_tokens(
        self,
        inputs: Iterable[Any] | str,
        *,
        model: str,
        tokenizer: Tokenizer | None = None,
        max_image_side: int | None = None,
    ) -> int:
        """Estimate the tokens that inputs will be billed as, without sending anything.

        Images are counted by the published formula: ``ceil(width / t) * ceil(height / t) * c`` for tiles of ``t``
        pixels (clip-v1: 224 and 1000, clip-v2: 512 and 4000, v4: 28 and 10). Texts are counted with the task's prefix
        and two special tokens, by a tokenizer or else roughly, see :func:`jina_client.inputs.text_tokens`.

        Args:
            inputs: as in :meth:`embed`, or one text. Images need Pillow, the extra ``images``.
            model: a model of the catalog.
            tokenizer: an object with ``encode``, of tokenizers, transformers or tiktoken.
            max_image_side: as in :meth:`embed`.

        Raises:
            JinaInputError: an unknown model, an image that only the service can fetch, or a PDF, video or audio, for
                which no formula is published.
        """
        return await in_thread(estimate_tokens, inputs, model=model, tokenizer=tokenizer, max_image_side=max_image_side)
