"""Few threads of a call hold a response at the same time."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from jina_client import turns as turns_module
from jina_client.concurrency.threads import ThreadWorkers
from jina_client.turns import READERS, Turn, Turns


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
    monkeypatch.setattr(turns_module, "LONGEST_WAIT", 0.01)
    turns = Turns(1)
    with Turn(turns) as stopped:
        stopped.begin()
        with Turn(turns) as other:
            other.begin()
    assert turns.free.acquire(blocking=False)
    assert not turns.free.acquire(blocking=False)


def test_a_request_that_gets_no_response_keeps_no_turn() -> None:
    turns = Turns(1)
    with Turn(turns):
        pass
    assert turns.free.acquire(blocking=False)
    assert not turns.free.acquire(blocking=False)


def test_a_buffer_goes_to_the_next_request_when_its_turn_ends() -> None:
    turns = Turns()
    with Turn(turns) as first:
        first.begin()
        buffer = first.buffer(70_000)
        with Turn(turns) as other:
            other.begin()
            assert other.buffer(70_000).obj is not buffer.obj
    with Turn(turns) as larger:
        larger.begin()
        assert len(larger.buffer(200_000)) == 200_000
    with Turn(turns) as last:
        last.begin()
        assert len(last.buffer(70_001)) == 70_001
    assert len(turns.buffers) == 2
