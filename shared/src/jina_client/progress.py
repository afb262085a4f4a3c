"""A progress bar over the inputs of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .planning import Job


@contextmanager
def progress_bar(job: Job[Any], show: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told the number of each request that was answered."""
    if not show:
        yield lambda number: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=sum(map(len, job.batches)), desc="Embedding", unit="input") as bar:

        def advance(number: int) -> None:
            bar.update(len(job.batches[number]))
            seconds = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{job.usage.total_tokens / seconds:,.0f} tokens/s" if seconds else "", refresh=False)

        yield advance
