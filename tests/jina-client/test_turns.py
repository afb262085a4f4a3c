"""Few threads of a call hold a response at the same time."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from jina_client import turns
from jina_client.concurrency.threads import ThreadWorkers
from jina_client.turns import READERS, Turn


def test_a_thread_waits_until_another_has_stored_its_response() -> None:
    workers, began = ThreadWorkers(1), threading.Event()

    def read() -> None:
        with workers.turn() as turn:
            turn.begin()
            began.set()

    with ExitStack() as others:
        for _ in range(READERS):
            others.enter_context(workers.turn()).begin()
        thread = threading.Thread(target=read)
        thread.start()
        assert not began.wait(0.05)
    assert began.wait(10)
    thread.join()


def test_responses_that_stop_in_the_middle_do_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONGEST_WAIT", 0.01)
    free = threading.Semaphore(1)
    with Turn(free) as stopped:
        stopped.begin()
        with Turn(free) as other:
            other.begin()
    assert free.acquire(blocking=False)
    assert not free.acquire(blocking=False)


def test_a_request_that_gets_no_response_keeps_no_turn() -> None:
    free = threading.Semaphore(1)
    with Turn(free):
        pass
    assert free.acquire(blocking=False)
    assert not free.acquire(blocking=False)
