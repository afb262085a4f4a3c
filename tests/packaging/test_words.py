"""The rules about words that ruff and codespell cannot check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("shared/src", "packages", "tools", "benchmarks", "tests")
CONTRACTION = re.compile(r"\b\w+n't\b|\b(?:it|that|there|what)'s\b|\b(?:we|you|they)'re\b", re.IGNORECASE)
# "has no key" and "there is no file" are fine; "it is no file" is not.
IS_NO = re.compile(r"(?<!there )\bis no (?!longer|more)", re.IGNORECASE)


def _sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _docstrings(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def test_no_docstring_starts_with_what() -> None:
    starts = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in _sources()
        # Most files need not be parsed.
        if re.search(r"""["'](\\\n)?What""", source := path.read_text(encoding="utf-8"))
        for line, text in _docstrings(source)
        if text.startswith(("What ", "Whatever "))
    ]
    assert starts == []


@pytest.fixture(scope="module")
def messages() -> list[str]:
    command = [sys.executable, str(ROOT / "tools" / "list_messages.py")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


@pytest.mark.parametrize("pattern", [CONTRACTION, IS_NO], ids=["contraction", "is no"])
def test_no_message_breaks_the_style(messages: list[str], pattern: re.Pattern[str]) -> None:
    assert [message for message in messages if pattern.search(message)] == []


def test_no_name_of_a_test_has_a_number_of_a_defect() -> None:
    names = [
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (\w+)", path.read_text())
    ]
    assert [name for name in names if re.search(r"defects?_\d", name)] == []
