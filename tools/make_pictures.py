"""Draw the pictures of the page on concepts: ``uv run tools/make_pictures.py``.

Measured figures come from the table in ``docs/engine.md``, which ``benchmarks/retrieval_quality.py`` prints. The
similarities of late interaction come from the embedded engine.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from jina_client import JinaClient
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLUE, ORANGE, GREEN, GRAY = "#2563c9", "#d9730d", "#2e8b57", "#6b7280"


def tasks() -> Figure:
    """Draw how queries and documents get vectors in one space."""
    figure, axes = _canvas(9, 3)
    for y, text, task, color in (
        (2.2, "query\n“Where is the cat?”", "task: retrieval.query", ORANGE),
        (0.8, "document\n“The cat sleeps on the sofa.”", "task: retrieval.passage", BLUE),
    ):
        _box(axes, 1.5, y, text, color, width=2.7)
        _box(axes, 4.5, y, f"model\n{task}", GRAY, width=2.3)
        _arrow(axes, (2.9, y), (3.3, y))
        _arrow(axes, (5.7, y), (6.5, y))
    for angle, color in ((62, ORANGE), (35, BLUE)):
        radians = np.radians(angle)
        end = (6.7 + 2.2 * np.cos(radians), 0.5 + 2.2 * np.sin(radians))
        axes.annotate("", end, (6.7, 0.5), arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2.5})
    axes.plot([6.7, 8.9], [0.5, 0.5], color=GRAY, linewidth=1)
    axes.plot([6.7, 6.7], [0.5, 2.7], color=GRAY, linewidth=1)
    axes.text(7.8, 0.22, "small angle = similar meaning", ha="center", fontsize=9, color=GRAY)
    return figure


def matryoshka() -> Figure:
    """Plot the measured quality of shortened vectors."""
    rows = [(int(size), float(ndcg)) for size, ndcg in _measured(r"float32, (\d+) dimensions \| [\d,]+ \| ([\d.]+)")]
    rows.sort()
    figure, axes = plt.subplots(figsize=(7, 3.2))
    places = np.arange(len(rows))
    axes.bar(places, [ndcg for _, ndcg in rows], color=BLUE, width=0.6)
    for place, (_, ndcg) in zip(places, rows, strict=True):
        axes.text(float(place), ndcg + 0.01, f"{ndcg:.3f}", ha="center", fontsize=9)
    axes.set_xticks(places, [str(size) for size, _ in rows])
    axes.set(xlabel="dimensions", ylabel="nDCG@10", ylim=(0, 0.8))
    return figure


def late_chunking() -> Figure:
    """Draw where plain and late chunking split the document."""
    figure, axes = _canvas(9, 3.5)
    for y, title in ((2.7, "plain chunks"), (0.8, "late chunking")):
        axes.text(0.05, y, title, va="center", fontsize=11, weight="bold")
    chunks = ("Berlin is the capital of Germany.", "It has 3.8 million inhabitants.")
    for x, text, color in zip((3.2, 6.9), chunks, (BLUE, ORANGE), strict=True):
        _box(axes, x, 3.1, text, color, width=3.4, height=0.5)
        _box(axes, x, 2.3, "model, then mean of the tokens", GRAY, width=3.4, height=0.5)
        _arrow(axes, (x, 2.85), (x, 2.56))
        _box(axes, x, 1.35, text, color, width=3.4, height=0.5)
        _box(axes, x, 0.1, "mean of these tokens", color, width=3.4, height=0.4)
        _arrow(axes, (x, 1.1), (x, 0.92))
        _arrow(axes, (x, 0.48), (x, 0.32))
    _box(axes, 5.05, 0.7, "model reads the whole document: “It” is Berlin", GRAY, width=7.1, height=0.44)
    return figure


def encodings() -> Figure:
    """Draw one vector as floats, bytes and bits."""
    values = np.array([0.12, -0.05, 0.31, -0.22, 0.08, 0.01, -0.17, 0.26])
    codes = np.round((values + 0.35) / 0.7 * 255).astype(int) - 128
    figure, axes = _canvas(9, 2.6)
    rows = (
        ("float32", "32 bits per dimension", [f"{value:+.2f}" for value in values], BLUE),
        ("int8", "8 bits per dimension", [f"{code:d}" for code in codes], GREEN),
        ("binary", "1 bit per dimension", [f"{int(value > 0)}" for value in values], ORANGE),
    )
    for y, (name, size, cells, color) in zip((2.1, 1.3, 0.5), rows, strict=True):
        axes.text(0.05, y + 0.1, name, va="center", fontsize=11, weight="bold")
        axes.text(0.05, y - 0.17, size, va="center", fontsize=9, color=GRAY)
        for number, cell in enumerate(cells):
            _box(axes, 2.7 + number * 0.82, y, cell, color, width=0.72, height=0.46)
    return figure


def quality() -> Figure:
    """Plot the measured quality against the memory of a vector."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    groups = (
        ("float32, 32 to 1024 dimensions", r"\| float32, \d+ dimensions \| ([\d,]+) \| ([\d.]+)", BLUE, "o-"),
        ("int8, 1024 dimensions", r"\| int8, 1024 dimensions \| ([\d,]+) \| ([\d.]+)", GREEN, "s"),
        ("binary, 1024 bits", r"\| binary, 1024 bits \| ([\d,]+) \| ([\d.]+)", ORANGE, "D"),
        ("binary, rescored with int8", r"\| binary, 10 x rescored by int8 \| ([\d,]+) \| ([\d.]+)", ORANGE, "^"),
    )
    for label, pattern, color, style in groups:
        points = [(int(size.replace(",", "")), float(ndcg)) for size, ndcg in _measured(pattern)]
        axes.plot(*zip(*points, strict=True), style, color=color, label=label, markersize=8)
    ticks = [128, 256, 512, 1024, 2048, 4096]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set(xlabel="bytes per document (memory and disk)", ylabel="nDCG@10")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def late_interaction() -> Figure:
    """Plot the similarities of the tokens of a query and a document, computed by the embedded engine."""
    texts = ["Where does the cat sleep?", "The kitten naps on the sofa."]
    with JinaClient(base_url="local") as client:
        result = client.embed_multi_vector(texts, model="jina-embeddings-v4", return_tokenized_input=True)
    query, document = result.vectors
    similarity = query @ document.T
    assert result.tokens is not None
    query_tokens, document_tokens = result.tokens
    figure, axes = plt.subplots(figsize=(7, 3.6))
    axes.imshow(similarity, cmap="Blues", aspect="auto", vmin=0, vmax=1)
    axes.set_yticks(range(len(query_tokens)), query_tokens)
    axes.set_xticks(range(len(document_tokens)), document_tokens)
    for (row, column), value in np.ndenumerate(similarity):
        color = "white" if value > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color=color)
    for row, column in enumerate(similarity.argmax(axis=1)):
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5))
    axes.set(xlabel="tokens of the document", ylabel="tokens of the query")
    return figure


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return empty axes whose units are inches."""
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set(xlim=(0, width), ylim=(-0.2, height))
    axes.axis("off")
    return figure, axes


def _box(axes: Axes, x: float, y: float, text: str, color: str, *, width: float, height: float = 0.9) -> None:
    """Draw a rounded box with text around a center."""
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, facecolor=f"{color}22", edgecolor=color))
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GRAY, "linewidth": 1.5})


def _measured(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the two groups of each row of the measured table that match a pattern."""
    rows = re.findall(pattern, (DOCS / "engine.md").read_text())
    assert rows, f"no row of docs/engine.md matches {pattern}"
    yield from rows


def main() -> None:
    """Draw all pictures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    # A light background, which is readable in dark pages too, and the same bytes in every run.
    mpl.rcParams.update({"svg.hashsalt": "pictures", "savefig.facecolor": "#ffffff", "font.size": 10})
    for draw in (tasks, matryoshka, late_chunking, encodings, quality, late_interaction):
        figure = draw()
        figure.tight_layout()
        figure.savefig(DOCS / "pictures" / f"{draw.__name__}.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
