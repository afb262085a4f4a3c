"""A call reads few megabytes of responses at the same time."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack

import pytest
from jina_client import turns as turns_module
from jina_client.concurrency.tasks import TaskWorkers
from jina_client.concurrency.threads import ThreadWorkers
from jina_client.turns import RESPONSES_BYTES, Turn, Turns

HALF = RESPONSES_BYTES // 2


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "PATIENCE", 60.0)


@pytest.mark.usefixtures("patient")
def test_a_thread_waits_until_another_has_stored_its_response() -> None:
    workers, began = ThreadWorkers(1), threading.Event()

    def read() -> None:
        with workers.turn() as turn:
            turn.begin(HALF)
            began.set()

    with ExitStack() as others:
        for _ in range(2):
            others.enter_context(workers.turn()).begin(HALF)
        thread = threading.Thread(target=read)
        thread.start()
        assert not began.wait(0.05)
    assert began.wait(10)
    thread.join()


@pytest.mark.usefixtures("patient")
def test_a_task_waits_until_another_has_stored_its_response() -> None:
    async def run() -> None:
        workers, began = TaskWorkers(1), asyncio.Event()

        async def read() -> None:
            with workers.turn() as turn:
                await turn.abegin(HALF)
                began.set()

        with workers.turn() as first, workers.turn() as second:
            await first.abegin(HALF)
            await second.abegin(HALF)
            task = asyncio.create_task(read())
            for _ in range(5):
                await asyncio.sleep(0)
            assert not began.is_set()
        await asyncio.wait_for(task, 10)

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["thread", "task"])
def test_slow_responses_do_not_hold_up_others(kind: str) -> None:
    turns = Turns()

    async def begin(turn: Turn) -> None:
        await turn.abegin(RESPONSES_BYTES)

    with ExitStack() as turns_in_use:
        for _ in range(3):
            turn = turns_in_use.enter_context(Turn(turns))
            if kind == "thread":
                turn.begin(RESPONSES_BYTES)
            else:
                asyncio.run(begin(turn))
    assert turns.budget.acquire(turns.budget.queue(RESPONSES_BYTES, print))


@pytest.mark.usefixtures("patient")
def test_a_request_that_gets_no_response_or_is_cancelled_keeps_no_turn() -> None:
    turns = Turns()
    with Turn(turns):
        pass

    async def cancel() -> None:
        async def read() -> None:
            with Turn(turns) as turn:
                await turn.abegin(RESPONSES_BYTES)

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    with Turn(turns) as held:
        held.begin(RESPONSES_BYTES)
        asyncio.run(cancel())
    with Turn(turns) as last:
        last.begin(RESPONSES_BYTES)


def test_a_buffer_goes_to_the_next_request_when_its_turn_ends() -> None:
    turns = Turns()

    def memory(turn: Turn, size: int) -> memoryview:
        turn.begin(size)
        view = turn.buffer(size)
        assert view is not None
        assert len(view) == size
        return view

    with Turn(turns) as first, Turn(turns) as second:
        assert memory(first, 70_000).obj is not memory(second, 70_000).obj
    with Turn(turns) as larger:
        memory(larger, 200_000)
    with Turn(turns) as last:
        memory(last, 70_001)
    assert len(turns.buffers) == 2


@pytest.mark.parametrize("size", [0, 1_000, 2**29])
def test_a_small_or_improbably_large_body_gets_no_buffer(size: int) -> None:
    assert Turn(Turns()).buffer(size) is None
