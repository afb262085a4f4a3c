"""``jina-jobs doctor``: a line for each check, a remedy for each problem, and no secret anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from job_runs import RunJob
from loopback import Answer, Recorder


def test_without_spend_nothing_is_sent(jobs: RunJob, server: Recorder) -> None:
    done = jobs("doctor")
    assert done.code == 0, done.out
    assert "✔ versions: Python" in done.out
    assert "✔ connection: port" in done.out
    assert "– embed: not tried: pass --spend" in done.out
    assert [sent.path for sent in server.sent] == []


def test_with_spend_every_capability_of_the_engine_works(jobs: RunJob, engine_url: str) -> None:
    found = jobs("doctor", "--base-url", engine_url, "--spend", "--json").json
    tried = {check["name"]: check["ok"] for check in found}
    assert all(tried[name] for name in ("embed", "multi-vectors", "rerank", "classify", "segment")), found


def test_a_rejected_key_has_a_remedy_and_is_never_shown(
    jobs: RunJob, server: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "jina_0123456789abcdef0123456789abcdef"
    monkeypatch.setenv("JINA_API_KEY", key)
    server.answer = lambda sent: Answer({"detail": f"the key {key} is invalid"}, 401)
    done = jobs("doctor", "--spend", "--report", "report.txt")
    assert done.code == 1
    assert "✘ embed: " in done.out
    assert "Remedy: " in done.out
    assert "JINA_API_KEY is set, 37 characters" in done.out
    for text in (done.out, done.err, (tmp_path / "report.txt").read_text()):
        assert key not in text
        assert str(Path.home()) + "/" not in text


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:9/v1", "✘ connection: 127.0.0.1:9"),
        ("http://no-such-host.invalid/v1", "✘ DNS: no-such-host.invalid"),
        ("nonsense", "✘ address"),
    ],
)
def test_a_wrong_address_is_named_with_its_remedy(jobs: RunJob, address: str, words: str) -> None:
    done = jobs("doctor", "--base-url", address)
    assert done.code == 1
    assert words in done.out
    assert all("Remedy: " in line for line in done.out.splitlines() if line.startswith("✘"))


def test_the_password_of_an_address_is_not_shown(jobs: RunJob, server: Recorder) -> None:
    address = server.url.replace("http://", "http://name:hunter22@")
    done = jobs("doctor", "--base-url", address)
    assert "hunter22" not in done.out + done.err


def test_spark_without_java_has_a_remedy(jobs: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package of Spark, where it is not installed.
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = jobs("doctor")
    assert done.code == 1
    assert "✘ Java: Spark needs it: there is no java on the path, and JAVA_HOME is not set" in done.out
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"✔ Java: {java}" in jobs("doctor").out
