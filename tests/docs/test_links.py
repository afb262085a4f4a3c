"""Every link within the repository leads somewhere: files, and headings within them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("shared/README.md"),
    *ROOT.glob("packages/*/README.md"),
    *ROOT.glob("cookbooks/*.ipynb"),
]


def _prose(page: Path) -> str:
    """Return the text of a page without its code."""
    text = page.read_text()
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """The names that GitHub and Sphinx give to headings."""
    headings = re.findall(r"^#+ +(.+)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    pytest.param(page, target, id=f"{page.relative_to(ROOT)}->{target}")
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page))
    if not re.match(r"[a-z]+:", target)
]


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_has_a_target(page: Path, target: str) -> None:
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    assert file.exists()
    assert not anchor or anchor in _anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_the_text_exist(page: Path) -> None:
    named = re.findall(r"`((?:benchmarks|cookbooks|docs|packages|shared|tests|tools)/[\w./-]+)`", _prose(page))
    commands = re.findall(r"((?:benchmarks|cookbooks)/[\w-]+\.\w+)", page.read_text())
    assert [name for name in {*named, *commands} if not (ROOT / name).exists()] == []
