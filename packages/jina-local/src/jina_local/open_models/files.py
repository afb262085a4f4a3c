"""A model's folder, and which of Jina's models it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from jina_client.models import MODELS, Model

from ..errors import ModelNotFoundError

# Other formats of the same weights, several gigabytes in some repositories.
_NOT_NEEDED = ["onnx/*", "*.onnx*", "openvino/*", "*.gguf", "mlx/*", "*.h5", "*.msgpack"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's files.

    Attributes:
        path: where they are.
        name: what the user called it.
        config: of ``config.json``.
    """

    path: Path
    name: str
    config: dict[str, Any]

    @property
    def has_own_code(self) -> bool:
        """Whether the model is to be computed by code that comes with it."""
        return "auto_map" in self.config

    def json(self, name: str) -> Any:
        """A JSON file of the folder, or ``None`` where there is none."""
        path = self.path / name
        return orjson.loads(path.read_bytes()) if path.is_file() else None


def find_folder(name: str) -> ModelFolder:
    """A folder by its path, or a hub's repository, downloaded where it is not at hand.

    Raises:
        ModelNotFoundError: there is none, or it holds no model.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        path = _from_hub(name)
    if not (path / "config.json").is_file():
        raise ModelNotFoundError(f"{path} holds no model: it has no config.json")
    return ModelFolder(path.resolve(), name, orjson.loads((path / "config.json").read_bytes()))


def find_row(name: str, model_id: str | None) -> Model:
    """The catalogue's row of a model.

    Args:
        name: its folder or its id on the hub; ``jinaai/jina-embeddings-v3-hf`` is ``jina-embeddings-v3``.
        model_id: the id, where the user named it.

    Raises:
        ModelNotFoundError: it is none of the catalogue's.
    """
    if model_id is not None:
        if model_id in MODELS:
            return MODELS[model_id]
        raise ModelNotFoundError(f"{model_id} is none of the models that can be served: {', '.join(MODELS)}")
    for part in reversed(Path(name).parts):
        # The longest, for some ids begin like others.
        found = max(
            (known for known in MODELS if re.search(rf"{re.escape(known)}(?![\w.])", part)), key=len, default=""
        )
        if found:
            return MODELS[found]
    raise ModelNotFoundError(
        f"the name {name} does not say which of Jina's models it is: name its id, such as --model-id jina-embeddings-v3"
    )


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, ignore_patterns=_NOT_NEEDED))
    except HFValidationError:
        raise ModelNotFoundError(f"{name} is neither a folder nor an id on the hub") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelNotFoundError(f"{name} is no folder, and the hub does not give it: {reason}") from None
