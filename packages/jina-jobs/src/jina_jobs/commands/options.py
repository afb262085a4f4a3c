"""The options that commands share: each is declared here, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer
from jina_client.integration import LIMITS

from ..display import ProgressLine
from ..errors import JobUsageError
from ..job import JobOptions

Input = Annotated[
    str,
    typer.Argument(help="A file (JSON lines, CSV, TSV or Parquet, also compressed), a folder, a quoted pattern, or -."),
]
OutputAddress = Annotated[
    str,
    typer.Argument(
        help="A file (.parquet, .npy, .jsonl or .jsonl.gz), or a database such as qdrant+http://HOST:6333/NAME."
    ),
]
Model = Annotated[str, typer.Option("--model", help="The model's id; see jina-jobs models.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="The column with texts (default: text).")]
ImageColumn = Annotated[
    str | None, typer.Option("--image-column", help="The column with images: paths, URLs, data URIs or bytes.")
]
IdColumn = Annotated[str | None, typer.Option("--id-column", help="The column with ids (default: the row number).")]
Keep = Annotated[list[str] | None, typer.Option("--keep", help="A column to copy to the output; repeat for more.")]
BaseUrl = Annotated[
    list[str] | None,
    typer.Option("--base-url", help="The API's root, or local for the embedded engine; repeat for several servers."),
]
Header = Annotated[
    list[str] | None, typer.Option("--header", help='A header of each request, as "NAME: VALUE"; repeat for more.')
]
KeyHeader = Annotated[
    str | None, typer.Option("--key-header", help="The header that carries the key alone, such as api-key.")
]
CaBundle = Annotated[
    Path | None, typer.Option("--ca-bundle", help="A file of certificate authorities to trust, in PEM form.")
]
DialectName = Annotated[str | None, typer.Option("--dialect", help="The protocol of a service other than Jina's.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, max=512, help="Rows per request (default: 128).")]
RequestsPerMinute = Annotated[int | None, typer.Option("--requests-per-minute", min=1, help="Limit of this job.")]
TokensPerMinute = Annotated[int | None, typer.Option("--tokens-per-minute", min=1, help="Limit of this job.")]
MaxRetries = Annotated[
    int | None,
    typer.Option("--max-retries", min=0, help="Retries after a transient failure, before the job stops (default: 4)."),
]
MaxConcurrency = Annotated[
    int | None, typer.Option("--max-concurrency", min=1, help="Requests in flight (default: as many as help).")
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
class ConnectionGroup:
    """The options of where to send requests, and how: a group for :func:`grouped_options`."""

    base_url: BaseUrl = None
    dialect: DialectName = None
    header: Header = None
    key_header: KeyHeader = None
    ca_bundle: CaBundle = None

    def client(self) -> dict[str, Any]:
        """Return the arguments of the client.

        Raises:
            JobUsageError: a header without a colon.
        """
        options = {
            "base_url": self.base_url,
            "dialect": self.dialect,
            "headers": dict(_header(each) for each in self.header or ()),
            "key_header": self.key_header,
            "ca_bundle": self.ca_bundle,
        }
        return {name: value for name, value in options.items() if value}


@dataclass(frozen=True, kw_only=True)
class Running(ConnectionGroup):
    """The options of how a job runs: a group for the commands that read rows."""

    requests_per_minute: RequestsPerMinute = None
    tokens_per_minute: TokensPerMinute = None
    max_concurrency: MaxConcurrency = None
    max_retries: MaxRetries = None
    on_error: OnErrorOption = "skip"
    errors: Errors = None
    resume: Resume = False
    overwrite: Overwrite = False
    limit: Limit = None
    price_per_million_tokens: Price = None
    quiet: Quiet = False
    json: Json = False

    def client(self) -> dict[str, Any]:
        """Return the arguments of the client."""
        limits = {name: value for name in (*LIMITS, "max_retries") if (value := getattr(self, name)) is not None}
        return limits | super().client()

    def job(self, watcher: ProgressLine) -> JobOptions:
        """Return the options of the job."""
        return JobOptions(
            resume=self.resume,
            overwrite=self.overwrite,
            on_error=self.on_error,
            errors=self.errors,
            price_per_million_tokens=self.price_per_million_tokens,
            client=self.client(),
            watcher=watcher,
        )

    def progress(self) -> ProgressLine:
        """Return the line of progress."""
        return ProgressLine(not self.quiet)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise JobUsageError(f"--header must be NAME: VALUE, got {name!r} and no colon")
    return name.strip(), value.strip()


def grouped_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the options of the groups that its parameters are annotated with, in their places."""
    own = inspect.signature(command, eval_str=True)
    hints = {each.name: each.annotation for each in own.parameters.values()}
    groups = {
        name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, ConnectionGroup)
    }
    parameters = []
    for each in own.parameters.values():
        parameters += _parameters(groups[each.name]) if each.name in groups else [each]

    @wraps(command)
    def wrapper(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        return command(**values)

    wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    del wrapper.__wrapped__
    return wrapper


def _parameters(group: type[ConnectionGroup]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(group)
    ]
