"""Type checkers accept the programs of this folder, and reject exactly the lines that end with ``# wrong``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

APPS = sorted(Path(__file__).parent.glob("*_app.py"))


def wrong_lines(app: Path) -> list[int]:
    return [number for number, line in enumerate(app.read_text().splitlines(), 1) if line.endswith("# wrong")]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.stem)
def test_mypy_rejects_only_the_wrong_lines(app: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "/dev/null", "--cache-dir", str(tmp_path)]
    run = subprocess.run([*command, str(app)], cwd=tmp_path, capture_output=True, text=True, timeout=280)
    lines = {int(number) for number in re.findall(rf"{app.name}:(\d+): error", run.stdout)}
    assert sorted(lines) == wrong_lines(app), run.stdout + run.stderr


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.stem)
def test_pyright_rejects_only_the_wrong_lines(app: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(app)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    report = json.loads(run.stdout[run.stdout.index("{") :])
    errors = [each for each in report["generalDiagnostics"] if each["severity"] == "error"]
    lines = {each["range"]["start"]["line"] + 1 for each in errors}
    assert sorted(lines) == wrong_lines(app), errors
