"""Gateways between the client and a service: what the documentation says works with each argument."""

from __future__ import annotations

import gzip
import json
import pickle
import ssl
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme
from jina_client import AuthenticationError, JinaClient, JinaConnectionError, JinaInputError
from jina_client.transport import Request, Response
from loopback import Answer, Listener, Recorder, Sent, embeddings, recorder, right_answer, vector_of

KEY = "gateway-key-0123456789"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("prefix", "dialect", "path"),
    [
        ("/search/v1", "jina", "/search/v1/embeddings"),
        ("/search", "jina", "/search/embeddings"),
        ("/search/v1", "on-prem", "/search/v1/embeddings"),
        ("/search/v1", "vllm", "/search/v1/embeddings"),
        ("/search", "infinity", "/search/embeddings"),
        ("/search", "tei", "/search/embed"),
        ("/search/v1", "tei", "/search/embed"),
    ],
)
def test_an_api_may_be_below_a_path(
    make_client: Any, server: Recorder, prefix: str, dialect: str, path: str, slash: str
) -> None:
    rows = [[1.0] * 1024]
    data = [{"index": 0, "embedding": rows[0]}]
    server.answer = lambda sent: Answer(rows if dialect == "tei" else {"data": data})
    host = server.url.removesuffix("/v1")
    make_client(base_url=f"{host}{prefix}{slash}", dialect=dialect, max_retries=0).embed(["a"])
    assert server.sent[0].path == path


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_gateway_may_compress_responses(make_client: Any, server: Recorder, encoding: str) -> None:
    def compressed(sent: Sent) -> Answer:
        body = right_answer(sent).encoded()
        packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        return Answer(packed, headers={"Content-Encoding": encoding})

    server.answer = compressed
    client = make_client(base_url=server.url, max_retries=0)
    assert np.array_equal(client.embed(["a"]).vectors, [vector_of("a")])
    assert len(client.rerank("q", ["a", "b"], model="jina-reranker-v3").results) == 2


def test_a_gateway_may_compress_errors(make_client: Any, server: Recorder) -> None:
    body = gzip.compress(json.dumps({"detail": "no such key"}).encode())
    server.answer = lambda sent: Answer(body, 401, {"Content-Encoding": "gzip"})
    with pytest.raises(AuthenticationError, match="no such key"):
        make_client(base_url=server.url, max_retries=0).embed(["a"])


def test_a_gateway_may_close_the_connection_after_each_response(make_client: Any, server: Recorder) -> None:
    server.answer = lambda sent: Answer(embeddings(sent), headers={"Connection": "close"})
    client = make_client(base_url=server.url, max_retries=0, max_concurrency=2)
    texts = [f"text {number}" for number in range(20)]
    assert np.array_equal(client.embed(texts, batch_size=2).vectors, [vector_of(text) for text in texts])
    assert len(server.connections) == 10


def test_the_key_goes_into_the_header_that_the_gateway_reads(make_client: Any, server: Recorder) -> None:
    client = make_client(base_url=server.url, api_key=KEY, key_header="api-key", max_retries=0)
    client.embed(["a"])
    client.rerank("q", ["a"], model="jina-reranker-v3")
    assert [sent.headers.get("api-key") for sent in server.sent] == [KEY, KEY]
    assert not any("authorization" in sent.headers for sent in server.sent)


def test_headers_of_the_caller_are_sent_with_every_request(make_client: Any, server: Recorder) -> None:
    headers = {"X-Team": "search", "User-Agent": "our-program/1"}
    client = make_client(base_url=server.url, api_key=KEY, headers=headers, max_retries=0)
    client.embed(["a"])
    client.rerank("q", ["a"], model="jina-reranker-v3")
    for sent in server.sent:
        assert (sent.headers["x-team"], sent.headers["user-agent"]) == ("search", "our-program/1")
        assert sent.headers["authorization"] == f"Bearer {KEY}"


def test_a_login_of_the_gateway_takes_the_place_of_the_key(
    make_client: Any, server: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    login = {"authorization": "Basic dXNlcjpwdw=="}
    make_client(base_url=server.url, headers=login, max_retries=0).embed(["a"])
    make_client(base_url=server.url, headers=login, key_header="api-key", max_retries=0).embed(["a"])
    sent = [(each.headers["authorization"], each.headers.get("api-key")) for each in server.sent]
    assert sent == [("Basic dXNlcjpwdw==", None), ("Basic dXNlcjpwdw==", KEY)]


@pytest.mark.parametrize("scheme", ["", "Basic "])
def test_secret_headers_never_show(make_client: Any, server: Recorder, scheme: str) -> None:
    secret = "a-secret-of-the-gateway"
    server.answer = lambda sent: Answer({"detail": f"wrong token {sent.headers['x-gateway-token'].split()[-1]}"}, 401)
    client = make_client(base_url=server.url, headers={"X-Gateway-Token": scheme + secret}, max_retries=0)
    with pytest.raises(AuthenticationError) as raised:
        client.embed(["a"])
    assert secret not in f"{raised.value!r} {raised.value} {raised.value.body} {client!r} {client.settings!r}"


def test_headers_do_not_go_to_another_host(make_client: Any, server: Recorder) -> None:
    options = {"api_key": KEY, "key_header": "api-key", "headers": {"X-Team": "search"}}
    with recorder(lambda sent: Answer({"code": 200, "data": {"content": "a", "url": "u"}})) as other:
        make_client(base_url=server.url, max_retries=0, **options).web.read("https://e.com", endpoint=other.url)
        assert not {"api-key", "x-team"} & other.sent[0].headers.keys()


def test_a_pickled_client_keeps_the_arguments_for_a_gateway(server: Recorder) -> None:
    client = JinaClient(base_url=server.url, api_key=KEY, key_header="api-key", headers={"X-Team": "search"})
    with pickle.loads(pickle.dumps(client)) as copy:
        copy.embed(["a"])
    assert (server.sent[0].headers["api-key"], server.sent[0].headers["x-team"]) == (KEY, "search")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": "X-Team: search"}, "headers must be a dictionary such as .*, got str"),
        ({"headers": {"X Team": "search"}}, "has the name 'X Team', which HTTP does not allow"),
        ({"headers": {"X-Team": "a\r\nX-Other: b"}}, r"headers\['X-Team'\] must be a string of printable ASCII"),
        ({"headers": {"X-Team": 7}}, r"headers\['X-Team'\] must be a string of printable ASCII"),
        ({"headers": {"Content-Type": "text/plain"}}, "'Content-Type', which the client sets itself"),
        ({"key_header": "api key"}, "key_header must be the name of a header"),
        ({"key_header": ""}, "key_header must be the name of a header"),
        ({"key_header": "Host"}, "'Host', which the client sets itself"),
        ({"key_header": "Api-Key", "headers": {"api-key": "a"}}, "leave one of them out"),
        ({"ca_bundle": "/no/such/file.pem"}, "'/no/such/file.pem' holds no certificates .*No such file"),
        ({"ca_bundle": __file__}, "holds no certificates in PEM form"),
        ({"ca_bundle": 7}, "ca_bundle must be the path of a file of certificates, got int"),
        ({"ca_bundle": ""}, "ca_bundle must be the path of a file of certificates"),
    ],
)
def test_arguments_that_cannot_work_are_rejected(make_client: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        make_client(base_url="http://127.0.0.1:9/v1", **options)


def test_arguments_that_nothing_would_read_are_rejected(make_client: Any, tmp_path: Path) -> None:
    with pytest.raises(JinaInputError, match="boto3 sends requests to SageMaker and ignores headers=, key_header="):
        make_client(base_url="sagemaker://a", headers={"X-Team": "search"}, key_header="api-key")

    class Own:
        def send(self, request: Request) -> Response:
            raise NotImplementedError

        def close(self) -> None:
            pass

    authority = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    with pytest.raises(JinaInputError, match="transport= sends the requests and ignores ca_bundle="):
        JinaClient(transport=Own(), ca_bundle=authority)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure_url(authority: trustme.CA) -> Iterator[str]:
    """A server on loopback whose certificate only one authority vouches for."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps(embeddings(Sent(self.path, {}, body))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = Listener(("127.0.0.1", 0), Handler)
    # The handshake is made by the thread of the connection, so that a client that hangs up stops no other.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/v1"
    server.stop()


def test_a_certificate_of_ones_own_authority_is_trusted(
    make_client: Any, secure_url: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, other = tmp_path / "authority.pem", tmp_path / "other.pem"
    authority.cert_pem.write_to_path(str(bundle))
    trustme.CA().cert_pem.write_to_path(str(other))
    # The argument takes precedence over the environment.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    for path in (bundle, str(bundle)):
        client = make_client(base_url=secure_url, api_key=KEY, ca_bundle=path, max_retries=0)
        assert np.array_equal(client.embed(["a"]).vectors, [vector_of("a")])


def test_a_certificate_for_another_host_is_not_trusted(
    make_client: Any, secure_url: str, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    url = secure_url.replace("127.0.0.1", "localhost")
    client = make_client(base_url=url, api_key=KEY, ca_bundle=bundle, max_retries=0)
    with pytest.raises(JinaConnectionError, match="certificate is not trusted"):
        client.embed(["a"])


def test_an_error_names_a_file_of_certificates_that_the_environment_names_wrongly(
    secure_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.touch()
    for path, reason in ((missing, "No such file"), (empty, "no certificate")):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        with (
            JinaClient(base_url=secure_url, api_key=KEY, max_retries=0) as client,
            pytest.raises(JinaConnectionError, match=rf"{path} cannot be read \(.*{reason}.*REQUESTS_CA_BUNDLE"),
        ):
            client.embed(["a"], model="jina-embeddings-v3")


def test_the_certificates_of_authorities_are_read_once(
    make_client: Any, secure_url: str, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    client = make_client(base_url=secure_url, api_key=KEY, ca_bundle=bundle, max_retries=0)
    client.embed(["a"])
    bundle.unlink()
    # Several requests at the same time need further connections.
    assert len(client.embed([str(number) for number in range(8)], batch_size=1)) == 8


@pytest.mark.parametrize("passed", [False, True])
def test_another_certificate_is_not_trusted(make_client: Any, secure_url: str, tmp_path: Path, passed: bool) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    client = make_client(base_url=secure_url, max_retries=0, **({"ca_bundle": other} if passed else {}))
    with pytest.raises(JinaConnectionError, match=r"certificate is not trusted \(unable to get .*pass ca_bundle="):
        client.embed(["a"])
