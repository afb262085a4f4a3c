"""OpenTelemetry: the spans and metrics of calls, requests, retries and waits, without texts and keys."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clients import all_of
from exported import Exported, attributes, exporting
from jina_client import (
    AsyncJinaClient,
    JinaClient,
    JinaError,
    JinaInputError,
    ServerError,
)
from jina_client.limiter import RateLimiter
from jina_client.telemetry import JinaInstrumentor, conventions
from jina_client.transport import Request, Response
from loopback import Answer, Recorder, Sent, embeddings, recorder, right_answer
from opentelemetry.instrumentation.utils import is_http_instrumentation_enabled, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

ROOT = Path(__file__).resolve().parents[2]
KEY = "key-that-nobody-sees-0123456789"
SECRET = "words that nobody else reads"
MODEL = {"model": "jina-embeddings-v3"}


@pytest.fixture
def exported() -> Iterator[Exported]:
    with exporting() as running:
        yield running


def failing(*failures: int, status: int = 503) -> Callable[[Sent], Answer]:
    """Answer the requests of these numbers, counted from 1, with an error that repeats the inputs and the key."""
    count = 0

    def answer(sent: Sent) -> Answer:
        nonlocal count
        count += 1
        if count in failures:
            repeated = {"detail": f"cannot embed {sent.body} with {sent.headers['authorization']}"}
            return Answer(repeated, status, {"x-request-id": f"id-of-{KEY}", "retry-after": "0"})
        return right_answer(sent)

    return answer


def test_a_call_is_a_span_with_its_requests_below(client: Any, server: Recorder, exported: Exported) -> None:
    client.embed(["one", "two words", "three"], batch_size=1, dimensions=256, task="text-matching", **MODEL)
    port = int(server.url.rpartition(":")[2].partition("/")[0])
    place = {"server.address": "127.0.0.1", "server.port": port}
    [call] = exported.calls
    assert call.name == "embeddings jina-embeddings-v3"
    assert call.kind is SpanKind.CLIENT
    assert call.status.status_code is StatusCode.UNSET
    shown = attributes(call)
    assert shown.pop("jina.queue.duration") < 1
    assert shown == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "jina_ai",
        "gen_ai.request.model": "jina-embeddings-v3",
        "gen_ai.response.model": "jina-embeddings-v3",
        "gen_ai.request.encoding_formats": ("base64",),
        "gen_ai.embeddings.dimension.count": 256,
        "gen_ai.usage.input_tokens": 4,
        "jina.task": "text-matching",
        "jina.input.count": 3,
        "jina.input.cached_count": 0,
        "jina.input.failed_count": 0,
        "jina.request.count": 3,
        "jina.retry.count": 0,
        **place,
    }
    assert len(exported.exchanges) == 3
    for exchange in exported.exchanges:
        assert exported.path(exchange) == ["embeddings jina-embeddings-v3", "POST"]
        assert exchange.kind is SpanKind.CLIENT
        shown = attributes(exchange)
        assert shown.pop("jina.queue.duration") < 1
        assert shown == {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "url.full": f"{server.url}/embeddings",
            "jina.input.count": 1,
            **place,
        }


CALLS: list[tuple[str, Callable[[Any], Any]]] = [
    ("embeddings jina-embeddings-v3", lambda client: client.embed([SECRET], **MODEL)),
    ("embeddings jina-embeddings-v3", lambda client: client.embed_chunked([[SECRET, "b"]], **MODEL)),
    ("embeddings jina-colbert-v2", lambda client: client.embed_multi_vector([SECRET], model="jina-colbert-v2")),
    (
        "embeddings jina-embeddings-v4",
        lambda client: client.embed_multi_vector([SECRET], model="jina-embeddings-v4", return_tokenized_input=True),
    ),
    ("rerank jina-reranker-v3", lambda client: client.rerank(SECRET, [SECRET, "b"], model="jina-reranker-v3")),
    (
        "classify jina-embeddings-v3",
        lambda client: client.classify([SECRET], ["a", "b"], **MODEL),
    ),
    ("segment", lambda client: client.segment(SECRET)),
    ("train jina-embeddings-v3", lambda client: client.classifiers.train([(SECRET, "a"), ("c", "b")], **MODEL)),
    ("classifiers", lambda client: client.classifiers.list()),
    ("models", lambda client: client.models.get("jina-embeddings-v3")),
    ("batches", lambda client: client.batches.list()),
]


@pytest.mark.parametrize(("name", "run"), CALLS, ids=[name for name, _ in CALLS])
def test_every_call_has_a_span_without_its_inputs(
    name: str, run: Callable[[Any], Any], engine_url: str, make_client: Any, exported: Exported
) -> None:
    run(make_client(base_url=engine_url, api_key=KEY))
    assert [call.name for call in exported.calls] == [name]
    assert exported.exchanges
    assert all(exported.path(exchange)[:1] == [name] for exchange in exported.exchanges)
    assert SECRET not in exported.text()
    assert KEY not in exported.text()


def test_an_image_is_not_exported(make_client: Any, server: Recorder, png: bytes, exported: Exported) -> None:
    server.answer = failing(1, status=400)
    with pytest.raises(JinaError):
        make_client(base_url=server.url, api_key=KEY).embed([png], model="jina-clip-v2")
    assert base64.b64encode(png).decode()[:40] in str(server.sent[0].body)
    assert len(exported.calls) == 1
    assert base64.b64encode(png).decode()[:40] not in exported.text()


def test_the_embedded_engine_in_the_process_is_no_server(exported: Exported) -> None:
    with JinaClient(base_url="local") as client:
        client.embed(["a"], **MODEL)
    assert attributes(exported.calls[0])["gen_ai.provider.name"] == "jina_local"
    assert not any("server.address" in attributes(span) for span in exported.spans)
    assert "http.client.request.duration" not in exported.metrics()


def test_each_request_names_its_server_of_several(make_client: Any, server: Recorder, exported: Exported) -> None:
    # They do not list their models.
    server.answer = lambda sent: right_answer(sent) if sent.method == "POST" else Answer({}, 404)
    with recorder(server.answer) as other:
        client = make_client(base_url=[server.url, other.url], max_concurrency=1)
        client.embed([str(number) for number in range(8)], batch_size=1, **MODEL)
    [call] = exported.calls
    assert "server.address" not in attributes(call)
    sent = {each.url: [one.method for one in each.sent] for each in (server, other)}
    for url, methods in sent.items():
        exchanges = [span for span in exported.exchanges if attributes(span)["url.full"].startswith(url)]
        assert sorted(span.name for span in exchanges) == sorted(methods)
        assert {attributes(span)["server.port"] for span in exchanges} == {int(url.split(":")[2].split("/")[0])}
        assert {exported.path(span)[0] for span in exchanges} == {call.name}


@pytest.mark.parametrize("mode", ["read", "search", "ground"])
def test_the_path_of_the_reader_is_not_exported(
    mode: str, make_client: Any, server: Recorder, exported: Exported
) -> None:
    server.answer = lambda sent: Answer({"detail": SECRET}, 500)
    client = make_client(base_url=server.url, api_key=KEY, max_retries=0)
    root = server.url.removesuffix("/v1")
    with pytest.raises(JinaError):
        getattr(client.web, mode)(f"https://example.com/{SECRET.replace(' ', '-')}", endpoint=root)
    assert exported.calls[0].name == mode
    assert attributes(exported.exchanges[0])["url.full"] == f"{root}/REDACTED"
    assert "nobody" not in exported.text()


def test_a_retry_is_an_exchange_of_its_own(make_client: Any, server: Recorder, exported: Exported) -> None:
    server.answer = failing(1, 2)
    make_client(base_url=server.url, api_key=KEY).embed([SECRET], **MODEL)
    first, second, third = (attributes(exchange) for exchange in exported.exchanges)
    assert "http.request.resend_count" not in first
    assert (second["http.request.resend_count"], third["http.request.resend_count"]) == (1, 2)
    assert (first["error.type"], first["http.response.status_code"]) == ("503", 503)
    assert "error.type" not in third
    assert [span.status.status_code for span in exported.exchanges[1:]] == [StatusCode.ERROR, StatusCode.UNSET]
    assert attributes(exported.calls[0])["jina.retry.count"] == 2
    assert "error.type" not in attributes(exported.calls[0])
    [retries] = exported.points("jina.client.retries")
    assert (retries.value, retries.attributes["error.type"]) == (2, "503")
    [request_id] = first["http.response.header.x-request-id"]
    assert request_id.startswith("id-of-")
    assert KEY not in exported.text()
    assert SECRET not in exported.text()


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [
        (lambda sent: Answer({"detail": f"cannot embed {sent.body}"}, 400), "400"),
        (lambda sent: Answer({"detail": f"too many for {sent.headers['authorization']}"}, 429), "429"),
        (lambda sent: Answer({"data": [], "detail": sent.body}), "JinaResponseError"),
        (lambda sent: Answer(str(sent.body).encode()), "JinaConnectionError"),
    ],
)
def test_an_error_is_its_type_and_never_its_message(
    answer: Callable[[Sent], Answer], error_type: str, make_client: Any, server: Recorder, exported: Exported
) -> None:
    server.answer = answer
    client = make_client(base_url=server.url, api_key=KEY, max_retries=0)
    with pytest.raises(JinaError):
        client.embed([SECRET], **MODEL)
    [call] = exported.calls
    assert attributes(call)["error.type"] == error_type
    assert call.status.status_code is StatusCode.ERROR
    assert not call.status.description
    assert not any(span.events for span in exported.spans)
    assert exported.points("gen_ai.client.operation.duration")[0].attributes["error.type"] == error_type
    assert SECRET not in exported.text()
    assert KEY not in exported.text()


def test_an_unreachable_server_is_an_error_of_the_exchange(make_client: Any, exported: Exported) -> None:
    client = make_client(base_url="http://127.0.0.1:1", api_key=KEY, max_retries=0)
    with pytest.raises(JinaError):
        client.embed(["a"], **MODEL)
    assert attributes(exported.exchanges[0])["error.type"] == "JinaConnectionError"
    assert "http.response.status_code" not in attributes(exported.exchanges[0])


def test_inputs_that_fail_are_counted(make_client: Any, server: Recorder, exported: Exported) -> None:
    def answer(sent: Sent) -> Answer:
        bad = SECRET in sent.body["input"]
        return Answer({"detail": f"bad input {SECRET}"}, 400) if bad else Answer(embeddings(sent))

    server.answer = answer
    result = make_client(base_url=server.url).embed(["a", SECRET, "b"], on_error="return", **MODEL)
    assert list(result.failed) == [1]
    shown = attributes(exported.calls[0])
    assert (shown["jina.input.count"], shown["jina.input.failed_count"]) == (3, 1)
    assert exported.points("jina.client.failed_inputs")[0].value == 1
    assert SECRET not in exported.text()


def test_inputs_from_the_cache_are_counted(
    make_client: Any, server: Recorder, tmp_path: Path, exported: Exported
) -> None:
    client = make_client(base_url=server.url, cache=str(tmp_path / "vectors"))
    client.embed(["a", "b"], **MODEL)
    client.embed(["a", "b", "c"], **MODEL)
    client.embed(["a"], **MODEL)
    counts = [attributes(call) for call in exported.calls]
    assert [shown["jina.input.count"] for shown in counts] == [2, 3, 1]
    assert [shown["jina.input.cached_count"] for shown in counts] == [0, 2, 1]
    assert [shown["jina.request.count"] for shown in counts] == [1, 1, 0]


def test_waits_for_a_limit_are_measured(server: Recorder, exported: Exported) -> None:
    limiter = RateLimiter(1, None, None, window=0.3)
    with JinaClient(base_url=server.url, limiter=limiter) as client:
        client.embed(["a", "b"], batch_size=1, **MODEL)
    waits = sorted(attributes(exchange)["jina.queue.duration"] for exchange in exported.exchanges)
    assert waits[0] < 0.1 < waits[1]
    [queue] = exported.points("jina.client.queue.duration")
    assert queue.sum == pytest.approx(sum(waits))
    assert attributes(exported.calls[0])["jina.queue.duration"] == pytest.approx(sum(waits))


def test_a_stream_is_one_span_that_the_code_of_the_caller_is_not_in(make_client: Any, server: Recorder) -> None:
    with exporting() as exported:
        parts = all_of(make_client(base_url=server.url), map(str, range(6)), batch_size=2, **MODEL)
    assert [start for start, _ in parts] == [0, 2, 4]
    [call] = exported.calls
    shown = attributes(call)
    assert (shown["jina.stream"], shown["jina.input.count"], shown["jina.request.count"]) == (True, 6, 3)
    assert [exported.path(exchange) for exchange in exported.exchanges] == [
        ["embeddings jina-embeddings-v3", "POST"]
    ] * 3


def test_spans_of_the_caller_are_not_in_the_stream(
    server: Recorder, exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    tracer = exported.tracer_provider.get_tracer("program")

    def source() -> Iterator[str]:
        for number in range(10):
            with tracer.start_as_current_span("reading"):
                yield str(number)

    with JinaClient(base_url=server.url) as client, tracer.start_as_current_span("program"):
        for _ in client.embed_stream(source(), batch_size=2, **MODEL):
            with tracer.start_as_current_span("writing"):
                pass
    for span in exported.spans:
        if span.name == "writing":
            assert "embeddings jina-embeddings-v3" not in exported.path(span)
        if span.name == "POST":
            assert exported.path(span)[-2:] == ["embeddings jina-embeddings-v3", "POST"]
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_that_is_left_ends_its_span(
    kind: str, server: Recorder, exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        async with AsyncJinaClient(base_url=server.url) as client:
            async for _ in client.embed_stream(map(str, range(1000)), batch_size=2, **MODEL):
                break

    if kind == "async":
        asyncio.run(leave())
    else:
        with JinaClient(base_url=server.url) as client:
            for _ in client.embed_stream(map(str, range(1000)), batch_size=2, **MODEL):
                break
    [call] = exported.calls
    assert "error.type" not in attributes(call)
    assert len(exported.exchanges) == sum(exported.path(span)[0] == call.name for span in exported.exchanges)
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


async def test_a_cancelled_call_ends_its_spans(
    server: Recorder, exported: Exported, caplog: pytest.LogCaptureFixture
) -> None:
    received, released = asyncio.Event(), asyncio.Event()

    class Stalled:
        async def asend(self, request: Request) -> Response:
            received.set()
            await released.wait()
            raise AssertionError

        async def aclose(self) -> None:
            pass

    client = AsyncJinaClient(base_url=server.url, transport=Stalled())
    task = asyncio.ensure_future(client.embed(["a"], **MODEL))
    await received.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [attributes(span)["error.type"] for span in exported.spans] == ["CancelledError"] * 2
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def test_calls_are_below_the_span_of_the_program(server: Recorder, exported: Exported) -> None:
    async def embed() -> None:
        async with AsyncJinaClient(base_url=server.url) as client:
            await client.embed(["a", "b"], batch_size=1, **MODEL)

    with exported.tracer_provider.get_tracer("program").start_as_current_span("program"):
        asyncio.run(embed())
        with JinaClient(base_url=server.url) as client:
            client.embed(["a", "b"], batch_size=1, **MODEL)
    paths = [exported.path(exchange) for exchange in exported.exchanges]
    assert paths == [["program", "embeddings jina-embeddings-v3", "POST"]] * 4


def test_metrics_have_the_recommended_buckets(client: Any, exported: Exported) -> None:
    client.embed(["a b c", "d"], batch_size=1, **MODEL)
    [duration] = exported.points("gen_ai.client.operation.duration")
    assert duration.explicit_bounds == tuple(0.01 * 2**power for power in range(14))
    [tokens] = exported.points("gen_ai.client.token.usage")
    assert tokens.explicit_bounds == tuple(4**power for power in range(14))
    assert (tokens.sum, tokens.attributes["gen_ai.token.type"]) == (4, "input")
    [requests] = exported.points("http.client.request.duration")
    assert (requests.count, requests.attributes["http.response.status_code"]) == (2, 200)
    [inputs] = exported.points("jina.client.request.inputs")
    assert (inputs.count, inputs.sum) == (2, 2)


class Keeping:
    """A transport that keeps the requests, and whether other HTTP instrumentations were active."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.others_active: list[bool] = []

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        self.others_active.append(is_http_instrumentation_enabled())
        return Response(500, {}, b"{}")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("url", "propagate_to", "receives"),
    [
        ("https://api.jina.ai/v1", "self-hosted", False),
        ("https://api.jina.ai/v1", "all", True),
        ("http://localhost:8080/v1", "self-hosted", True),
        ("http://localhost:8080/v1", "none", False),
        ("https://jina.ai.example.com/v1", "self-hosted", True),
    ],
)
def test_the_trace_context_goes_where_the_program_says(url: str, propagate_to: str, receives: bool) -> None:
    transport = Keeping()
    with (
        exporting(propagate_to=propagate_to) as exported,
        JinaClient(KEY, url, transport=transport, max_retries=0) as client,
        pytest.raises(ServerError),
    ):
        client.embed(["a"], **MODEL)
    [sent] = transport.requests
    assert ("traceparent" in sent.headers) == receives
    if receives:
        assert f"{exported.exchanges[0].context.span_id:016x}" in sent.headers["traceparent"]
    assert transport.others_active == [False]


def test_a_trace_header_of_the_caller_is_kept(exported: Exported) -> None:
    transport, own = Keeping(), {"TraceParent": "the caller's"}
    with (
        JinaClient(None, "http://localhost:1", transport=transport, headers=own, max_retries=0) as client,
        pytest.raises(ServerError),
    ):
        client.embed(["a"], **MODEL)
    assert transport.requests[0].headers["TraceParent"] == "the caller's"
    assert "traceparent" not in transport.requests[0].headers


def test_suppressed_instrumentation_makes_nothing(server: Recorder, exported: Exported) -> None:
    with suppress_instrumentation(), JinaClient(base_url=server.url) as client:
        client.embed(["a"], **MODEL)
    assert not exported.spans


def test_uninstrument_ends_it(server: Recorder) -> None:
    with JinaClient(base_url=server.url) as client:
        with exporting() as exported:
            client.embed(["a"], **MODEL)
        client.embed(["b"], **MODEL)
    assert len(exported.calls) == 1
    assert "traceparent" in server.sent[0].headers
    assert "traceparent" not in server.sent[1].headers


def test_instrumenting_twice_changes_nothing(client: Any, exported: Exported, caplog: pytest.LogCaptureFixture) -> None:
    other = Exported()
    with caplog.at_level(logging.WARNING):
        JinaInstrumentor().instrument(tracer_provider=other.tracer_provider)
    assert "already instrumented" in caplog.text
    client.embed(["a"], **MODEL)
    assert (len(exported.calls), len(other.calls)) == (1, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tracer_provider": "console"}, "tracer_provider must be an OpenTelemetry TracerProvider, got str"),
        ({"meter_provider": TracerProvider()}, "meter_provider must be an OpenTelemetry MeterProvider, got TracerProv"),
        ({"propagate_to": "jina"}, "propagate_to must be one of self-hosted, all, none, got 'jina'"),
        (
            {"tracer": None},
            "instrument has no argument 'tracer' (it has: tracer_provider, meter_provider, propagate_to)",
        ),
    ],
)
def test_a_wrong_argument_leaves_clients_as_they_were(options: dict[str, Any], message: str) -> None:
    with pytest.raises(JinaInputError, match=re.escape(message)):
        JinaInstrumentor().instrument(**options)
    assert not JinaInstrumentor().is_instrumented_by_opentelemetry


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("jina_client.telemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.instrumentor", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'jina-client[otel]'")):
        import jina_client.telemetry  # noqa: F401


def test_opentelemetry_instrument_finds_the_instrumentor(server: Recorder) -> None:
    program = f"from jina_client import JinaClient; JinaClient(base_url={server.url!r}).embed(['a'], model='m')"
    run = subprocess.run(
        [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={
            **os.environ,
            "OTEL_TRACES_EXPORTER": "console",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            # Others of this environment take long to import.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "langchain,llama_index",
        },
    )
    assert re.findall('"name": "(.+)"', run.stdout) == ["POST", "embeddings m"]


def test_the_page_lists_every_name(make_client: Any, server: Recorder, exported: Exported) -> None:
    server.answer = failing(1)
    client = make_client(base_url=server.url, api_key=KEY)
    client.embed(["a"], **MODEL)
    server.answer = lambda sent: Answer({}, 400)
    with pytest.raises(JinaError):
        client.embed(["a"], **MODEL)
    constants = {value for name, value in vars(conventions).items() if name.isupper() and isinstance(value, str)}
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert {name for name in constants | exported.metrics() if f"`{name}`" not in page} == set()
    listed = set(re.findall(r"^\| `((?:gen_ai|jina|http|server|url|error)\.[\w.-]+)`", page, re.MULTILINE))
    assert listed <= constants | exported.metrics()
    assert {metric for metric in listed if ".client." in metric} == exported.metrics()
