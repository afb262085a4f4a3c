"""Every Python example in the documentation runs as it stands, and prints what the page says.

The examples of one page run one after another in one process. A ``text`` block right after an example is its output. A
comment after a ``print(…)`` is one of the lines that the example prints.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import warm

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("shared/README.md"),
    *ROOT.glob("packages/*/README.md"),
]
EXAMPLES = {
    page: re.findall(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", page.read_text(), re.DOTALL) for page in PAGES
}
NOT_RUN = [
    pytest.param(example, id=f"{page.name}-{number}")
    for page in PAGES
    for number, example in enumerate(re.findall(r"```python not-run\n(.*?)```", page.read_text(), re.DOTALL))
]
RUNNER = """
import contextlib, io, json, sys, warnings

warnings.simplefilter("error", ResourceWarning)

def _run(examples):
    for example in examples:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(example, "<example>", "exec"), globals())
        yield output.getvalue()

print(json.dumps(list(_run(json.loads(sys.argv[1])))))
"""


NUMBER = r"-?\d+\.\d*(?:e[+-]\d+)?"


def _matches(expected: str, printed: str) -> bool:
    """Return whether the printed text is the shown one.

    ``…`` stands for any text. Numbers with a decimal point may differ by 3 %, or by 0.03, and spaces in number.
    """
    expected, printed = (
        "\n".join(" ".join(line.split()) for line in text.strip().splitlines()) for text in (expected, printed)
    )
    parts = re.split(f"(…|{NUMBER})", expected)
    patterns = (
        ".*?" if part == "…" else f"({NUMBER})" if re.fullmatch(NUMBER, part) else re.escape(part) for part in parts
    )
    match = re.fullmatch("".join(patterns), printed, re.DOTALL)
    numbers = [float(part) for part in parts if re.fullmatch(NUMBER, part)]
    return match is not None and np.allclose(numbers, [float(group) for group in match.groups()], rtol=0.03, atol=0.03)


@pytest.mark.parametrize(
    "page", [page for page, examples in EXAMPLES.items() if examples], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_examples_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    examples = [example for example, _ in EXAMPLES[page]]
    run = warm.run(["-c", RUNNER, json.dumps(examples)], text=True, timeout=120, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "JinaDefaultModelWarning" not in run.stderr
    for (example, expected), printed in zip(EXAMPLES[page], json.loads(run.stdout), strict=True):
        if expected:
            assert _matches(expected, printed), f"{example}printed:\n{printed}"
        for comment in re.findall(r"^ *print\(.*\)  # (.+)$", example, re.MULTILINE):
            assert any(_matches(comment, line) for line in printed.splitlines()), f"{comment!r} not in:\n{printed}"


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 65


@pytest.mark.parametrize("example", NOT_RUN)
def test_examples_that_need_a_server_compile(example: str) -> None:
    compile(example, "example", "exec")


def test_constraints_contain_no_url_or_path() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[a-z0-9._-]+==[^ :/]+( ; .*)?", pin) for pin in pins)
