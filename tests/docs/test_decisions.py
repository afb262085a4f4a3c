"""Every dependency is named on the page that says why it is there, and the page names no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT / "pyproject.toml", ROOT / "shared" / "pyproject.toml", *ROOT.glob("packages/*/pyproject.toml")]


def _dependencies() -> set[str]:
    needed: list[str] = []
    own = set()
    for path in PROJECTS:
        content = tomllib.loads(path.read_text())
        project = content["project"]
        own.add(project["name"])
        needed += project.get("dependencies", [])
        needed += content.get("build-system", {}).get("requires", [])
        for group in (project.get("optional-dependencies", {}), content.get("dependency-groups", {})):
            needed += [name for names in group.values() for name in names]
    names = {match.group().lower() for name in needed if (match := re.match(r"[\w.-]+", name))}
    return names - own


def test_the_decisions_page_lists_exactly_the_dependencies() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", (ROOT / "docs" / "decisions.md").read_text(), re.MULTILINE)
    named = {name.strip() for row in rows if not row.startswith(("dependency", "---")) for name in row.split(",")}
    assert named == _dependencies()
