"""Distributions with files of the same names as ours: importing ours beside one of them warns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "import {first}, {second}"


@pytest.mark.parametrize(
    ("other", "own", "first", "second"),
    [
        ("llama-index-embeddings-jinaai", "llama-index-jina", "llama_index.embeddings.jinaai", "json"),
        (
            "llama-index-postprocessor-jinaai-rerank",
            "llama-index-jina",
            "llama_index.postprocessor.jinaai_rerank",
            "llama_index.embeddings.jinaai",
        ),
        ("llama-index-tools-jina", "llama-index-jina", "llama_index.tools.jina", "json"),
        (
            "jina-haystack",
            "haystack-jina",
            "haystack_integrations.components.rankers.jina",
            "haystack_integrations.components.embedders.jina",
        ),
    ],
)
def test_a_conflicting_distribution_warns_once(tmp_path: Path, other: str, own: str, first: str, second: str) -> None:
    metadata = tmp_path / f"{other.replace('-', '_')}-2.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {other}\nVersion: 2.0\n")

    def warnings_of(path: str) -> list[str]:
        command = [sys.executable, "-c", PROGRAM.format(first=first, second=second)]
        environment = {**os.environ, "PYTHONPATH": path}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
        return [line for line in run.stderr.splitlines() if "UserWarning" in line]

    (line,) = warnings_of(str(tmp_path))
    assert f"{own} and {other} are both installed" in line
    assert f"pip uninstall {other} {own}, then install {own} again" in line
    assert warnings_of("") == []
