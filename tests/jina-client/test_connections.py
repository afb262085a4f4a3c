"""Settings, keys, connections, concurrency, event loops and pickles."""

from __future__ import annotations

import asyncio
import gc
import pickle
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jina_client import AsyncJinaClient, AuthenticationError, JinaClient, JinaInputError
from jina_client.concurrency.threads import open_transport
from jina_client.settings import Settings
from jina_client.transport import LocalTransport, Request, Response
from loopback import Answer, Recorder, Sent, right_answer

KEY = "jina_0123456789abcdef"
MODEL = "jina-embeddings-v3"


@pytest.mark.parametrize("name", ["JINA_API_KEY", "JINAAI_API_KEY", "JINA_AUTH_TOKEN"])
def test_the_key_is_read_from_the_environment(
    make_client: Callable[..., Any], server: Recorder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, KEY)
    make_client(base_url=server.url).embed(["a"])
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


def test_the_address_is_read_from_the_environment(
    make_client: Callable[..., Any], server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_BASE_URL", server.url)
    assert len(make_client().embed(["a"])) == 1


def test_without_a_key_no_header_is_sent(make_client: Callable[..., Any], server: Recorder) -> None:
    make_client(base_url=server.url).embed(["a"])
    assert "authorization" not in server.sent[0].headers


def test_jina_without_a_key_says_what_to_do(make_client: Callable[..., Any]) -> None:
    with pytest.raises(JinaInputError, match=r"JINA_API_KEY.*base_url='local'"):
        make_client()


@pytest.mark.parametrize(
    "url",
    ["{root}", "{root}/", "{root}/embeddings", "{root}/embeddings/", "{root}/rerank", " {root} "],
)
def test_base_url_may_be_the_root_or_an_endpoint(make_client: Callable[..., Any], server: Recorder, url: str) -> None:
    make_client(base_url=url.format(root=server.url)).embed(["a"])
    assert server.sent[0].path == "/v1/embeddings"


@pytest.mark.parametrize("host", ["https://api.jina.ai", "https://api.jina.ai/", "https://api.jina.ai/v1/embeddings"])
def test_jinas_host_works_without_v1(host: str) -> None:
    assert JinaClient(base_url=host, api_key=KEY).settings.base_url == "https://api.jina.ai/v1"


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "api.jina.ai/v1"},
        {"base_url": "ftp://127.0.0.1/v1"},
        {"base_url": "http://"},
        {"base_url": "http://user:hunter2@127.0.0.1/v1"},
        {"base_url": "user:hunter2@127.0.0.1/v1"},
        {"base_url": "http://127.0.0.1/v1?key=hunter2"},
        {"base_url": 7},
        {"timeout": 0},
        {"timeout": None},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_concurrency": 0},
        {"api_key": 7},
        {"api_key": "two words"},
        {"api_key": "line\nbreak"},
        {"api_key": "ключ"},
        {"transport": object()},
        {"base_uri": "local"},
    ],
)
def test_invalid_settings_are_rejected(make_client: Callable[..., Any], options: dict[str, Any]) -> None:
    with pytest.raises(JinaInputError) as caught:
        make_client(**{"base_url": "http://127.0.0.1:9/v1", **options})
    assert "hunter2" not in str(caught.value)


def test_an_unknown_argument_suggests_the_nearest_name() -> None:
    with pytest.raises(JinaInputError, match="did you mean 'base_url'"):
        JinaClient(base_uri="local")  # type: ignore[call-arg]


def test_a_key_over_plain_http_to_another_machine_warns() -> None:
    with pytest.warns(UserWarning, match="unencrypted to models.example"):
        JinaClient(base_url="http://models.example/v1", api_key=KEY)


def test_the_key_never_appears_in_output(make_client: Callable[..., Any]) -> None:
    client = make_client(base_url="http://127.0.0.1:9/v1", api_key=KEY)
    assert KEY not in f"{client!r} {client.settings!r} {vars(client)!r}"


def test_a_netrc_file_does_not_replace_the_key(
    make_client: Callable[..., Any], server: Recorder, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    make_client(base_url=server.url, api_key=KEY).embed(["a"])
    make_client(base_url=server.url).embed(["a"])
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in server.sent[1].headers


def test_connections_are_reused(client: Any, server: Recorder) -> None:
    for _ in range(5):
        client.embed(["a"])
    assert len(server.connections) == 1


def _slowly(sent: Sent) -> Answer:
    time.sleep(0.05)
    return right_answer(sent)


def test_a_small_request_is_one_write(make_client: Callable[..., Any]) -> None:
    pieces = []

    def respond() -> None:
        connected, _ = listening.accept()
        with connected:
            pieces.append(connected.recv(2**16))
            connected.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=respond)
        server.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with pytest.raises(AuthenticationError):
            make_client(base_url=url, max_retries=0).embed(["a", "b"], model=MODEL)
        server.join()
    assert pieces[0].endswith(b'"input":["a","b"]}')


def test_cookies_are_ignored(client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(right_answer(sent).body, headers={"Set-Cookie": "session=1; Path=/"})
    for _ in range(2):
        client.embed(["a"])
    assert ["cookie" in sent.headers for sent in server.sent] == [False, False]


def test_requests_in_flight_are_bounded(make_client: Callable[..., Any], server: Recorder) -> None:
    server.answer = _slowly
    make_client(base_url=server.url, max_concurrency=3).embed([str(number) for number in range(12)], batch_size=1)
    assert server.most_in_flight == 3


def test_the_bound_holds_across_threads(server: Recorder) -> None:
    server.answer = _slowly
    with JinaClient(base_url=server.url, max_concurrency=2) as client:
        threads = [threading.Thread(target=client.embed, args=(["a"],)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (server.most_in_flight, len(server.sent)) == (2, 8)


def test_an_async_client_works_in_one_event_loop_after_another(server: Recorder) -> None:
    client = AsyncJinaClient(base_url=server.url)
    first, second = (asyncio.run(client.embed(["a"])) for _ in range(2))
    assert np.array_equal(first.vectors, second.vectors)


def test_a_client_that_is_never_closed_leaves_no_warning(server: Recorder, tmp_path: Path) -> None:
    program = (
        "import asyncio\n"
        "from jina_client import AsyncJinaClient, JinaClient\n"
        f"asyncio.run(AsyncJinaClient(base_url={server.url!r}).embed(['a'], model={MODEL!r}))\n"
        f"client = JinaClient(base_url={server.url!r}, cache={str(tmp_path / 'cache')!r})\n"
        f"client.embed(['a', 'b'], model={MODEL!r}, batch_size=1)\n"
    )
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stderr == ""


@pytest.mark.parametrize("inside", [True, False], ids=["in the loop", "between two runs of it"])
def test_a_client_in_a_cycle_that_is_never_closed_leaves_no_warning(server: Recorder, inside: bool) -> None:
    class Owner:
        client: AsyncJinaClient
        itself: Any

    async def use() -> Owner:
        owner = Owner()
        owner.client, owner.itself = AsyncJinaClient(base_url=server.url), owner
        await owner.client.embed(["a"], model=MODEL)
        if inside:
            del owner
            gc.collect()
            await asyncio.sleep(0)
            return Owner()
        return owner

    with warnings.catch_warnings(record=True) as caught, asyncio.Runner() as runner:
        warnings.simplefilter("always")
        owner = runner.run(use())
        del owner
        gc.collect()
        runner.run(asyncio.sleep(0))
    gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_an_event_loop_closed_without_aclose_leaves_no_session(server: Recorder) -> None:
    """As LlamaIndex closes them: without their asynchronous generators."""
    program = (
        "import asyncio, gc\n"
        "from jina_client import AsyncJinaClient\n"
        f"client = AsyncJinaClient(base_url={server.url!r})\n"
        "for _ in range(3):\n"
        "    loop = asyncio.new_event_loop()\n"
        f"    loop.run_until_complete(client.embed(['a'], model={MODEL!r}))\n"
        "    loop.close()\n"
        f"asyncio.run(client.embed(['a'], model={MODEL!r}))\n"
        "del client\n"
        "gc.collect()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""


async def test_closing_a_client_does_not_end_requests_in_flight(server: Recorder) -> None:
    arrived, may_answer = threading.Semaphore(0), threading.Event()

    def wait(sent: Sent) -> Answer:
        arrived.release()
        assert may_answer.wait(10)
        return right_answer(sent)

    server.answer = wait
    client = JinaClient(base_url=server.url, max_retries=0)
    async_client = AsyncJinaClient(base_url=server.url, max_retries=0)
    calls = [
        asyncio.create_task(asyncio.to_thread(client.embed, ["a"], model=MODEL)),
        asyncio.create_task(async_client.embed(["a"], model=MODEL)),
    ]
    for _ in calls:
        assert await asyncio.to_thread(arrived.acquire, timeout=10)
    client.close()
    await async_client.aclose()
    may_answer.set()
    assert [len(result) for result in await asyncio.gather(*calls)] == [1, 1]


NESTED = """
import asyncio, gc, nest_asyncio
from jina_client import AsyncJinaClient
nest_asyncio.apply()
client = AsyncJinaClient(base_url={url!r})

async def outer():
    return asyncio.run(client.embed(["a"], model="jina-embeddings-v3"))

asyncio.run(outer())
asyncio.run(client.embed(["a"], model="jina-embeddings-v3"))
"""


# Nobody develops nest_asyncio any more, and asyncio.timeout fails with it on Python 3.14.
needs_nest_asyncio = pytest.mark.skipif(sys.version_info >= (3, 14), reason="nest_asyncio does not work on Python 3.14")


@needs_nest_asyncio
@pytest.mark.parametrize(
    "ending", ["", "del client; gc.collect(); asyncio.run(asyncio.sleep(0))", "asyncio.run(client.aclose())"]
)
def test_a_program_with_nest_asyncio_ends_without_a_warning(server: Recorder, ending: str) -> None:
    program = NESTED.format(url=server.url) + ending
    command = [sys.executable, "-W", "default::ResourceWarning", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
    assert len(server.connections) == 1


def test_a_cancelled_call_leaves_no_request_running(server: Recorder) -> None:
    two_in_flight, released = threading.Event(), threading.Event()

    def answer(sent: Sent) -> Answer:
        if len(server.sent) == 6:
            two_in_flight.set()
        if len(server.sent) > 4:
            released.wait(30)
        return right_answer(sent)

    async def cancelled() -> None:
        async with AsyncJinaClient(base_url=server.url, max_concurrency=2) as client:
            call = asyncio.ensure_future(client.embed([str(number) for number in range(100)], batch_size=1))
            assert await asyncio.to_thread(two_in_flight.wait, 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    server.answer = answer
    asyncio.run(cancelled())
    released.set()
    time.sleep(0.05)
    assert len(server.sent) == 6


def test_a_closed_client_can_be_used_again(client: Any, server: Recorder) -> None:
    client.embed(["a"])
    (client.close if hasattr(client, "close") else client.aclose)()
    assert len(client.embed(["a"])) == 1


@pytest.mark.parametrize("kind", [JinaClient, AsyncJinaClient])
def test_a_pickled_client_keeps_its_settings(kind: Any) -> None:
    client = kind(base_url="http://127.0.0.1:9/v1", api_key=KEY, timeout=7.0, max_retries=1, max_concurrency=2)
    assert pickle.loads(pickle.dumps(client)).settings == client.settings


class Echo:
    """A transport of the user's own."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, {}, b'{"results": [{"index": 0, "relevance_score": 0.5}]}')

    def close(self) -> None:
        raise AssertionError("a transport that was given belongs to who made it")


def test_the_client_does_not_close_the_callers_transport() -> None:
    transport = Echo()
    with JinaClient(transport=transport, api_key=KEY) as client:
        assert client.rerank("q", ["a"]).results[0].relevance_score == 0.5
    assert transport.requests[0].url == "https://api.jina.ai/v1/rerank"
    assert KEY not in repr(transport.requests[0])


def test_the_async_client_rejects_a_sync_transport() -> None:
    with pytest.raises(JinaInputError, match=r"must have asend\(\) and aclose\(\)"):
        AsyncJinaClient(transport=Echo(), api_key=KEY)  # type: ignore[arg-type]


def test_base_url_local_selects_the_embedded_engine() -> None:
    assert isinstance(open_transport(Settings(base_url="local")), LocalTransport)


def test_a_proxy_from_the_environment_is_used(
    make_client: Callable[..., Any], server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    make_client(base_url="http://models.example/v1").embed(["a"])
    assert server.sent[0].path == "http://models.example/v1/embeddings"


ABANDONED = """
import asyncio, nest_asyncio
from jina_client import AsyncJinaClient
nest_asyncio.apply()
client = AsyncJinaClient(base_url={url!r})

async def main():
    async for first, embeddings in client.embed_stream(map(str, range(100)), model="jina-embeddings-v3", batch_size=2):
        break
    await asyncio.sleep(0)

asyncio.run(main())
"""


@needs_nest_asyncio
def test_a_stream_abandoned_under_nest_asyncio_ends_without_a_warning(server: Recorder) -> None:
    command = [sys.executable, "-X", "dev", "-c", ABANDONED.format(url=server.url)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
