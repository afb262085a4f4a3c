"""Messages and documentation name extras that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "shared", *sorted((ROOT / "packages").iterdir())]
PROJECTS = [tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in FOLDERS]
EXTRAS = {project["name"]: set(project.get("optional-dependencies", {})) for project in PROJECTS}
NAMED = re.compile(rf"\b({'|'.join(EXTRAS)})\[([\w,-]+)\]")
TEXTS = [
    *(path for folder in FOLDERS for path in (folder / "src").rglob("*.py")),
    *(folder / "README.md" for folder in FOLDERS),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "README.md",
]


@pytest.mark.parametrize("name", EXTRAS)
def test_an_extra_that_is_named_exists(name: str) -> None:
    named = {(match[1], match[2]) for path in TEXTS for match in NAMED.finditer(path.read_text())}
    assert named
    assert {extra for package, extras in named if package == name for extra in extras.split(",")} <= EXTRAS[name]
