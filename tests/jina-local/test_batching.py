"""Requests that are computed at the same time share batches, and nobody notices but by the time it takes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import warm
from jina_local import RequestError
from jina_local.app import App
from jina_local.batching import SharedBatches
from jina_local.encoder import Encoder
from jina_local.engine import Engine

Ran = list[tuple[int, list[str]]]


class Machine:
    """Something that runs batches, and counts them. Work that is called "bad" fails; "stop" interrupts once.

    Args:
        size: how much one batch holds.
        held: wait in the first batch for ``go``.
    """

    def __init__(self, size: int = 4, is_held: bool = False) -> None:
        self.ran: Ran = []
        self.running, self.go = threading.Event(), threading.Event()
        if not is_held:
            self.go.set()
        self._interrupted = False
        self._alone = threading.Lock()
        self.shared = SharedBatches[int, str, str](self._run, lambda _: size)

    def _run(self, work: list[str], length: int) -> list[str]:
        assert self._alone.acquire(blocking=False), "two batches at once"
        try:
            self.running.set()
            assert self.go.wait(20)
            self.ran.append((length, list(work)))
            if "bad" in work:
                raise MemoryError("too much")
            if "stop" in work and not self._interrupted:
                self._interrupted = True
                raise KeyboardInterrupt
            return [item.upper() for item in work]
        finally:
            self._alone.release()

    def results(self, *work: tuple[int, str]) -> dict[str, str]:
        return dict(self.shared.results(work))

    def waiting(self, pool: ThreadPoolExecutor, *calls: tuple[tuple[int, str], ...]) -> list[Any]:
        """Calls that stand in line, one after the other, while the first one's batch is held."""
        futures = []
        for number, call in enumerate(calls):
            futures.append(pool.submit(self.results, *call))
            if number == 0:
                assert self.running.wait(20)
            else:
                until(lambda number=number: len(self.shared._queue) == number)  # type: ignore[misc]
        return futures


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.001)


def test_texts_of_one_length_share_a_batch() -> None:
    machine = Machine()
    results = machine.results((8, "a"), (4, "b"), (8, "c"), *((4, f"d{number}") for number in range(5)))
    assert results == {item: item.upper() for item in ("a", "b", "c", "d0", "d1", "d2", "d3", "d4")}
    assert [(length, len(work)) for length, work in machine.ran] == [(4, 4), (4, 2), (8, 2)]


def test_no_texts_need_no_batch() -> None:
    machine = Machine()
    assert (machine.results(), machine.ran) == ({}, [])


def test_waiting_callers_share_a_batch() -> None:
    machine = Machine(is_held=True)
    with ThreadPoolExecutor(4) as pool:
        calls = machine.waiting(pool, ((4, "a"),), ((4, "b"), (8, "c")), ((4, "d"),), ((4, "e"),))
        machine.go.set()
        assert [call.result(20) for call in calls] == [{"a": "A"}, {"b": "B", "c": "C"}, {"d": "D"}, {"e": "E"}]
    assert machine.ran == [(4, ["a"]), (4, ["b", "d", "e"]), (8, ["c"])]


def test_a_short_text_waits_for_one_batch_of_a_long_request() -> None:
    machine = Machine(size=1, is_held=True)
    with ThreadPoolExecutor(2) as pool:
        long, short = machine.waiting(pool, tuple((64, f"long {number}") for number in range(20)), ((4, "short"),))
        machine.go.set()
        assert short.result(20) == {"short": "SHORT"}
        assert len(long.result(20)) == 20
    assert machine.ran[1] == (4, ["short"])


def test_long_requests_take_turns() -> None:
    machine = Machine(size=1, is_held=True)
    with ThreadPoolExecutor(2) as pool:
        calls = machine.waiting(
            pool, *(tuple((number + 1, f"{name}{n}") for n in range(10)) for number, name in enumerate("ab"))
        )
        machine.go.set()
        for call in calls:
            call.result(20)
    order = "".join(work[0][0] for _, work in machine.ran)
    assert order == "ab" * 10


def test_a_failure_reaches_only_the_callers_that_shared_the_batch() -> None:
    machine = Machine(is_held=True)
    with ThreadPoolExecutor(4) as pool:
        calls = machine.waiting(pool, ((4, "a"),), ((4, "bad"), (8, "never")), ((4, "b"),), ((12, "c"),))
        machine.go.set()
        assert calls[0].result(20) == {"a": "A"}
        for call in calls[1:3]:
            with pytest.raises(MemoryError, match="too much"):
                call.result(20)
        assert calls[3].result(20) == {"c": "C"}
    # The failed caller's other work is not done for nobody.
    assert (8, ["never"]) not in machine.ran
    assert machine.results((4, "d")) == {"d": "D"}


def test_an_interrupt_affects_only_its_own_thread() -> None:
    machine = Machine(is_held=True)
    with ThreadPoolExecutor(3) as pool:
        first, interrupted, other = machine.waiting(pool, ((4, "a"),), ((4, "stop"),), ((4, "b"), (8, "c")))
        machine.go.set()
        assert first.result(20) == {"a": "A"}
        with pytest.raises(KeyboardInterrupt):
            interrupted.result(20)
        assert other.result(20) == {"b": "B", "c": "C"}


def test_a_caller_that_leaves_does_not_delay_others() -> None:
    machine = Machine(size=1)
    some = machine.shared.results([(4, "a"), (4, "b"), (4, "c")])
    next(some)
    some.close()  # type: ignore[attr-defined]
    assert machine.results((4, "d")) == {"d": "D"}
    assert [work for _, work in machine.ran] == [["a"], ["d"]]


def test_closing_rejects_waiting_and_new_callers() -> None:
    machine = Machine(is_held=True)
    with ThreadPoolExecutor(2) as pool:
        running, waiting = machine.waiting(pool, ((4, "a"),), ((8, "b"),))
        machine.shared.close()
        for call in (waiting, pool.submit(machine.results, (4, "c"))):
            with pytest.raises(RequestError) as caught:
                call.result(20)
            assert caught.value.status == 503
        machine.go.set()
        with pytest.raises(RequestError):
            running.result(20)
    assert machine.ran == [(4, ["a"])]


def test_other_work_runs_between_batches() -> None:
    machine = Machine(is_held=True)
    with ThreadPoolExecutor(2) as pool:
        [batch] = machine.waiting(pool, ((4, "a"),))
        other = pool.submit(machine.shared.run_alone, lambda: len(machine.ran))
        assert not other.done()
        machine.go.set()
        assert (batch.result(20), other.result(20)) == ({"a": "A"}, 1)


def test_stopping_waits_for_other_work() -> None:
    machine = Machine()
    began, go = threading.Event(), threading.Event()

    def compute() -> bool:
        began.set()
        return go.wait(20)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(machine.shared.run_alone, compute)
        assert began.wait(20)
        machine.shared.close()
        machine.shared.wait_until_idle(0.01)
        assert not other.done()
        go.set()
        machine.shared.wait_until_idle(20)
        assert other.result(20)
    with pytest.raises(RequestError):
        machine.shared.run_alone(compute)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_wait_for_its_parents_batch() -> None:
    code = """
import os, signal, sys, threading
from jina_local.batching import SharedBatches

shared = SharedBatches(list, int)
began, go = threading.Event(), threading.Event()
def compute():
    began.set()
    go.wait()
thread = threading.Thread(target=shared.run_alone, args=(compute,))
thread.start()
began.wait()
child = os.fork()
if child == 0:
    signal.alarm(5)
    sys.exit()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
go.set()
"""
    assert warm.run(["-c", code], text=True, timeout=60).stdout == "0\n"


def test_many_threads_get_their_own_results() -> None:
    machine = Machine(size=3)

    def call(number: int) -> bool:
        work = [(length, f"{number} {length} {n}") for length in (4, 8, 12) for n in range(number % 5)]
        return machine.results(*work) == {item: item.upper() for _, item in work}

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(200)))


def test_vectors_do_not_depend_on_the_batch(encoder: Encoder) -> None:
    texts = [("word " * (number * 7 % 50)).strip() or f"text {number}" for number in range(48)]
    texts += ["long " * 520, "", "x"]
    sequences = encoder.tokenize(texts)
    alone = [encoder.token_vectors([sequence])[0] for sequence in sequences]
    means = [encoder.mean_vectors([sequence])[0] for sequence in sequences]

    def call(number: int) -> bool:
        sample = np.random.default_rng(number).integers(0, len(texts), 5)
        together = encoder.token_vectors([sequences[each] for each in sample])
        pooled = encoder.mean_vectors([sequences[each] for each in sample])
        return all(
            np.array_equal(together[place], alone[each]) and np.array_equal(pooled[place], means[each])
            for place, each in enumerate(sample)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(16)))


def test_a_closed_engine_rejects_running_requests(asking: Any) -> None:
    engine = Engine()
    ask = asking(App(engine))
    assert ask("POST", "/v1/embeddings", {"model": "jina-embeddings-v3", "input": "a"}).status == 200
    with ThreadPoolExecutor(1) as pool:
        long = {"model": "jina-embeddings-v3", "input": ["word " * 8000] * 64}
        computing = pool.submit(ask, "POST", "/v1/embeddings", long)
        time.sleep(0.3)
        engine.close()
        rejection = computing.result(60)
    assert (rejection.status, rejection.body["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert ask("POST", "/v1/embeddings", {"model": "jina-embeddings-v3", "input": "a"}).status == 503
