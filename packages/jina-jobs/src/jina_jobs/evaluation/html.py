"""The report as one HTML file with plots, which loads nothing from elsewhere."""

from __future__ import annotations

import json
import math
from html import escape

from .run import EvaluationReport, VariantResult

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 860, 360, 64, 48
_COLORS = {"float32": "#1f77b4", "float16": "#2ca02c", "int8": "#ff7f0e", "binary": "#d62728"}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}tr.best td{background:#e8f5e9}svg{max-width:100%;height:auto}
.note{background:#f4f6f8;padding:.8rem 1rem;border-left:4px solid #1f77b4}
"""


def html_report(report: EvaluationReport, command: str = "") -> str:
    """Return the report as HTML.

    Args:
        report: the results.
        command: the command line that repeats it.
    """
    plots = "".join(
        f"<h2>{escape(title)}</h2>{_scatter(report.variants, of, label, report.recommended)}"
        for title, of, label in (
            ("Quality and storage", "disk_bytes", "bytes of storage"),
            ("Quality and time", "milliseconds", "milliseconds per query"),
        )
    )
    data = json.dumps(report.to_dict()).replace("<", "\\u003c")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Evaluation of embeddings</title>"
        f"<style>{_STYLE}</style>"
        f"<h1>Evaluation of embeddings</h1><p>{report.documents:,} documents, {report.queries:,} queries. "
        f"Truth: {escape(report.truth)}. {report.tokens:,} tokens were used.</p>"
        f"<p class=note><b>Recommendation.</b> {escape(report.recommendation)}.</p>{plots}"
        f"<h2>All variants</h2>{_table(report)}<p>Intervals are 95 % confidence intervals over the queries, by the "
        "bootstrap; differences are paired with the best variant. Times are of an exact search with numpy on this "
        f"machine, without an index.</p><p><code>{escape(command)}</code></p>"
        f'<script type="application/json" id="data">{data}</script></html>'
    )


def _table(report: EvaluationReport) -> str:
    heads = [
        "variant",
        "nDCG@10",
        "95 %",
        f"recall@{report.k}",
        "difference",
        "95 %",
        "memory",
        "storage",
        "ms",
        "price",
    ]
    rows = "".join(
        f"<tr{' class=best' if each.name == report.recommended else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells(each))
        + "</tr>"
        for each in report.variants
    )
    return f"<table><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>{rows}</table>"


def cells(variant: VariantResult) -> list[str]:
    """Return the numbers of a variant as they are shown."""
    return [
        variant.name,
        f"{variant.ndcg:.3f}",
        f"{variant.ndcg_low:.3f} to {variant.ndcg_high:.3f}",
        f"{variant.recall:.3f}",
        f"{variant.difference:+.3f}",
        f"{variant.difference_low:+.3f} to {variant.difference_high:+.3f}",
        size(variant.memory_bytes),
        size(variant.disk_bytes),
        f"{variant.milliseconds:.2f}",
        "" if variant.price is None else f"{variant.price:.4f}",
    ]


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if count >= 100 or unit == "B" else f"{count:,.1f} {unit}"


def _scatter(variants: list[VariantResult], of: str, label: str, recommended: str) -> str:
    """Return a plot of nDCG@10 against another number, on a logarithmic scale, as SVG."""
    xs = [max(float(getattr(each, of)), 1e-6) for each in variants]
    low, high = math.log10(min(xs)) - 0.15, math.log10(max(xs)) + 0.15
    bottom = min(each.ndcg_low for each in variants)
    top = max(each.ndcg_high for each in variants)
    bottom, top = bottom - 0.02, top + 0.02

    def x_of(value: float) -> float:
        return _LEFT + (math.log10(value) - low) / (high - low) * (_WIDTH - _LEFT - 16)

    def y_of(value: float) -> float:
        return (top - value) / (top - bottom) * (_HEIGHT - _BOTTOM - 12) + 12

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="nDCG@10 by {escape(label)}">']
    for step in range(6):
        value = bottom + (top - bottom) * step / 5
        y = y_of(value)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="12">{value:.2f}</text>')
    for step in range(5):
        value = 10 ** (low + (high - low) * (step + 0.5) / 5)
        shown = size(value) if of == "disk_bytes" else f"{value:.3g}"
        parts.append(
            f'<text x="{x_of(value):.1f}" y="{_HEIGHT - 24}" text-anchor="middle" font-size="12">{shown}</text>'
        )
    for each, x_value in zip(variants, xs, strict=True):
        x, y, color = x_of(x_value), y_of(each.ndcg), _COLORS.get(each.encoding, "#555")
        radius = 8 if each.name == recommended else 5
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(each.ndcg_low):.1f}" y2="{y_of(each.ndcg_high):.1f}" '
            f'stroke="{color}" opacity=".4"/><circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{color}">'
            f"<title>{escape(each.name)}: {each.ndcg:.3f}</title></circle>"
        )
    for number, (name, color) in enumerate(_COLORS.items()):
        x = _LEFT + 8 + number * 84
        parts.append(f'<circle cx="{x}" cy="{_HEIGHT - 6}" r="4" fill="{color}"/>')
        parts.append(f'<text x="{x + 8}" y="{_HEIGHT - 2}" font-size="12">{name}</text>')
    parts.append(
        f'<text x="{_WIDTH - 16}" y="{_HEIGHT - 2}" text-anchor="end" font-size="12">{escape(label)}</text></svg>'
    )
    return "".join(parts)
