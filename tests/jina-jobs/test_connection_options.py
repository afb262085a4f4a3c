"""The options of commands that say where requests go, and how."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from job_runs import RunJob
from loopback import Recorder, recorder


@pytest.fixture
def texts(tmp_path: Path) -> str:
    (tmp_path / "in.txt").mkdir()
    for number in range(40):
        (tmp_path / "in.txt" / f"{number:02}.txt").write_text(f"text {number}")
    return "in.txt"


EMBED = ("--model", "jina-embeddings-v3", "--batch-size", "1")


@pytest.mark.parametrize("spelled", ["repeated", "with a comma"])
def test_a_job_uses_several_servers(jobs: RunJob, server: Recorder, tmp_path: Path, texts: str, spelled: str) -> None:
    with recorder() as other:
        both = [server.url, other.url]
        addresses = [f"--base-url={url}" for url in both] if spelled == "repeated" else [f"--base-url={','.join(both)}"]
        done = jobs("embed", texts, "out.parquet", *EMBED, *addresses)
        assert done.code == 0, done.err
        embedded = [sum(sent.path == "/v1/embeddings" for sent in each.sent) for each in (server, other)]
    assert sum(embedded) == 40
    assert min(embedded) > 5
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 40


def test_headers_and_the_header_of_the_key_are_sent(
    jobs: RunJob, server: Recorder, texts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_API_KEY", "a-key-of-the-gateway")
    done = jobs("embed", texts, "out.parquet", *EMBED, "--header", "X-Team: search: a", "--key-header", "api-key")
    assert done.code == 0, done.err
    assert server.sent[0].headers["x-team"] == "search: a"
    assert server.sent[0].headers["api-key"] == "a-key-of-the-gateway"
    assert "authorization" not in server.sent[0].headers


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--header", "X-Team"], "--header must be NAME: VALUE"),
        (["--ca-bundle", "missing.pem"], "missing.pem"),
        (["--base-url", "http://a.example/v1", "--base-url", "http://a.example/v1/"], "lists one server twice"),
    ],
)
def test_an_option_that_cannot_work_is_rejected_before_anything_is_sent(
    jobs: RunJob, server: Recorder, texts: str, options: list[str], words: str
) -> None:
    done = jobs("embed", texts, "out.parquet", *EMBED, *options)
    assert done.code in (1, 2)
    assert words in done.err
    assert server.sent == []


def test_the_doctor_checks_each_server(jobs: RunJob, server: Recorder) -> None:
    with recorder() as other:
        done = jobs("doctor", "--base-url", server.url, "--base-url", other.url)
    assert done.code == 0, done.out
    assert done.out.count("✔ connection: port") == 2
    assert f"✔ address: {other.url}, dialect jina" in done.out
