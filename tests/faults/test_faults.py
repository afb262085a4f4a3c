"""The table of faults, against every way to embed texts."""

from __future__ import annotations

import logging
import tracemalloc

import pytest
from jina_client import JinaError, JinaStatusError, PartialFailureError
from jina_client.transport import contract

from .runs import BY_REQUEST, CLIENTS, KEY, RUNS, Outcome, check
from .server import Exchange, FaultServer, bomb
from .table import FAULTS, TEXTS, Fails, Fault, Partial, Succeeds


def ways(fault: Fault) -> list[str]:
    """The ways to embed that a row is run through."""
    partial = isinstance(fault.expected, Partial)
    return [name for name in (RUNS if fault.everywhere else CLIENTS) if partial or "returned" not in name]


CASES = [pytest.param(fault, name, id=f"{fault.name} - {name}") for fault in FAULTS for name in ways(fault)]


def test_the_fault_table_is_large_and_its_names_are_unique() -> None:
    assert len(FAULTS) == len({fault.name for fault in FAULTS}) >= 40


@pytest.mark.parametrize(("fault", "name"), CASES)
def test_a_fault_loses_no_result(
    fault: Fault, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "MAX_RESPONSE_BYTES", 2**22)
    caplog.set_level(logging.DEBUG)
    options = {"max_retries": 2, "timeout": 10.0, **fault.options}
    with FaultServer(fault.make()) as server:
        outcome = RUNS[name](server.url, fault.texts, fault.batch_size, options)
        check(outcome, fault.texts, server, caplog.records)
        judge(outcome, fault, len(server.seen), exact=name in BY_REQUEST)


def judge(outcome: Outcome, fault: Fault, requests: int, *, exact: bool) -> None:
    """Check the facts that the row of the table names."""
    expected = fault.expected
    if isinstance(expected, Succeeds):
        assert outcome.error is None
        assert not outcome.failed
        check_count(requests, expected, exact)
    elif isinstance(expected, Partial):
        assert outcome.failed.keys() == expected.failed
        assert all(isinstance(error, expected.kind) for error in outcome.failed.values())
        assert outcome.error is None or isinstance(outcome.error, PartialFailureError)
        check_count(requests, expected, exact)
    else:
        assert isinstance(expected, Fails)
        assert not outcome.vectors
        assert requests <= expected.at_most
        for error in {*outcome.failed.values(), *([outcome.error] if outcome.error else [])}:
            assert isinstance(error, expected.kind)
            assert expected.says in str(error)
            assert expected.check(error)


def check_count(requests: int, expected: Succeeds | Partial, exact: bool) -> None:
    if expected.requests is None:
        assert requests <= expected.at_most
    elif exact:
        assert requests == expected.requests
    else:
        # One large request in the place of several: to find one input in it takes more halves, of fewer requests.
        assert requests <= expected.requests + 2


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(name: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer() as other, FaultServer() as server:

        def redirect(exchange: Exchange) -> None:
            exchange.send(b"", status, {"Location": f"{other.url}/embeddings?key={KEY}"})

        server.behavior = redirect
        outcome = RUNS[name](server.url, TEXTS, 4, {"max_retries": 2})
        check(outcome, TEXTS, server, caplog.records)
        assert isinstance(outcome.failed[0], JinaStatusError)
        assert not outcome.vectors
        assert not other.seen
        assert len(server.seen) <= 3


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("status", [200, 500])
def test_a_gzip_bomb_uses_little_memory(name: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MAX_RESPONSE_BYTES", 2**22)
    with FaultServer(bomb(status)) as server:
        tracemalloc.start()
        try:
            outcome = RUNS[name](server.url, ["a"], None, {"max_retries": 0})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert isinstance(outcome.error, JinaError)
    # The bomb is 256 MiB.
    assert peak < 64 * 2**20
