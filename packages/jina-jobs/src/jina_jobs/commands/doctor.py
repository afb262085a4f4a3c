"""``jina-jobs doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..checks import Check, checks, redacted
from ..display import print_json
from ..errors import JobError
from . import options as given

_MARKS = {True: ("✔", "green"), False: ("✘", "red"), None: ("–", "dim")}


@given.grouped_options
def doctor(
    *,
    connection: given.ConnectionGroup,
    spend: Annotated[
        bool, typer.Option("--spend", help="Send one tiny request per capability, which costs a few tokens.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write the lines, without secrets, to a file for a bug report.")
    ] = None,
    as_json: given.Json = False,
) -> int:
    """Check the installation, the key, the network, the service and the disk, and name a remedy for each problem."""
    console = Console(highlight=False, soft_wrap=True)
    found: list[Check] = []
    for check in checks(connection.client(), spend=spend):
        found.append(check)
        if not as_json:
            mark, style = _MARKS[check.ok]
            console.print(mark, style=style, end=" ")
            console.print(redacted(line(check)), markup=False)
    if as_json:
        print_json([{name: _safe(value) for name, value in asdict(check).items()} for check in found])
    if report is not None:
        try:
            report.write_text(
                "".join(f"{_MARKS[each.ok][0]} {redacted(line(each))}\n" for each in found), encoding="utf-8"
            )
        except OSError as error:
            raise JobError(f"cannot write the report to {report}: {error.strerror}") from error
    return int(any(check.ok is False for check in found))


def line(check: Check) -> str:
    """Return a check as a line."""
    return f"{check.name}: {check.found}" + (f". Remedy: {check.remedy}" if check.remedy else "")


def _safe(value: object) -> object:
    return redacted(value) if isinstance(value, str) else value
