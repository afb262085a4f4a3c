"""Serve tiny random models in the layouts of the open models. Nothing is downloaded from the hub."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pybase64
import pytest
from jina_local.app import App
from jina_local.engine import Engine
from PIL import Image

os.environ["HF_HUB_OFFLINE"] = "1"

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def serve() -> Callable[..., Ask]:
    """Serve a folder: ``ask = serve(folder)``, and ``ask("embeddings", input=…)`` gives status and body."""

    def start(folder: Path, **options: Any) -> Ask:
        app = App(Engine(model=folder, **options))

        def ask(endpoint: str, **fields: Any) -> tuple[int, Any]:
            status, _, body = app.handle("POST", f"/v1/{endpoint}", {}, orjson.dumps(fields))
            return status, json.loads(body)

        return ask

    return start


@pytest.fixture(scope="session")
def picture() -> Callable[[int], tuple[Any, str]]:
    """A small picture, as PIL has it and in base64."""

    def make(seed: int) -> tuple[Any, str]:
        values = np.random.default_rng(seed).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        image = Image.fromarray(values)
        file = io.BytesIO()
        image.save(file, "PNG")
        return image, pybase64.b64encode(file.getvalue()).decode()

    return make
