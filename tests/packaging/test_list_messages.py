"""Tests of tools/list_messages.py on messages that the code certainly has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def _list(*kinds: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "list_messages.py"), *kinds]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return _list().stdout.splitlines()


def test_every_line_names_a_file_a_line_and_a_kind(lines: list[str]) -> None:
    assert len(lines) > 500
    for line in lines:
        path, number, kind, text = line.split(":", 3)
        assert (ROOT / path).is_file()
        assert number.isdigit()
        assert kind.strip() in ("error", "warning", "log", "help", "print", "progress", "other")
        assert text.strip()


@pytest.mark.parametrize(
    ("kind", "text"),
    {
        "error": "headers[{name!r}] must be a string of printable ASCII characters",
        "warning": "the API key travels unencrypted to ",
        "log": "Ignored %s, which is not a classifier of this engine",
        "help": "Serve Jina AI's API on this machine, with a small stand-in model.",
    }.items(),
)
def test_errors_warnings_logs_and_help_are_found(lines: list[str], kind: str, text: str) -> None:
    assert any(line.split(":", 3)[2] == f" {kind}" and text in line for line in lines)


def test_a_list_of_some_kinds_has_no_others(lines: list[str]) -> None:
    some = [line for line in lines if line.split(":", 3)[2] in (" log", " help")]
    assert _list("log", "help").stdout.splitlines() == some


def test_docstrings_and_sql_are_left_out(lines: list[str]) -> None:
    output = "\n".join(lines)
    assert "The rate limiter: requests and tokens per minute" not in output
    assert "SELECT count(*)" not in output


def test_an_unknown_kind_lists_the_kinds() -> None:
    run = _list("riddle")
    assert run.returncode == 2
    assert "unknown kind 'riddle'; the kinds are error, warning, log" in run.stderr
