"""The quickstart runs as a person runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import warm

ROOT = Path(__file__).resolve().parents[2]


def _quickstart(*arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.run(["cookbooks/quickstart.py", *arguments], cwd=ROOT, text=True, timeout=240)


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    return _quickstart("How is an ordered tree of syntax walked?", "--limit", "80")


def test_the_quickstart_answers_in_each_framework(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 0, run.stderr
    header, first = [line for line in run.stdout.splitlines() if line[:1] in ("┃", "│")][:2]
    assert all(framework in header for framework in ("LangChain", "LlamaIndex", "Haystack"))
    cells = [cell.split()[0] for cell in first.strip("│").split("│")]
    assert len(cells) == 3
    assert set(cells) == {cells[0]}
    assert cells[0].startswith("ast")


def test_the_quickstart_prints_the_memory_of_floats_and_bits(run: subprocess.CompletedProcess[str]) -> None:
    floats, bits = (line for line in run.stdout.splitlines() if "float32 " in line or "binary  " in line)
    assert "0.33 MB" in floats
    assert "0.01 MB" in bits


def test_the_quickstart_draws_no_progress_bar_into_a_log(run: subprocess.CompletedProcess[str]) -> None:
    assert "Embedding" not in run.stderr


def test_the_quickstart_without_a_key_prints_one_line() -> None:
    failed = _quickstart("--limit", "5", "--base-url", "https://api.jina.ai/v1")
    assert failed.returncode == 1
    assert failed.stderr.startswith("JinaInputError: https://api.jina.ai/v1 needs an API key")
    assert "Traceback" not in failed.stderr
