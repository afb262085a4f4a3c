"""Hostile pictures and PDFs: each gets a response within its limits, and costs other requests nothing."""

from __future__ import annotations

import base64
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from hostile_media import FILES
from pictures import written
from served import Served, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits on a worker are those of Linux")

HONEST_SECONDS = 2.0
"""A text request takes at most this long after each hostile file."""

ENDLESS = (
    "JPEG: hundreds of scans",
    "JPEG: thousands of empty scans",
    "PDF: a form that draws itself",
    "PDF: millions of fills",
    "PDF: millions of curves",
    "PDF: thousands of fonts",
    "PDF: thousands of annotations",
    "PDF: a function of 2,000 parts",
    "PDF: 30 million characters",
)
"""The files that a decoder is busy with for seconds to hours, in little memory."""


def medium(kind: str, data: bytes) -> dict[str, str]:
    return {kind: base64.b64encode(data).decode()}


@contextmanager
def watched(seconds: float) -> Iterator[Served]:
    """A server whose limit for a picture or page is some seconds."""
    server = start("--media-seconds", str(seconds), fresh=True)
    watcher = threading.Thread(target=server.watch)
    watcher.start()
    try:
        assert server.embed("a text").status_code == 200
        yield server
    finally:
        server.stop.set()
        watcher.join()
        server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with watched(1) as server:
        yield server


@pytest.fixture(scope="module")
def impatient() -> Iterator[Served]:
    """A server that gives up soon. Honest files may need more."""
    with watched(0.3) as server:
        yield server


def test_the_table_has_enough_hostile_files() -> None:
    kinds = {name.partition(":")[0] for name in FILES}
    assert len(FILES) >= 40
    assert kinds == {"PNG", "JPEG", "GIF", "WebP", "TIFF", "BMP", "PDF"}


def test_a_worker_starts_only_when_media_arrive(served: Served) -> None:
    assert served.embed("a text").status_code == 200
    assert psutil.Process(served.process.pid).children() == []


def response_to(server: Served, name: str) -> requests.Response:
    """The response to a hostile file, after which the server has the time and the memory for others."""
    kind, make = FILES[name]
    file = make()
    began = time.monotonic()
    response = server.embed(medium(kind, file))
    # The whole file, with the start of a worker.
    assert time.monotonic() - began < 13
    began = time.monotonic()
    assert server.embed("an honest text").status_code == 200
    assert time.monotonic() - began < HONEST_SECONDS
    assert psutil.Process(server.process.pid).memory_info().rss < 350 * 2**20
    return response


@pytest.mark.parametrize("name", [name for name in FILES if name not in ENDLESS])
def test_a_hostile_file_does_not_disturb_others(served: Served, name: str) -> None:
    response = response_to(served, name)
    assert response.status_code in (200, 422), response.text[:500]
    if response.status_code == 422:
        [error] = response.json()["errors"]
        assert error["type"] in ("unreadable_medium", "too_long"), error


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_file_is_given_up(impatient: Served, name: str) -> None:
    response = response_to(impatient, name)
    assert response.status_code == 422, response.text[:500]
    [error] = response.json()["errors"]
    assert error["type"] == "unreadable_medium"
    # By the processor's time, or on a busy machine by the clock.
    assert re.match("Reading (the file|one picture or page) takes more than 0.[39] seconds", error["message"])


@pytest.fixture(scope="module")
def patient() -> Iterator[Served]:
    """A server with a key, whose limit for a file is not reached on a busy machine either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JINA_LOCAL_API_KEY", "right")
        server = start("--media-seconds", "60")
    server.key = "right"
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def test_a_valid_image_is_read_after_a_worker_died(patient: Served) -> None:
    image = medium("image", written("Closed on Sundays"))
    assert patient.embed(image).status_code == 200
    [worker] = psutil.Process(patient.process.pid).children()
    worker.kill()
    while worker.status() != psutil.STATUS_ZOMBIE or len(list(Path(f"/proc/{worker.pid}/task").iterdir())) > 1:
        time.sleep(0.01)
    assert patient.embed(image).status_code == 200


def test_the_worker_does_not_inherit_the_key(patient: Served) -> None:
    assert patient.embed(medium("image", written("Closed on Sundays"))).status_code == 200
    [worker] = psutil.Process(patient.process.pid).children()
    assert replace(patient, key="wrong").embed("a text").status_code == 401
    assert "right" not in worker.environ().values()
    assert not [name for name in worker.environ() if "KEY" in name]


def test_the_processes_stay_below_a_gigabyte(served: Served, impatient: Served) -> None:
    peak = max(served.peak, impatient.peak)
    print(f"peak of all processes: {peak / 2**20:.0f} MB")
    assert peak < 2**30


def test_sigterm_stops_the_server_and_its_worker(patient: Served) -> None:
    assert patient.embed(medium("image", written("Closed on Mondays"))).status_code == 200
    workers = psutil.Process(patient.process.pid).children()
    assert len(workers) == 1
    began = time.monotonic()
    patient.process.terminate()
    assert patient.process.wait(20) == 0
    assert time.monotonic() - began < 5
    assert psutil.wait_procs(workers, timeout=1)[1] == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("PDF: nested forms", signal.SIGTERM),
        ("PDF: nested forms", signal.SIGINT),
        ("PDF: millions of fills", signal.SIGTERM),
        ("JPEG: thousands of empty scans", signal.SIGINT),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_signal_stops_the_server_while_a_file_is_read(name: str, sent: signal.Signals) -> None:
    server = start("--stop-seconds", "0")
    kind, make = FILES[name]
    statuses: list[Any] = []

    def post() -> None:
        try:
            statuses.append(server.embed(medium(kind, make())).status_code)
        except requests.ConnectionError:
            statuses.append("closed")

    poster = threading.Thread(target=post)
    poster.start()
    try:
        deadline = time.monotonic() + 20
        while not (workers := psutil.Process(server.process.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)
        began = time.monotonic()
        server.process.send_signal(sent)
        status = server.process.wait(20)
        took = time.monotonic() - began
    finally:
        server.process.kill()
        server.process.communicate()
        poster.join()
    assert status in ((0,) if sent is signal.SIGTERM else (130, -signal.SIGINT))
    assert took < 5
    assert psutil.wait_procs(workers, timeout=1)[1] == []
    assert statuses[0] in (200, 422, 503, "closed")
