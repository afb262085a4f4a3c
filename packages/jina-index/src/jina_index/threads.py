"""The thread pool that all indexes of a process share, and faiss, which its threads use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

from jina_client import JinaInputError

# Below this number of rows, waking a thread takes longer than reading the rows.
ROWS_PER_THREAD = 50_000

# Vectors that one step converts: 1 MB of 1024 floats, which the second-level cache holds.
BLOCK_ROWS = 256

_Result = TypeVar("_Result")


@cache
def faiss() -> Any:
    """Return the module ``faiss``, imported when it is first used.

    Raises:
        JinaInputError: faiss is not installed.
    """
    try:
        import faiss as library
    except ImportError:
        raise JinaInputError("jina-index needs faiss, which is not installed: pip install faiss-cpu") from None
    return library


def for_each_number(work: Callable[[int], None], count: int) -> None:
    """Call ``work`` with each number below ``count``, in as many threads as there are processors."""
    for_each_block(lambda block: work(block.start), count, 1)


def for_each_part(search: Callable[[slice], _Result], rows: int) -> list[_Result]:
    """Call ``search`` with slices that together cover ``rows`` rows, each in a thread, and return the results in order.

    One thread per slice is faster than faiss's own threads. Those divide the queries, of which there is often only one,
    and wait for each other in a busy loop that slows other programs down.
    """
    threads = thread_count(rows)
    edges = [rows * number // threads for number in range(threads + 1)]
    return list(pool().map(search, [slice(start, end) for start, end in pairwise(edges)]))


def for_each_block(work: Callable[[slice], None], rows: int, step: int, threads: int | None = None) -> None:
    """Call ``work`` with slices of ``step`` rows that together cover ``rows`` rows.

    The threads take the slices from one iterator, so that one that is slowed down does not delay the others. The
    calling thread is one of them, so that fewer have to be woken. When the function returns or raises, no thread is
    working on a slice any more.

    Args:
        work: the function.
        rows: the number of rows.
        step: the rows of a slice.
        threads: the number of threads; by default one per processor, or fewer if there are fewer slices.
    """
    starts = iter(range(0, rows, step))

    def run() -> None:
        for start in starts:
            work(slice(start, min(start + step, rows)))

    count = threads or min(_processors(), -(-rows // step))
    others = [pool().submit(run) for _ in range(count - 1)]
    try:
        with one_faiss_thread():
            run()
    finally:
        # While other calls keep the pool busy, it may not have come to these.
        started = [other for other in others if not other.cancel()]
        deque(starts, maxlen=0)  # After an error, the other threads end with the slice that they have.
        wait_until_ended(started)
    for other in started:
        other.result()


def wait_until_ended(tasks: Sequence[Future[Any]]) -> None:
    """Wait until all tasks have ended, whether they failed or not. Ctrl-C takes effect when they have."""
    try:
        wait(tasks)
    except KeyboardInterrupt:
        wait_until_ended(tasks)
        raise


@contextmanager
def one_faiss_thread() -> Iterator[None]:
    """Keep faiss from using more threads than the calling one while that runs the block."""
    threads = faiss().omp_get_max_threads()
    faiss().omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss().omp_set_num_threads(threads)


def thread_count(rows: int) -> int:
    """Return the number of threads to compare so many rows with: at least 1."""
    return max(1, min(_processors(), rows // ROWS_PER_THREAD))


@cache
def pool() -> ThreadPoolExecutor:
    """Return the pool. Each of its threads tells faiss to use no further threads."""
    return ThreadPoolExecutor(_processors(), "jina-index", lambda: faiss().omp_set_num_threads(1))


@cache
def background() -> ThreadPoolExecutor:
    """Return the threads for what searches do not wait for: writing files, and comparing checksums."""
    return ThreadPoolExecutor(4, "jina-index-background")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if hasattr(os, "register_at_fork"):  # A forked process does not inherit the threads.
    os.register_at_fork(after_in_child=pool.cache_clear)
    os.register_at_fork(after_in_child=background.cache_clear)
