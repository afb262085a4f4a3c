"""Distributions with files of the same names as ours: importing ours beside one of them warns."""

from __future__ import annotations

from pathlib import Path

import pytest
import warm

# The frameworks are imported already, and our packages are imported anew.
PROGRAM = """
import sys

def import_anew():
    for name in list(sys.modules):
        if "jina" in name:
            del sys.modules[name]
    import {first}, {second}

import_anew()
print("beside the other", file=sys.stderr)
sys.path.insert(0, {path!r})
import_anew()
"""


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

    program = PROGRAM.format(path=str(tmp_path), first=first, second=second)
    run = warm.run(["-c", program], text=True, timeout=120, check=True)
    alone, beside = run.stderr.split("beside the other\n")
    assert "UserWarning" not in alone
    (line,) = [line for line in beside.splitlines() if "UserWarning" in line]
    assert f"{own} and {other} are both installed" in line
    assert f"pip uninstall {other} {own}, then install {own} again" in line
