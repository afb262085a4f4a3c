"""The factory of an open model's backend: knows the model without loading torch or the weights."""

from __future__ import annotations

from pathlib import Path

from jina_local.backend import Backend, Catalog, ModelNotFoundError, cores

from .model_folder import check_supported, find_row


class OpenModelFactory:
    """A :class:`jina_local.backend.BackendFactory` for one of Jina's open models.

    Args:
        model: Folder of the model, or its id on the hub.
        model_id: Id of the served model; ``None`` derives it from ``model``.
        threads: Threads that compute; ``None`` for one per core.
        allow_fetch: Whether images may be fetched from public addresses.

    Raises:
        ModelNotFoundError: ``model`` is not one of Jina's models, or cannot be computed with transformers' classes.
    """

    stand_in: str | None = None
    # The loaded weights decide which options a row supports.
    served: Catalog | None = None

    def __init__(self, model: str, model_id: str | None, threads: int | None, allow_fetch: bool) -> None:
        self._model = model
        self._row = find_row(model, model_id)
        check_supported(self._row)
        self._threads = threads
        self._allow_fetch = allow_fetch

    @property
    def name(self) -> str:
        """The model's id and its origin."""
        return f"{self._row.id} from {self._model}"

    def check(self) -> None:
        """Check that a local folder still holds a model; a model on the hub passes.

        Raises:
            ModelNotFoundError: The folder has no ``config.json``.
        """
        folder = Path(self._model).expanduser()
        if folder.is_dir() and not (folder / "config.json").is_file():
            raise ModelNotFoundError(f"{folder} does not hold a model: it has no config.json")

    def load(self) -> Backend:
        """Load the model, and download it first if necessary.

        Raises:
            ModelNotFoundError: The model is missing or cannot be loaded, or a library is not installed.
        """
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError as error:
            raise ModelNotFoundError(
                f"loading {self._model} needs {error.name}, which is not installed: pip install {error.name}"
            ) from None
        from .loading import load_backend

        torch.set_num_threads(max(1, min(self._threads or cores(), cores())))
        return load_backend(self._model, self._row, self._allow_fetch)
