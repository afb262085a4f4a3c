"""Describe the models as ``GET /v1/models`` does."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from jina_client.integration import MODELS, Model, canonical_id

from .errors import not_found
from .validation.options import Catalog

_STAND_IN = "Answered by a stand-in, all-MiniLM-L6-v2, not by the model of this name"
_OPEN_WEIGHTS = "Answered by the model of this name, from its open weights"
_READABLE = ("text", "image", "pdf")


def model_cards(served: Catalog = MODELS, *, stand_in: bool = True) -> dict[str, Any]:
    """Describe all models that are served, in the published shape.

    Args:
        served: The models; defaults to the whole catalog.
        stand_in: Whether another model computes the responses.
    """
    return {"data": [_card(model, stand_in) for model in served.values()]}


def model_card(name: str, served: Catalog = MODELS, *, stand_in: bool = True) -> dict[str, Any]:
    """Describe one model, in the published shape.

    Args:
        name: Id of the model, with or without the hub's prefix.
        served: The models that are served; defaults to the whole catalog.
        stand_in: Whether another model computes the responses.

    Raises:
        RejectedRequestError: No model that is served has this id (404).
    """
    model = served.get(canonical_id(name))
    if model is None:
        raise not_found("Model", name)
    return _card(model, stand_in)


def _card(model: Model, stand_in: bool) -> dict[str, Any]:
    free = dict.fromkeys(("prompt", "completion", "image", "request", "input_cache_read", "input_cache_write"), "0")
    # The inputs that this engine accepts: without the extra `images` the stand-in reads text only.
    readable = _READABLE if find_spec("rapidocr") or not stand_in else _READABLE[:1]
    embeds = any(endpoint in model.fields for endpoint in ("embeddings", "multi-vector", "sparse"))
    return {
        "id": f"jina-ai/{model.id}",
        "hugging_face_id": f"jinaai/{model.id}",
        "name": f"Jina AI: {model.id}",
        "created": 0,
        "input_modalities": [kind for kind in readable if kind in model.modalities],
        "output_modalities": ["embeddings" if embeds else "scores"],
        "quantization": "",
        "context_length": model.context,
        "max_output_length": model.dimensions,
        "pricing": free,
        "supported_sampling_parameters": [],
        "supported_features": [],
        "description": _STAND_IN if stand_in else _OPEN_WEIGHTS,
        "datacenters": [],
    }
