"""Find the installed package that computes with other weights than the stand-in's."""

from __future__ import annotations

from importlib.metadata import entry_points

from .backend import ENTRY_POINT_GROUP, BackendFactory, MakeBackendFactory
from .errors import ModelNotFoundError

_NOT_INSTALLED = (
    "serving a model's own weights needs a backend package, and none is installed: pip install jina-torch "
    "(in a checkout: pip install ./packages/jina-torch)"
)


def make_backend_factory(model: str, *, model_id: str | None, threads: int | None, allow_fetch: bool) -> BackendFactory:
    """Make a backend factory with the installed backend package.

    Args:
        model: Folder of the model, or its id on the hub.
        model_id: Id of the served model; ``None`` derives it from ``model``.
        threads: Threads that compute; ``None`` for one per core.
        allow_fetch: Whether media may be fetched from public addresses.

    Raises:
        ModelNotFoundError: No backend package is installed, several are, or the installed one lacks a dependency.
    """
    candidates = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry_point: entry_point.name)
    if not candidates:
        raise ModelNotFoundError(_NOT_INSTALLED)
    if len(candidates) > 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise ModelNotFoundError(f"several backend packages are installed ({names}): uninstall all but one of them")
    try:
        make: MakeBackendFactory = candidates[0].load()
    except ImportError as error:
        package = candidates[0].name
        raise ModelNotFoundError(
            f"the backend package {package} needs {error.name or error}, which is not installed: reinstall {package}"
        ) from error
    return make(model, model_id=model_id, threads=threads, allow_fetch=allow_fetch)
