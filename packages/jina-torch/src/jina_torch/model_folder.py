"""Find a model's folder, and which of Jina's models it holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from jina_client.integration import MODELS, Model
from jina_local.backend import ModelNotFoundError

# Servers for models that need their own code. The first pattern that matches a model's id applies.
_OTHER_SERVERS = (
    (r"jina-embeddings-v2-.*", "text-embeddings-inference or Jina's on-prem server"),
    (r"jina-embeddings-v4", "vLLM (with the repositories merged per task) or Jina's on-prem server"),
    (r"jina-clip-.*", "Infinity or Jina's on-prem server"),
    (r".*", "Jina's on-prem server"),
)

# Models whose architecture exists only as code that comes with the weights.
_OWN_CODE_ONLY = re.compile(r"jina-embeddings-v4|jina-embeddings-v5-omni-.*|jina-clip-v2|jina-reranker-(m0|v3\.5)")

# Other formats of the same weights, which take several gigabytes in some repositories.
_OTHER_FORMATS = ["onnx/*", "*.onnx*", "openvino/*", "*.gguf", "mlx/*", "*.h5", "*.msgpack"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The files of a model.

    Attributes:
        path: Path of the folder.
        name: Folder or hub id as the user wrote it.
        config: Content of ``config.json``.
    """

    path: Path
    name: str
    config: dict[str, Any]

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the folder, or ``None`` if there is no such file."""
        path = self.path / name
        return orjson.loads(path.read_bytes()) if path.is_file() else None


def find_folder(name: str) -> ModelFolder:
    """Find a folder by its path, or download a repository from the hub.

    Args:
        name: Folder or hub id.

    Raises:
        ModelNotFoundError: The folder or repository does not exist, or does not hold a model.
    """
    path = Path(name).expanduser()
    if not path.is_dir():
        path = _download(name)
    if not (path / "config.json").is_file():
        raise ModelNotFoundError(f"{path} does not hold a model: it has no config.json")
    return ModelFolder(path.resolve(), name, orjson.loads((path / "config.json").read_bytes()))


def find_row(name: str, model_id: str | None) -> Model:
    """Find the catalog's row of a model.

    Args:
        name: Folder or hub id; ``jinaai/jina-embeddings-v3-hf`` is ``jina-embeddings-v3``.
        model_id: Id of the model, if the user named it.

    Raises:
        ModelNotFoundError: No row has this id, or the name contains no id.
    """
    if model_id is not None:
        if model_id in MODELS:
            return MODELS[model_id]
        raise ModelNotFoundError(f"unknown model id {model_id!r}. Known ids: {', '.join(MODELS)}")
    for part in reversed(Path(name).parts):
        # The longest match, because some ids start with another id.
        matches = [row_id for row_id in MODELS if re.search(rf"{re.escape(row_id)}(?![\w.])", part)]
        if matches:
            return MODELS[max(matches, key=len)]
    raise ModelNotFoundError(
        f"the name {name} does not contain the id of one of Jina's models: pass the id, such as "
        "--model-id jina-embeddings-v3"
    )


def check_supported(row: Model) -> None:
    """Check that transformers' own classes can compute a model.

    Raises:
        ModelNotFoundError: They cannot.
    """
    if "sparse" in row.fields:
        raise ModelNotFoundError(f"{row.id} cannot be served: its weights are not Jina's")
    if _OWN_CODE_ONLY.fullmatch(row.id):
        raise needs_own_code(row, row.id)


def needs_own_code(row: Model, description: str) -> ModelNotFoundError:
    """Return the error for a model that is computed by code that comes with its weights.

    Args:
        row: The catalog's row.
        description: The model, and the code if it is known.
    """
    servers = next(servers for pattern, servers in _OTHER_SERVERS if re.fullmatch(pattern, row.id))
    return ModelNotFoundError(
        f"{description} is computed by code that comes with its weights, which jina-torch never runs. Serve it with "
        f"{servers} (see docs/real-weights.md in the repository)"
    )


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, ignore_patterns=_OTHER_FORMATS))
    except HFValidationError:
        raise ModelNotFoundError(f"{name} is neither a folder nor a valid id on the hub") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelNotFoundError(f"{name} is not a folder, and downloading it from the hub failed: {reason}") from None
