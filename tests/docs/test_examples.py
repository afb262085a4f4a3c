"""Every Python example in the documentation runs as it stands; those of one page run one after another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("shared/README.md"),
    *ROOT.glob("packages/*/README.md"),
]
EXAMPLES = {page: re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL) for page in PAGES}
FIRST_PIPELINES = {ROOT / "README.md": 1, ROOT / "docs" / "installation.md": 3}
"""How many examples of a page find the cat: one, or one for each framework."""
NOT_RUN = [
    pytest.param(example, id=f"{page.name}-{number}")
    for page in PAGES
    for number, example in enumerate(re.findall(r"```python not-run\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize(
    "page", [page for page, examples in EXAMPLES.items() if examples], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_examples_run(page: Path, tmp_path: Path) -> None:
    program = "\n".join(EXAMPLES[page])
    environment = {**os.environ, "PYTHONWARNINGS": "error::ResourceWarning"}
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=environment, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert "JinaDefaultModelWarning" not in run.stderr
    if page in FIRST_PIPELINES:
        assert run.stdout.splitlines().count("The cat sleeps on the sofa.") == FIRST_PIPELINES[page]


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 65


@pytest.mark.parametrize("example", NOT_RUN)
def test_examples_that_need_a_server_compile(example: str) -> None:
    compile(example, "example", "exec")


def test_constraints_contain_no_url_or_path() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[a-z0-9._-]+==[^ :/]+( ; .*)?", pin) for pin in pins)
