"""The command serves, fetches, and says in one line what is wrong."""

import gc
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jina_local
import pytest
import requests
import warm
from jina_local.cli import main
from jina_local.weights import find_model_files

COMMAND = ["-m", "jina_local.cli"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return warm.run([*COMMAND, *arguments], env={**os.environ, **environment}, text=True, timeout=60)


def test_serve_prints_its_url_and_answers() -> None:
    environment = {**os.environ, "JINA_LOCAL_API_KEY": "right"}
    with warm.start([*COMMAND, "serve", "--port", "0"], env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = server.stdout.readline()
        match = re.search(r"JINA_BASE_URL=(http://127\.0\.0\.1:\d+/v1)", line)
        assert match, line
        body = {"model": "jina-embeddings-v3", "input": "a"}
        statuses = [
            requests.post(f"{match[1]}/embeddings", json=body, headers=headers, timeout=30).status_code
            for headers in ({}, {"Authorization": "Bearer right"})
        ]
        server.terminate()
        server.wait(20)
    assert statuses == [401, 200]


def test_version_is_printed() -> None:
    assert run("--version").stdout == f"jina-local {jina_local.__version__}\n"


def test_a_missing_model_prints_one_line(tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "--model-path", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"jina-local: {tmp_path} does not hold model.safetensors")


def test_a_port_in_use_prints_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run("serve", "--port", str(listener.getsockname()[1]))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "in use" in done.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            (option, value)
            for option in ("--rpm", "--tpm", "--concurrency", "--max-body")
            for value in ("0", "-1", "many")
        ),
        ("--threads", "0"),
        ("--port", "80800"),
        ("--port", "-1"),
        ("--port", "http"),
    ],
)
def test_an_error_names_the_number_out_of_range(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", f"{option}={value}"])
    allowed = "from 0 to 65535" if option == "--port" else "above 0"
    assert ended.value.code == 2
    message = f"{option}: must be a whole number {allowed}, got '{value}'"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "soon"])
def test_an_error_names_the_seconds_out_of_range(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", f"--media-seconds={value}"])
    assert ended.value.code == 2
    assert f"must be a number of seconds of 0.1 or more, got '{value}'" in capsys.readouterr().err


def test_a_missing_server_library_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "fastapi.py").write_text("raise ModuleNotFoundError('none', name='fastapi')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *COMMAND, "serve"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        'jina-local: serving needs fastapi, which is not installed: pip install "jina-local[server]", '
        'or in a checkout pip install "./packages/jina-local[server]"\n'
    )


@pytest.mark.skipif(find_spec("jina_torch") is not None, reason="jina-torch is installed")
def test_without_a_backend_package_the_error_says_what_to_install() -> None:
    done = run("serve", "--port", "0", "--model", "jinaai/jina-embeddings-v3-hf")
    assert done.returncode == 1
    assert done.stderr == (
        "jina-local: serving a model's own weights needs a backend package, and none is installed: "
        "pip install jina-torch (in a checkout: pip install ./packages/jina-torch)\n"
    )


def test_model_options_need_a_model() -> None:
    done = run("serve", "--model-id", "jina-embeddings-v3")
    assert done.returncode == 2
    assert "--model-id requires --model" in done.stderr
    assert "not allowed with argument --model-path" in run("serve", "--model-path", "a", "--model", "b").stderr


def test_precision_is_for_the_stand_in_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--model", "jinaai/jina-embeddings-v3-hf", "--precision", "int8"])
    assert "--precision applies to the stand-in only" in capsys.readouterr().err
    with pytest.raises(ValueError, match="precision='int8' applies to the stand-in only"):
        jina_local.Engine(model="jinaai/jina-embeddings-v3-hf", precision="int8")


def test_an_unknown_precision_in_the_environment_prints_one_line() -> None:
    done = run("serve", "--port", "0", JINA_LOCAL_PRECISION="int4")
    message = "jina-local: JINA_LOCAL_PRECISION must be one of int8, float32; got 'int4'\n"
    assert (done.returncode, done.stderr) == (1, message)


def test_the_precision_of_an_engine_changes_its_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"model": "jina-embeddings-v3", "input": "Bread is made of flour."}

    def vector(**options: Any) -> Any:
        engine = jina_local.Engine(**options)
        try:
            return engine.embed(body)["data"][0]["embedding"]
        finally:
            engine.close()
            del engine
            # Engines sit in cycles: four of them at the same time would need 150 MB.
            gc.collect()

    exact, fast = vector(precision="float32"), vector()
    assert list(exact) != list(fast)
    monkeypatch.setenv("JINA_LOCAL_PRECISION", "float32")
    assert list(vector()) == list(exact)
    assert list(vector(precision="int8")) == list(fast)


def test_fetching_reports_the_error_of_pip(tmp_path: Path) -> None:
    pytest.importorskip("pip")
    done = run("fetch-model", "--to", str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pip could not download" in done.stderr


def test_listening_on_the_network_without_a_key_warns() -> None:
    """On a port that is taken, so that nothing is opened to other machines."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        open_to_all = run("serve", "--host", "0.0.0.0", "--port", port)
        with_key = run("serve", "--host", "0.0.0.0", "--port", port, "--api-key", "right")
    assert "Warning: 0.0.0.0 can be reached by other machines" in open_to_all.stderr
    assert "Warning" not in with_key.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_first_line_stops_silently(how: signal.Signals) -> None:
    command = [*COMMAND, "serve", "--port", "0"]
    with warm.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert "JINA_BASE_URL" in server.stdout.readline()
        server.send_signal(how)
        output, complaints = server.communicate(timeout=60)
    assert (output, complaints) == ("", "")
    assert server.returncode == (0 if how == signal.SIGTERM else 130)


@pytest.mark.parametrize(
    "key", ["", "two words", "schlüssel", "\udcff\udcfe"], ids=["empty", "space", "umlaut", "bytes"]
)
@pytest.mark.parametrize("source", ["--api-key", "JINA_LOCAL_API_KEY"])
def test_an_invalid_key_prints_one_line(key: str, source: str) -> None:
    options, environment = (["--api-key", key], {}) if source == "--api-key" else ([], {source: key})
    done = run("serve", "--port", "0", *options, **environment)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"jina-local: {source}: the API key ")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_model_file_prints_one_line(name: str, tmp_path: Path) -> None:
    files = find_model_files()
    for path in (files.weights, files.tokenizer, files.config):
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[: len(content) // 2] if path.name == name else content)
    done = run("serve", "--port", "0", "--model-path", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert str(tmp_path / name) in done.stderr


def test_a_state_folder_that_cannot_be_created_prints_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("serve", "--port", "0", "--state", str(tmp_path / "file" / "state"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "Not a directory" in done.stderr
    assert str(tmp_path / "file") in done.stderr
