"""The pages on models and protocol are made from the catalog and name what exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from jina_client import AsyncJinaClient, JinaClient
from jina_client.models import MODELS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> Any:
    specification = importlib.util.spec_from_file_location("make_pages", DOCS.parent / "tools" / "make_pages.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # Its dataclass looks itself up.
    import sys

    sys.modules["make_pages"] = module
    specification.loader.exec_module(module)
    return module


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
