"""The options that commands share: each is declared here, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..display import ProgressLine
from ..errors import JobUsageError
from ..job import JobOptions, OnError

Input = Annotated[
    str,
    typer.Argument(help="A file (JSON lines, CSV, TSV or Parquet, also compressed), a folder, a quoted pattern, or -."),
]
OutputAddress = Annotated[str, typer.Argument(help="A file: .parquet, .npy, .jsonl or .jsonl.gz.")]
Model = Annotated[str, typer.Option("--model", help="The model's id; see jina-jobs models.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="The column with texts (default: text).")]
ImageColumn = Annotated[
    str | None, typer.Option("--image-column", help="The column with images: paths, URLs, data URIs or bytes.")
]
IdColumn = Annotated[str | None, typer.Option("--id-column", help="The column with ids (default: the row number).")]
Keep = Annotated[list[str] | None, typer.Option("--keep", help="A column to copy to the output; repeat for more.")]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", help="The API's root, or local for the embedded engine.", envvar=None)
]
DialectName = Annotated[str | None, typer.Option("--dialect", help="The protocol of a service other than Jina's.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, max=512, help="Rows per request (default: 128).")]
RequestsPerMinute = Annotated[int | None, typer.Option("--requests-per-minute", min=1, help="Limit of this job.")]
TokensPerMinute = Annotated[int | None, typer.Option("--tokens-per-minute", min=1, help="Limit of this job.")]
MaxConcurrency = Annotated[
    int | None, typer.Option("--max-concurrency", min=1, help="Requests in flight (default: 8).")
]
OnErrorOption = Annotated[
    Literal["stop", "skip"], typer.Option("--on-error", help="Stop at the first failed row, or count it and go on.")
]
Errors = Annotated[
    Path | None, typer.Option("--errors", help="The file for failed rows (default: OUTPUT.errors.jsonl).")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an earlier run ended, and retry failed rows.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output and start again.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Read only the first N rows.")]
Price = Annotated[
    float | None, typer.Option("--price-per-million-tokens", min=0.0, help="Show the price of the tokens.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show errors only.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Encodings = Literal["float32", "float16", "int8", "binary"]


@dataclass(frozen=True, kw_only=True)
class Running:
    """The options of how a job runs, of every command that reads rows."""

    base_url: str | None = None
    dialect: str | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrency: int | None = None
    on_error: OnError = "skip"
    errors: Path | None = None
    resume: bool = False
    overwrite: bool = False
    price: float | None = None
    quiet: bool = False
    as_json: bool = False

    def client(self) -> dict[str, Any]:
        """Return the arguments of the client."""
        names = ("base_url", "dialect", "requests_per_minute", "tokens_per_minute", "max_concurrency")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def job(self, watcher: ProgressLine) -> JobOptions:
        """Return the options of the job."""
        return JobOptions(
            resume=self.resume,
            overwrite=self.overwrite,
            on_error=self.on_error,
            errors=self.errors,
            price_per_million_tokens=self.price,
            client=self.client(),
            watcher=watcher,
        )

    def progress(self) -> ProgressLine:
        """Return the line of progress."""
        return ProgressLine(not self.quiet)


def default_text_column(text: str | None, image: str | None) -> str | None:
    """Return the text column: ``text``, unless there is an image column."""
    return "text" if text is None and image is None else text


def check_positive(name: str, value: int | None) -> None:
    """Reject 0 and numbers below it."""
    if value is not None and value < 1:
        raise JobUsageError(f"{name} must be at least 1, got {value}")
