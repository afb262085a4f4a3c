"""Every notebook runs from its first cell to its last, and was committed with what it shows."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from kernels import execute

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "cookbooks").glob("*.ipynb"))


# Notebooks with dependencies that the default environment does not have.
NEEDS = {"10_cluster": "ray"}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def test_a_kernel_has_imported_the_packages(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("import sys; assert 'llama_index.core' in sys.modules")
    execute(nbformat.v4.new_notebook(cells=[cell]), tmp_path)


def test_a_notebook_runs(notebook: nbformat.NotebookNode, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if package := NEEDS.get(request.node.callspec.id):
        pytest.importorskip(package, reason=f"the notebook needs {package}: uv run --group {package} pytest")
    execute(notebook, tmp_path)


def test_a_committed_notebook_has_outputs_and_a_plot(notebook: nbformat.NotebookNode) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    outputs = [output for cell in code for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
    # Outputs must not contain paths of the machine that ran the notebook.
    text = nbformat.writes(notebook)
    assert not any(place in text for place in (str(Path.home()), str(Path.cwd())))


def test_the_first_cell_says_what_to_install(notebook: nbformat.NotebookNode) -> None:
    first = notebook.cells[0].source
    assert first.startswith("# ")
    for line in ("pip install", "After publication", "jina-local fetch-model"):
        assert line in first
