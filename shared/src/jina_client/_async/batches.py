"""The resource ``client.batches``."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Sequence
from typing import Any

from ..arguments import keyword_options
from ..batching import SingleCall
from ..concurrency.tasks import sleep
from ..models import BATCH_MODEL
from ..options import EMBEDDING_ALIASES, NoOptions
from ..progress import BatchProgress
from ..protocol import BatchRequest
from ..protocol.batch import batch_call, list_call, read_job, read_jobs, read_output
from ..results import BatchJob, BatchOutput
from .runner import AsyncRunner


class AsyncBatches:
    """Batch jobs, as ``client.batches``: the service embeds texts in the background."""

    def __init__(self, runner: AsyncRunner) -> None:
        self._runner = runner

    @keyword_options(NoOptions, EMBEDDING_ALIASES)
    async def create(
        self,
        inputs: Iterable[str] | None = None,
        *,
        input_url: str | None = None,
        ids: Sequence[str] | None = None,
        model: str = BATCH_MODEL,
        task: str | None = None,
        dimensions: int | None = None,
        normalized: bool | None = None,
        webhook_url: str | None = None,
    ) -> BatchJob:
        """Create a batch job.

        The client retries only if the service certainly did not act on the request, because otherwise there might be
        two jobs.

        Args:
            inputs: at most 10,000 texts.
            input_url: instead of ``inputs``, a file of JSON lines that the service can read, at most 50,000.
            ids: the name of each text in the output; by default its index.
            model: ``jina-embeddings-v5-text-small`` or ``jina-embeddings-v5-text-nano``.
            task: ``retrieval`` (the default), ``text-matching``, ``clustering`` or ``classification``.
            dimensions: the length of the vectors (Matryoshka); by default the model's full length.
            normalized: scale vectors to length 1; by default yes.
            webhook_url: the address that the service calls when the job is finished.

        Returns:
            The accepted job. :meth:`wait` waits for it, and :meth:`output` fetches the vectors.

        Raises:
            JinaInputError: an invalid input or option; nothing was sent.
        """
        request = BatchRequest.build(
            inputs,
            input_url=input_url,
            ids=ids,
            model=model,
            task=task,
            dimensions=dimensions,
            normalized=normalized,
            webhook_url=webhook_url,
        )
        return await self._runner.run(SingleCall(request.encode(), read_job))

    async def get(self, batch_id: str) -> BatchJob:
        """Return the state of a batch job.

        Raises:
            NotFoundError: the key has no job of this id.
        """
        return await self._runner.run(SingleCall(batch_call(batch_id), read_job))

    async def list(self, limit: int = 20) -> builtins.list[BatchJob]:
        """Return the newest batch jobs, at most ``limit``."""
        return await self._runner.run(SingleCall(list_call(limit), read_jobs))

    async def wait(
        self,
        batch_id: str,
        *,
        poll_interval: float = 5.0,
        timeout: float | None = None,  # noqa: ASYNC109 - the job goes on, and the error reports its progress
        show_progress: bool = False,
    ) -> BatchJob:
        """Wait until a batch job has finished, successfully or not: see its ``status``.

        Args:
            batch_id: the job's id.
            poll_interval: seconds between two requests for the job's state.
            timeout: seconds after which to give up; by default never. The job goes on.
            show_progress: show a progress bar.

        Raises:
            JinaTimeoutError: the job has not finished within ``timeout``.
        """
        with BatchProgress(batch_id, poll_interval, timeout, show_progress) as progress:
            while not progress.is_over(job := await self.get(batch_id)):
                await sleep(progress.interval)
        return job

    async def cancel(self, batch_id: str) -> BatchJob:
        """Cancel a batch job that has not finished, and return its state."""
        return await self._runner.run(SingleCall(batch_call(batch_id, method="DELETE"), read_job))

    async def output(self, batch_id: str) -> BatchOutput:
        """Return the output of a completed batch job."""
        return await self._runner.run(SingleCall(batch_call(batch_id, "output"), read_output))

    async def errors(self, batch_id: str) -> builtins.list[dict[str, Any]]:
        """Return the lines of a batch job's error file, as the service wrote them."""
        return await self._runner.run(SingleCall(batch_call(batch_id, "errors"), list))
