"""Generated pages are up to date, name what exists, and compute with figures that other pages have."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from jina_client import AsyncJinaClient, JinaClient
from jina_client.models import MODELS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load(name: str) -> Any:
    specification = importlib.util.spec_from_file_location(name, DOCS.parent / "tools" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # Its dataclasses look themselves up.
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> Any:
    return load("make_pages")


@pytest.fixture(scope="module")
def scale() -> Any:
    return load("scale")


def test_generated_pages_are_up_to_date(maker: Any) -> None:
    for name, text in maker.pages().items():
        assert (DOCS / name).read_text() == text, "run: uv run tools/make_pages.py"


def test_every_field_of_every_model_is_an_argument_of_the_client(maker: Any) -> None:
    for name, part in maker.PARTS.items():
        arguments = maker.arguments_of(part.method)
        documented = {each for value in part.inputs.values() for each in value.split(", ")}
        assert {"model", *documented} <= arguments
        fields = {field for model in MODELS.values() for field in model.fields.get(name, ())}
        assert fields - {"return_multivector"} <= arguments, name


def test_every_documented_method_exists_in_both_clients(maker: Any) -> None:
    named = [part.method for part in maker.PARTS.values()]
    named += [re.sub(r"\(.*", "", method) for _, methods, _ in maker.OTHERS for method in methods.split(", ")]
    clients = JinaClient(base_url="local"), AsyncJinaClient(base_url="local")
    assert all(callable(maker.method_of(client, name)) for name in named for client in clients)


def test_the_page_on_scale_is_up_to_date(scale: Any) -> None:
    assert scale.PAGE.read_text() == scale.page(), "run: uv run tools/scale.py"


def test_every_figure_of_the_page_on_scale_is_on_the_page_that_it_names(scale: Any) -> None:
    for figure in scale.FIGURES:
        page = " ".join((DOCS / figure.source.partition("#")[0]).read_text().split())
        assert figure.quote in page, f"change the figure in tools/scale.py: {figure.meaning}"


def test_tables_of_scale_compute_other_collections(scale: Any) -> None:
    tier = scale.Tier("mine", 100, 1_000_000, 2)
    assert scale.rate(tier, 1000) == pytest.approx(1_000_000 / 1000 / 60)
    assert scale.rate(tier, 1) == pytest.approx(100 * 512 / 60)
    tables = scale.tables(6_000_000, 1000, {"test": [tier]})
    assert "| 16.7 | 10 | " in tables["limits"]
    assert "4.17 days" in tables["limits"]
    assert "| float32 | 24.6 GB | 6.14 GB |" in tables["storage"]
