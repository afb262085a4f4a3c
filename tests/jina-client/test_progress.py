"""Progress bars, as a terminal, a log file and a framework that divides its calls see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from jina_client import AsyncJinaClient, JinaClient, JinaError, limiter, progress
from jina_client.progress import Progress, progress_of_part
from loopback import Answer, Recorder, right_answer
from terminal import Terminal


def test_a_progress_bar_counts_inputs_and_tokens(server: Recorder, make_client: Callable[..., Any]) -> None:
    with Terminal() as terminal:
        make_client(base_url=server.url).embed(["two words"] * 6, batch_size=2, show_progress=True)
    assert "100%" in terminal.bars[-1]
    assert "6/6" in terminal.bars[-1]
    assert "12 tokens" in terminal.bars[-1]


def test_a_progress_bar_does_not_count_failures(server: Recorder, make_client: Callable[..., Any]) -> None:
    server.answer = lambda sent: Answer({"detail": "slow down"}, status=429)
    client = make_client(base_url=server.url, max_retries=0)
    with Terminal() as terminal, pytest.raises(JinaError):
        client.embed(["a", "b", "c"], batch_size=1, show_progress=True)
    assert "0/3" in terminal.bars[-1]
    assert "3 failed" in terminal.bars[-1]


def test_a_streams_progress_bar_counts_failures_separately(server: Recorder, make_client: Callable[..., Any]) -> None:
    server.answer = lambda sent: (
        Answer({"detail": "no"}, status=500) if sent.body["input"] == ["b"] else right_answer(sent)
    )
    client = make_client(base_url=server.url, max_retries=0)
    with Terminal() as terminal:
        _drain(client.embed_stream(["a", "b", "c"], batch_size=1, show_progress=True, on_error="return"), client)
    assert "2/3" in terminal.bars[-1]
    assert "1 failed" in terminal.bars[-1]


def test_a_progress_bar_shows_waits_and_elapsed_time(
    server: Recorder, make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter, "WINDOW", 0.3)
    monkeypatch.setattr(progress, "REDRAW_INTERVAL", 0.02)
    client = make_client(base_url=server.url, requests_per_minute=1)
    with Terminal() as terminal:
        client.embed(["a", "b"], batch_size=1, show_progress=True)
    waiting = [bar for bar in terminal.bars if "rate limit: 1 s" in bar]
    assert len(waiting) > 2
    assert "rate limit" not in terminal.bars[-1]
    assert "2/2" in terminal.bars[-1]


def test_no_progress_bar_is_drawn_into_a_log(
    server: Recorder, make_client: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    make_client(base_url=server.url).embed(["a"], show_progress=True)
    assert capfd.readouterr().err == ""


# The last part is one of a framework whose cache had all of it.
PARTS = ((["a", "b"], 2), (["c"], 1), ([], 2))


def test_parts_of_a_call_share_a_progress_bar(server: Recorder) -> None:
    with Terminal() as terminal, Progress(True, 5) as whole, JinaClient(base_url=server.url) as client:
        for texts, inputs in PARTS:
            with progress_of_part(whole, inputs):
                if texts:
                    client.embed(texts, show_progress=True)
    _check_shared(terminal)


def test_concurrent_parts_share_a_progress_bar(server: Recorder) -> None:
    async def embed(whole: Progress, client: AsyncJinaClient, texts: list[str], inputs: int) -> None:
        with progress_of_part(whole, inputs):
            if texts:
                await client.embed(texts, show_progress=True)

    async def main() -> None:
        async with AsyncJinaClient(base_url=server.url) as client:
            with Progress(True, 5) as whole:
                await asyncio.gather(*(embed(whole, client, *part) for part in PARTS))

    with Terminal() as terminal:
        asyncio.run(main())
    _check_shared(terminal)


def _check_shared(terminal: Terminal) -> None:
    assert {bar.split("/")[1].split(" ")[0] for bar in terminal.bars} == {"5"}
    assert "5/5" in terminal.bars[-1]
    assert "3 tokens" in terminal.bars[-1]


def _drain(stream: Any, client: Any) -> None:
    if hasattr(stream, "__aiter__"):

        async def drain() -> None:
            async for _ in stream:
                pass

        client.run(drain())
    else:
        for _ in stream:
            pass
