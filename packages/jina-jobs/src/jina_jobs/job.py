"""A job: from a source through a task into an output, in bounded memory, and safe at every moment.

This module does not know the command line. Programs call :func:`run`.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit, urlunsplit

import orjson
import pyarrow as pa
from jina_client import AsyncJinaClient, Attempt
from jina_client.integration import resolve_base_url

from .errors import JobError, JobStoppedError, JobUsageError
from .feeding import read_ahead, rows_to_send
from .inputs import Source
from .journal import Journal, remove_journal
from .manifest import Manifest, Status
from .outputs import Output
from .rows import converted, unified
from .tasks import Task

OnError = Literal["stop", "skip"]


@dataclass
class Summary:
    """The results of a job in numbers.

    Attributes:
        status: as in the manifest.
        rows: rows of the input that were read, in all runs.
        results: rows of the output.
        failed: rows that failed for good.
        tokens: as the service counted them, in all runs.
        price: of the tokens; ``None`` without a price.
        rows_done: rows that this run has finished.
        requests: that this run sent.
        retries: requests of this run that were repeats.
        waited: seconds that requests of this run waited for the limits of rate and concurrency, summed.
        seconds: of this run.
        output: its address.
        errors: the file with the failed rows; empty without any.
        note: what else to know, such as ids that repeat in a database.
        manifest: the file with the manifest.
    """

    status: Status = "running"
    rows: int = 0
    results: int = 0
    failed: int = 0
    tokens: int = 0
    price: float | None = None
    rows_done: int = 0
    requests: int = 0
    retries: int = 0
    waited: float = 0.0
    seconds: float = 0.0
    output: str = ""
    errors: str = ""
    note: str = ""
    manifest: str = ""


class Watcher(Protocol):
    """Shows how far a job is."""

    def update(self, summary: Summary, share: float | None) -> None:
        """Show the numbers so far, and the part of the input that is done, from 0 to 1, if it is known."""

    def finishing(self, summary: Summary) -> None:
        """Show that all rows are done and the output is being written."""


@dataclass(kw_only=True)
class JobOptions:
    """How a job runs. None of these changes its results.

    Attributes:
        resume: go on where an earlier run of the same job ended.
        overwrite: replace an output that exists.
        on_error: ``skip`` counts failed rows and goes on; ``stop`` ends the job at the first.
        errors: the file for failed rows; by default the output's name with ``.errors.jsonl``.
        price_per_million_tokens: for the summary.
        client: arguments of the client, such as ``base_url`` and ``tokens_per_minute``.
        watcher: shows the progress.
    """

    resume: bool = False
    overwrite: bool = False
    on_error: OnError = "skip"
    errors: Path | None = None
    price_per_million_tokens: float | None = None
    client: Mapping[str, Any] = field(default_factory=dict)
    watcher: Watcher | None = None


def run(task: Task, source: Source, output: Output, options: JobOptions | None = None) -> Summary:
    """Run a job to its end, or from where an earlier run ended.

    Args:
        task: what to do with each row.
        source: where the rows come from.
        output: where the results go.
        options: how to run.

    Returns:
        What was done. Its status is ``complete`` or ``complete with failed rows``.

    Raises:
        JobError: an output that exists, a changed option or input, a full disk, a database that does not respond.
        JinaError: an error of the service that all rows would get. ``resume`` goes on after any of these.
        KeyboardInterrupt: the job was interrupted; ``resume`` goes on.
    """
    job = arun(task, source, output, options)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(job)
    return _run_in_thread(job)


async def arun(task: Task, source: Source, output: Output, options: JobOptions | None = None) -> Summary:
    """Run a job as :func:`run` does, in a program with an event loop of its own."""
    return await JobRun(task, source, output, options or JobOptions()).run()


def _run_in_thread(job: Coroutine[Any, Any, Summary]) -> Summary:
    """Run a job beside an event loop that runs in this thread, as in a notebook. Ctrl-C interrupts it."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(job)
    with ThreadPoolExecutor(1, thread_name_prefix="jina-jobs") as pool:
        done = pool.submit(loop.run_until_complete, task)
        try:
            return done.result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(task.cancel)
            raise
        finally:
            pool.submit(loop.close)


class JobRun:
    """One run of a job.

    Args:
        task, source, output, options: as for :func:`run`.
    """

    def __init__(self, task: Task, source: Source, output: Output, options: JobOptions) -> None:
        if options.resume and options.overwrite:
            raise JobUsageError("--resume and --overwrite contradict each other: pass one of them")
        if options.on_error not in ("stop", "skip"):
            raise JobUsageError(f"--on-error must be stop or skip, got {options.on_error!r}")
        self._task, self._source, self._output, self._options = task, source, output, options
        self._manifest_path = _beside(output.state, ".manifest.json")
        self._journal_path = _beside(output.state, ".journal")
        self._errors_path = options.errors or _beside(output.state, ".errors.jsonl")
        self._started = time.monotonic()
        self.summary = Summary(output=output.describe(), manifest=str(self._manifest_path))

    async def run(self) -> Summary:
        """Run the job."""
        client = AsyncJinaClient(on_attempt=self._count_attempt, **self._options.client)
        async with client:
            manifest = self._open_manifest()
            if manifest.status == "complete":
                _check_files(manifest)
                shutil.rmtree(self._journal_path, ignore_errors=True)
                self.summary.status = manifest.status
                for name, count in manifest.counts.items():
                    setattr(self.summary, name, count)
                self._set_price()
                return self.summary
            self._output.start(self._task.facts())
            journal = Journal(self._journal_path, self._source.types)
            try:
                manifest.status = "running"
                manifest.runs += 1
                manifest.write(self._manifest_path)
                await self._run(client, journal, manifest)
            except BaseException as error:
                interrupted = isinstance(error, (KeyboardInterrupt, asyncio.CancelledError))
                with suppress(JobError):
                    self._record(journal, manifest, "interrupted" if interrupted else "stopped")
                if not journal.progress.next_row:
                    # Nothing to resume: the same command may start again.
                    self._manifest_path.unlink(missing_ok=True)
                    shutil.rmtree(self._journal_path, ignore_errors=True)
                raise
            finally:
                journal.close()
                self._output.close()
        if self.summary.status == "complete":
            shutil.rmtree(self._journal_path)
        return self.summary

    async def _run(self, client: AsyncJinaClient, journal: Journal, manifest: Manifest) -> None:
        await self._deliver(journal, all_of_them=True)
        rows = read_ahead(rows_to_send(self._source, self._task, journal.progress))
        async with aclosing(rows) as rows, aclosing(self._task.outcomes(client, rows)) as outcomes:  # type: ignore[type-var]
            async for outcome in outcomes:
                journal.add(outcome)
                self.summary.rows_done += len(outcome.rows)
                self._show(journal)
                if self._options.on_error == "stop":
                    for row in outcome.rows:
                        if row.error:
                            raise JobStoppedError(
                                f"row {row.number} ({row.place}) failed: {row.error}. Leave such rows out with "
                                "--resume --on-error skip, or correct the input and start again with --overwrite"
                            )
                await self._deliver(journal)
        await self._deliver(journal, all_of_them=True)
        progress = journal.progress
        if self._options.watcher:
            self._options.watcher.finishing(self._counted(journal))
        schema = unified(schemas) if (schemas := journal.schemas()) else None
        batches = () if self._output.takes_parts else journal.in_order()
        manifest.files = await asyncio.to_thread(self._output.finish, schema, batches, progress.results)
        stored = manifest.files[0].get("rows") if manifest.files else None
        if stored is not None and stored < progress.results:
            self.summary.note = (
                f"the database has {stored:,} rows for {progress.results:,} results: it keeps the last row of each id"
            )
        self._record(journal, manifest, "complete with failed rows" if progress.failed else "complete")

    async def _deliver(self, journal: Journal, *, all_of_them: bool = False) -> None:
        """Give results to a database. The journal keeps them until it has confirmed them."""
        progress = journal.progress
        parts = progress.parts[progress.delivered :]
        if not self._output.takes_parts or not parts:
            return
        if not all_of_them and sum(part.count for part in parts) < getattr(self._output, "rows_at_once", 512):
            return
        for first in range(0, len(parts), 32):
            batches = list(journal.batches(parts[first : first + 32]))
            schema = unified([batch.schema for batch in batches])
            batch = pa.concat_batches([converted(batch, schema) for batch in batches])
            await asyncio.to_thread(self._output.write, batch)
            journal.delivered(progress.delivered + len(batches))

    def _open_manifest(self) -> Manifest:
        job = {
            "command": self._task.name,
            **self._task.facts(),
            "limit": getattr(self._source, "limit", None),
            "output": self._output.describe(),
            "service": _without_secrets(resolve_base_url(self._options.client.get("base_url"))),
            "dialect": self._options.client.get("dialect"),
        }
        source = self._source.fingerprint()
        if self._options.overwrite:
            remove_journal(self._journal_path)
            self._output.remove()
            for ending in (".manifest.json", ".errors.jsonl"):
                _beside(self._output.state, ending).unlink(missing_ok=True)
        manifest = Manifest.read(self._manifest_path)
        if manifest is None:
            if self._output.exists():
                raise JobError(
                    f"the output {self._output.describe()} exists: pass --overwrite to replace it, or another output"
                )
            versions = {name: version(name) for name in ("jina-client", "jina-jobs", "pyarrow")}
            return Manifest("running", job, source, versions=versions)
        if not self._options.resume:
            raise JobError(
                f"the job of {self._output.describe()} was started before and is {manifest.status}: "
                "pass --resume to go on, or --overwrite to start again"
            )
        manifest.check_same(job, source)
        return manifest

    def _record(self, journal: Journal, manifest: Manifest, status: Status) -> None:
        """Write the errors file and the manifest."""
        self._counted(journal)
        self.summary.status = manifest.status = status
        if journal.progress.failed:
            self._write_errors(journal)
            self.summary.errors = str(self._errors_path)
        elif manifest.counts.get("failed"):
            # The rows of an earlier run, which are done now.
            self._errors_path.unlink(missing_ok=True)
        manifest.seconds = round(manifest.seconds + self.summary.seconds, 3)
        manifest.counts = {name: getattr(self.summary, name) for name in ("rows", "results", "failed", "tokens")}
        manifest.write(self._manifest_path)

    def _write_errors(self, journal: Journal) -> None:
        temporary = self._errors_path.with_name(f".{self._errors_path.name}.tmp")
        try:
            with temporary.open("wb") as stream:
                for failure in journal.failures():
                    stream.write(orjson.dumps(failure, default=str, option=orjson.OPT_APPEND_NEWLINE))
            temporary.replace(self._errors_path)
        except OSError as error:
            raise JobError(f"cannot write the failed rows to {self._errors_path}: {error.strerror}") from error

    def _counted(self, journal: Journal) -> Summary:
        progress, summary = journal.progress, self.summary
        summary.rows, summary.results = progress.next_row, progress.results
        summary.failed, summary.tokens = len(progress.failed), progress.tokens
        summary.seconds = time.monotonic() - self._started
        self._set_price()
        return summary

    def _set_price(self) -> None:
        price = self._options.price_per_million_tokens
        self.summary.price = None if price is None else self.summary.tokens * price / 1_000_000

    def _show(self, journal: Journal) -> None:
        if self._options.watcher:
            summary = self._counted(journal)
            self._options.watcher.update(summary, self._source.share(summary.rows))

    def _count_attempt(self, attempt: Attempt) -> None:
        # Called from the event loop's thread only.
        self.summary.requests += 1
        self.summary.retries += attempt.number > 1
        self.summary.waited += attempt.waited


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _check_files(manifest: Manifest) -> None:
    """Check that the files of a complete job are still there.

    Raises:
        JobError: one is not.
    """
    for file in manifest.files:
        if "path" in file and not Path(file["path"]).exists():
            raise JobError(
                f"the job is complete, and its output {file['path']} is gone since: restore the file, or start again "
                "with --overwrite"
            )


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else url
