"""Runs a job: sends its requests, retries them, and stores what comes back."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager, aclosing, nullcontext
from itertools import repeat
from typing import Any, TypeVar

from tenacity import AsyncRetrying

from .. import servers as pools
from ..batching import Job, PlanningContext, StreamPlan, attaching_results
from ..batching.bisection import Bisection
from ..batching.embedding import EmbedJob
from ..concurrency.tasks import TaskWorkers, in_thread, iterate, open_transport, to_completion
from ..errors import JinaError
from ..http_codec import HttpCodec
from ..limiter import Limiter
from ..memory import BODIES_BYTES, STREAM_BYTES, MemoryBudget
from ..models import reads_files
from ..observation import observed_call
from ..per_process import PerProcess
from ..progress import progress_of_call
from ..protocol import Call, usage_of
from ..results import Embeddings, Usage
from ..retries import Attempts
from ..settings import Settings
from ..turns import Turn
from .server_models import ask_for_models

T = TypeVar("T")
J = TypeVar("J", bound=Job[Any])


class AsyncRunner:
    """Sends the requests of jobs, within one client's limits.

    Args:
        settings: the client's.
    """

    def __init__(self, settings: Settings) -> None:
        dialect = settings.new_dialect()
        self.context = PlanningContext.of(settings, dialect)
        self.usage = Usage()
        self._settings = settings
        self._transport = open_transport(settings)
        self._codec = HttpCodec(settings, dialect)
        # A forked child starts with an empty queue of its own.
        self._limiters: PerProcess[Limiter] = PerProcess(settings.new_limiter, settings.limiter)
        self._pools = PerProcess(self._new_pool)
        self._bodies = PerProcess(lambda: MemoryBudget(BODIES_BYTES))
        self._counting = threading.Lock()

    @property
    def servers(self) -> list[pools.ServerState]:
        """The state of each of several servers."""
        pool = self._pool()
        return [] if pool is None else pool.states

    def _pool(self) -> pools.Servers | None:
        """Return the servers of this process if there are several; they have a limiter each."""
        return self._pools.get() if len(self._settings.roots) > 1 else None

    def _limiter(self) -> Limiter | pools.Servers:
        """Return what holds up requests."""
        pool = self._pool()
        return self._limiters.get() if pool is None else pool

    def _new_pool(self) -> pools.Servers:
        settings = self._settings
        shared = None if settings.limiter is None else self._limiters.get()
        return pools.Servers(settings.roots, settings.new_limiter, shared=shared)

    def _expecting(self, batches: Iterator[Any]) -> AbstractContextManager[None]:
        """Tell several servers what follows in the block; with one, nobody needs to know."""
        pool = self._pool()
        return nullcontext() if pool is None else pool.expecting(batches)

    async def plan(self, model: Any, make: Callable[..., J], *arguments: Any, **options: Any) -> J:
        """Return a planned job.

        Planning may take long: it looks for every input in the cache, and opens files if the model takes any.

        Args:
            model: the model's id.
            make: plans the job.
            *arguments: passed on after the context.
            **options: passed on.
        """
        blocks = self.context.cache is not None or reads_files(model)
        return await in_thread(make, self.context, *arguments, blocks=blocks, **options)

    async def run(self, job: Job[T], *, show_progress: bool = False, partial: bool = False) -> T:
        """Send every request of a job and return its result.

        Args:
            job: the call as requests.
            show_progress: show a progress bar.
            partial: whether failed inputs are part of the result; otherwise they raise.
        """
        with observed_call(self._settings, job) as call, call.current():
            try:
                return await self._run_rounds(job, show_progress, partial)
            finally:
                call.finished(job)

    async def _run_rounds(self, job: Job[T], show_progress: bool, partial: bool) -> T:
        """Send a job, and the jobs that follow from its results."""
        while True:
            try:
                await self._send_all(job, show_progress)
            finally:
                self._count(job.usage)
            job.check(partial=partial)
            following = job.next_round()
            if following is None:
                return job.result()
            job = following

    async def stream(
        self,
        plan: StreamPlan,
        inputs: Iterable[Any] | AsyncIterable[Any],
        *,
        show_progress: bool = False,
        partial: bool = False,
    ) -> AsyncGenerator[tuple[int, Embeddings], None]:
        """Send requests as inputs arrive, and yield their results in order."""
        limiter = self._limiter()
        # Jobs whose result the caller does not have yet, in order.
        pending: dict[EmbedJob, Any] = {}
        total = len(inputs) if isinstance(inputs, Sized) else None
        progress = progress_of_call(show_progress, total)
        observed = observed_call(self._settings, plan)
        # Nobody knows how many requests follow.
        expected = self._expecting(repeat(None, 2**31))
        with expected, observed as call, progress, progress.waiting(limiter.remaining_wait), attaching_results(pending):
            async with aclosing(self._jobs(plan, inputs)) as jobs, TaskWorkers(self._settings.connections) as workers:
                while True:
                    running = sum(not handle.done() for handle in pending.values())
                    # One more than may be in flight, so that the limiter sees that requests wait.
                    limit = min(limiter.concurrency + 1, self._settings.connections)
                    has_memory = sum(each.memory for each in pending) < BODIES_BYTES
                    has_memory &= sum(each.result_bytes for each in pending) < STREAM_BYTES
                    has_room = running < limit and len(pending) < 2 * limit and has_memory
                    if has_room and (job := await anext(jobs, None)) is not None:
                        # Only the workers see the call as the current one: the caller's code runs between results.
                        with call.current():
                            pending[job] = workers.start(self._send_job, job, workers)
                        continue
                    if not pending:
                        return
                    job = next(iter(pending))
                    await workers.result(pending[job])
                    self._count(job.usage)
                    call.finished(job)
                    job.check(partial=partial and job.stopped is None)
                    result = job.result()
                    del pending[job]
                    progress.advance(job.length - len(job.failed), len(job.failed), job.usage.total_tokens)
                    yield job.first, result

    async def aclose(self) -> None:
        """Close the connections. A transport that the caller passed stays open: it belongs to the caller."""
        if self._settings.transport is None:
            await self._transport.aclose()

    async def _jobs(
        self, plan: StreamPlan, inputs: Iterable[Any] | AsyncIterable[Any]
    ) -> AsyncGenerator[EmbedJob, None]:
        """Yield the jobs of a stream as the inputs arrive."""
        blocks = self.context.cache is not None
        async for value in iterate(inputs):
            if full := await in_thread(plan.add, value, blocks=type(value) is not str):
                yield await in_thread(plan.job, full, blocks=blocks)
        if plan.pending:
            yield await in_thread(plan.job, plan.pending, blocks=blocks)

    async def _send_all(self, job: Job[Any], show_progress: bool) -> None:
        batches, limiter = iter(job.batches), self._limiter()
        # More would only wait for memory.
        fitting = self._bodies.get().fitting(min(map(job.body_bytes, job.batches), default=0)) + 1
        size = max(1, min(len(job.batches), self._settings.connections, fitting))
        progress = progress_of_call(show_progress, sum(map(len, job.batches)))
        expected = self._expecting(batches)
        with expected, progress, progress.waiting(limiter.remaining_wait), attaching_results([job]):
            async with TaskWorkers(size) as workers:

                async def work() -> None:
                    for batch in batches:
                        done, tokens = await self._send_batch(job, batch, workers)
                        progress.advance(done, len(batch) - done, tokens)

                await workers.run(work)

    async def _send_job(self, job: Job[Any], workers: TaskWorkers) -> None:
        for batch in job.batches:
            await self._send_batch(job, batch, workers)

    async def _send_batch(self, job: Job[Any], batch: range, workers: TaskWorkers) -> tuple[int, int]:
        """Send a batch, in pieces if it must be divided, and note in the job what fails for good.

        Returns:
            The number of inputs that succeeded, and of their tokens.
        """
        done = tokens = 0
        bisection = Bisection(batch, job.size_limits, divisible=job.divisible)
        while job.stopped is None and (piece := bisection.next()) is not None:
            try:
                tokens += await self._send_request(job, piece, workers, retry=bisection.retries)
                done += len(piece)
            except JinaError as error:
                bisection.rejected(piece, error, has_response=job.has_response)
        job.finish_batch(bisection)
        async with workers.one_computes():
            for _ in job.make_lists(batch):
                await workers.sleep(0)
        return done, tokens

    async def _send_request(self, job: Job[Any], piece: range, workers: TaskWorkers, *, retry: bool) -> int:
        """Send one request, retry it after transient errors, store its result in the job, and return its tokens."""
        call, pool = job.call(piece), self._pool()
        if pool is not None:
            pool.checks.check(call)
            if pool.checks.claim():
                await ask_for_models(pool, self._codec, self._transport, workers.cancellation)
        attempts = Attempts(call, job.origins(piece), self._settings, self._limiters.get(), pool, retry=retry)
        with attempts.reporting_failure():
            async for attempt in AsyncRetrying(sleep=workers.sleep, **attempts.policy):
                with attempt, self._codec.key_hidden(), workers.turn() as turn:
                    async with (
                        workers.room(self._bodies.get(), job.body_bytes(piece)),
                        workers.slot(attempts.limiter, job.tokens(piece), retry=attempts.queued()) as slot,
                    ):
                        with attempts.sending():
                            result, headers = await self._exchange(
                                call, attempts, workers, turn, blocks=job.reads_media
                            )
                            tokens = usage_of(result).total_tokens if isinstance(result, dict) else 0
                            attempts.limiter.succeeded(slot, tokens or None, headers)
                            await to_completion(job.store, piece, result, blocks=job.writes_cache)
                            attempts.succeeded(tokens, headers.get("x-request-id", ""))
        return attempts.tokens

    async def _exchange(
        self, call: Call, attempts: Attempts, workers: TaskWorkers, turn: Turn, *, blocks: bool
    ) -> tuple[Any, Mapping[str, str]]:
        """Send a call once, and return its decoded response and the headers."""
        target = (attempts.root, attempts.timeout, turn)
        request = await in_thread(self._codec.encode, call, workers.cancellation, *target, blocks=blocks)
        with attempts.exchange(request) as exchange:
            response = await self._transport.asend(exchange.prepared(request))
            response = exchange.received(self._codec.hide_key(response))
        result = self._codec.decode(call, response, request.url)
        attempts.check_response(result)
        return result, response.headers

    def _count(self, usage: Usage) -> None:
        with self._counting:
            self.usage += usage
