"""Running ``jina-jobs``: within the test's process, or as a process of its own where that matters."""

from __future__ import annotations

from pathlib import Path

import pytest
import warm
from jina_jobs.cli import main
from job_runs import COMMAND, Done, RunJob
from loopback import Recorder


@pytest.fixture
def jobs(
    tmp_path: Path, server: Recorder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> RunJob:
    """Run a command in the folder of the test, with the server as the API."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JINA_BASE_URL", server.url)

    def run(*arguments: object, stdin: bytes | None = None, own_process: bool = False) -> Done:
        words = [str(argument) for argument in arguments]
        if stdin is None and not own_process:
            capfd.readouterr()
            code = main(words)
            return Done(code, *capfd.readouterr())
        command = [*COMMAND, *words]
        done = warm.run(command, input=stdin, timeout=250)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
