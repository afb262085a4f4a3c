"""Operators on Arrow tables, as Ray Data and Spark run them: results and errors beside the columns of each row."""

from __future__ import annotations

import importlib
import json
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from jina_client import AuthenticationError, JinaError, PaymentRequiredError
from jina_client.integration import RateLimiter
from jina_jobs.operators import table_operator
from jina_jobs.tables import TableOperator
from loopback import Answer, Recorder, Sent, recorder, vector_of
from pictures import encoded, of_media
from table_service import COLBERT, MODEL, RERANKER, answer, matrix_of

ROWS = 700
TEXTS = [None if n % 100 == 3 else "bad text" if n == 250 else f"text {n}" for n in range(ROWS)]
TABLE = pa.table({"id": range(ROWS), "text": pa.array(TEXTS, pa.string())})
FAILED = [n for n, text in enumerate(TEXTS) if text is None or "bad" in text]


@pytest.fixture
def service(server: Recorder) -> Recorder:
    server.answer = answer
    return server


def _operator(service: Recorder, name: str = "embed", **options: Any) -> TableOperator:
    values = {"model": MODEL, "column": "text", **options}
    values["client"] = {"base_url": service.url, **options.get("client", {})}
    return table_operator(name, {option: value for option, value in values.items() if value is not None})


@pytest.mark.parametrize("encoding", ["float32", "float16", "int8", "binary"])
def test_each_row_keeps_its_columns_and_gets_its_vector_or_its_error(service: Recorder, encoding: str) -> None:
    operator = pickle.loads(pickle.dumps(_operator(service, encoding=encoding, dimensions=64)))
    table = operator(TABLE)
    assert table.schema == operator.output_schema(TABLE.schema)
    assert table.select(["id", "text"]).equals(TABLE)
    errors = table["error"].to_pylist()
    assert [n for n, error in enumerate(errors) if error] == FAILED
    assert errors[3] == "text is null"
    assert "cannot be encoded" in errors[250]
    assert [n for n, vector in enumerate(table["embedding"].to_pylist()) if vector is None] == FAILED
    expected = vector_of("text 699", 64)
    last = table.slice(ROWS - 1).to_pylist()[0]
    if encoding == "binary":
        assert last["embedding"] == np.packbits(expected > 0).tobytes()
    else:
        scale = last.get("embedding_scale", 1.0)
        np.testing.assert_allclose(np.array(last["embedding"]) * scale, expected, atol=0.01)
    assert (operator.counts.rows, operator.counts.failed) == (ROWS, len(FAILED))
    assert operator.counts.requests == len(service.sent)
    operator.close()


def test_requests_span_the_batches_of_a_stream(service: Recorder) -> None:
    operator = _operator(service, batch_size=64)
    schema = TABLE.schema
    batches = [batch for start in range(0, ROWS, 10) for batch in TABLE.slice(start, 10).to_batches()]
    results = pa.Table.from_batches(operator.stream(batches), operator.output_schema(schema))
    assert results["id"].to_pylist() == list(range(ROWS))
    good = [sent for sent in service.sent if not any("bad" in text for text in sent.body["input"])]
    assert max(len(sent.body["input"]) for sent in good) == 64
    operator.close()


def test_a_table_without_rows_has_the_schema_of_the_others(service: Recorder) -> None:
    operator = _operator(service, encoding="int8")
    assert operator(TABLE.slice(0, 0)).schema == operator(TABLE.slice(0, 2)).schema
    assert len(service.sent) == 1
    operator.close()


def test_an_empty_batch_within_a_stream_changes_nothing(service: Recorder) -> None:
    operator = _operator(service)
    (batch,) = TABLE.slice(0, 3).to_batches()
    results = list(operator.stream([batch.slice(0, 0), batch, batch.slice(0, 0), batch]))
    assert [n for each in results for n in each["id"].to_pylist()] == [0, 1, 2, 0, 1, 2]
    operator.close()


def test_calls_share_one_client(service: Recorder) -> None:
    operator = _operator(service, client={"max_concurrency": 1})
    for copy in (operator, pickle.loads(pickle.dumps(operator)), operator):
        copy(TABLE.slice(0, 2))
    assert len(service.sent) == 3
    assert len(service.connections) == 1
    operator.close()
    assert not [each for each in threading.enumerate() if each.name == "jina-jobs-client"]


def test_requests_go_to_all_servers(service: Recorder) -> None:
    with recorder(answer) as second:
        client = {"base_url": [service.url, second.url]}
        operator = _operator(service, batch_size=20, client=client)
        assert operator(TABLE)["id"].to_pylist() == list(range(ROWS))
        assert service.sent
        assert second.sent
        operator.close()


def test_arguments_of_the_client_that_contradict_each_other_raise_at_once(service: Recorder) -> None:
    operator = _operator(service, client={"requests_per_minute": 9})
    with pytest.raises(JinaError, match="would ignore requests_per_minute="):
        operator.with_client(limiter=RateLimiter(500, None, None))


def test_a_stream_reads_no_further_than_its_results_are_taken(service: Recorder) -> None:
    operator, read = _operator(service, batch_size=10, client={"max_concurrency": 2}), []

    def batches() -> Iterator[pa.RecordBatch]:
        (batch,) = TABLE.slice(0, 3).to_batches()
        for number in range(10_000):
            read.append(number)
            yield batch

    stream = operator.stream(batches())
    next(stream)
    assert len(read) < 1_000
    stream.close()
    operator.close()


def test_ctrl_c_ends_a_call(service: Recorder) -> None:
    ended = threading.Event()

    def interrupt(sent: Sent) -> Answer:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert ended.wait(20)
        return answer(sent)

    service.answer = interrupt
    operator = _operator(service)
    with pytest.raises(KeyboardInterrupt):
        operator(TABLE.slice(0, 2))
    ended.set()
    operator.close()


def test_the_chunks_of_a_document_are_sent_together(service: Recorder) -> None:
    chunks = pa.table({"text": [f"chunk {n}" for n in range(60)], "document": [n // 7 for n in range(60)]})
    operator = _operator(service, group_column="document")
    batches = [batch for start in range(0, 60, 5) for batch in chunks.slice(start, 5).to_batches()]
    results = pa.Table.from_batches(operator.stream(batches))
    assert results["text"].to_pylist() == chunks["text"].to_pylist()
    assert sorted(len(sent.body["input"]) for sent in service.sent) == [4] + [7] * 8
    assert all(sent.body["late_chunking"] for sent in service.sent)
    operator.close()


@pytest.mark.parametrize("encoding", ["float32", "float16"])
def test_a_row_gets_one_vector_per_token(service: Recorder, encoding: str) -> None:
    operator = _operator(service, "embed_multi_vector", model=COLBERT, encoding=encoding, dimensions=64)
    table = operator(TABLE)
    assert table.schema == operator.output_schema(TABLE.schema)
    assert [n for n, error in enumerate(table["error"].to_pylist()) if error] == FAILED
    vectors = np.array(table["embedding"][ROWS - 1].as_py())
    np.testing.assert_allclose(vectors, matrix_of("text 699", 64), atol=1e-3)
    operator.close()


def test_a_model_of_both_kinds_gives_multi_vectors_for_queries(service: Recorder) -> None:
    operator = _operator(service, "embed_multi_vector", model="jina-embeddings-v4", input_type="query")
    table = operator(TABLE.slice(0, 2))
    assert len(table["embedding"][0]) == 2
    assert service.sent[0].body["task"] == "retrieval.query"
    operator.close()


def test_the_candidates_of_each_row_are_sorted(service: Recorder) -> None:
    lists = [["a", "bbb", "cc"], [], None, ["x", "yy"], ["z"]]
    queries = ["question", "question", "question", "bad question", None]
    table = pa.table({"query": queries, "documents": pa.array(lists, pa.list_(pa.string()))})
    operator = _operator(service, "rerank", model=RERANKER, column=None, top_n=2)
    results = operator(table)
    assert [result["index"] for result in results["results"][0].as_py()] == [1, 2]
    assert results["results"].to_pylist()[1:] == [None] * 4
    assert [bool(error) for error in results["error"].to_pylist()] == [False, True, True, True, True]
    assert results.schema == operator.output_schema(table.schema)
    operator.close()


def test_each_row_gets_a_label(service: Recorder) -> None:
    operator = _operator(service, "classify", labels=["short", "long"], output_column="kind")
    table = operator(TABLE.slice(0, 300))
    assert table["kind"].to_pylist()[8:12] == ["short", "short", "long", "long"]
    assert table["kind_score"].to_pylist()[2:4] == [0.75, None]
    assert [n for n, error in enumerate(table["error"].to_pylist()) if error] == [n for n in FAILED if n < 300]
    operator.close()


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (402, PaymentRequiredError)])
def test_an_error_of_all_rows_raises(service: Recorder, status: int, kind: type[JinaError]) -> None:
    service.answer = lambda sent: Answer({"detail": "no"}, status)
    for name, options in [
        ("embed", {}),
        ("classify", {"labels": ["a", "b"]}),
        ("embed_multi_vector", {"model": COLBERT}),
    ]:
        operator = _operator(service, name, **options)
        with pytest.raises(kind):
            operator(TABLE)
        operator.close()


def test_an_option_that_only_the_service_knows_to_be_wrong_raises(service: Recorder) -> None:
    def reject(sent: Sent) -> Answer:
        return Answer({"detail": "no such classifier"}, 422)

    service.answer = reject
    operator = _operator(service, "classify", model=None, classifier_id="none", batch_size=10)
    with pytest.raises(JinaError, match="no such classifier"):
        operator(TABLE)
    operator.close()


BAD_OPTIONS = [
    ("embed", {"modle": MODEL}, "embed has no argument 'modle'; did you mean 'model'?"),
    ("embed", {"model": None}, "needs model="),
    ("embed", {"model": "jina-embeddings-v9", "client": {"base_url": None, "api_key": "k"}}, "not a model of"),
    ("embed", {"model": RERANKER}, "is a reranker"),
    ("embed", {"model": COLBERT}, r"embed_multi_vector\(\)"),
    ("embed", {"column": None}, "pass column=, image_column= or both"),
    ("embed", {"image_column": "image"}, "image_column= needs a model that takes images"),
    ("embed", {"task": "search"}, "has no task 'search'"),
    ("embed", {"dimensions": 5000}, "dimensions"),
    ("embed", {"encoding": "float8"}, "encoding= must be one of"),
    ("embed", {"batch_size": 0}, "batch_size"),
    ("embed", {"truncate": "yes"}, "truncate"),
    ("embed", {"output_column": "error"}, "error_column='error' is the name of a result column"),
    ("embed", {"output_column": ""}, "must be names"),
    ("embed", {"client": {"tokens": 1}}, "'tokens'"),
    ("embed", {"client": {"requests_per_minute": 0}}, "requests_per_minute"),
    ("embed", {"group_column": "id", "model": "jina-clip-v2"}, "late_chunking"),
    ("embed_multi_vector", {"model": MODEL}, "use the class for embeddings|one of:"),
    ("embed_multi_vector", {"model": COLBERT, "task": "retrieval.query"}, "leave task= out"),
    ("embed_multi_vector", {"model": COLBERT, "encoding": "binary"}, "encoding= float32 or float16"),
    ("rerank", {"model": RERANKER, "column": None, "top_n": 0}, "top_n"),
    ("rerank", {"model": RERANKER, "column": None, "query_column": "documents"}, "query_column= and documents_column="),
    ("classify", {"labels": ["a"]}, "labels= must be passed at least twice"),
    ("classify", {}, "either labels="),
    ("classify", {"labels": "short"}, "must be a list"),
    ("classify", {"labels": ["a", "b"], "column": None}, "pass column="),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD_OPTIONS)
def test_a_wrong_option_raises_when_the_operator_is_made(
    service: Recorder, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaError, match=message):
        _operator(service, name, **options)
    assert not service.sent


def test_a_client_must_be_a_dictionary(service: Recorder) -> None:
    with pytest.raises(JinaError, match="client must be a dictionary"):
        table_operator("embed", {"model": MODEL, "column": "text", "client": object()})


BAD_SCHEMAS = [
    ("embed", {}, {"txt": pa.string()}, "there is no column 'text'; the columns are: txt"),
    ("embed", {}, {"text": pa.null()}, "holds only nulls"),
    ("embed", {}, {"text": pa.int64()}, "column 'text' must hold texts, got the type int64"),
    ("embed", {}, {"text": pa.string(), "embedding": pa.string()}, "output_column=…"),
    ("embed", {}, {"text": pa.string(), "error": pa.string()}, "error_column=…"),
    ("embed", {"group_column": "parts"}, {"text": pa.string(), "parts": pa.list_(pa.string())}, "names or numbers"),
    ("rerank", {"model": RERANKER, "column": None}, {"query": pa.string(), "documents": pa.int64()}, "lists of texts"),
]


@pytest.mark.parametrize(("name", "options", "schema", "message"), BAD_SCHEMAS)
def test_a_wrong_column_raises_before_anything_is_sent(
    service: Recorder, name: str, options: dict[str, Any], schema: dict[str, pa.DataType], message: str
) -> None:
    operator, arrow = _operator(service, name, **options), pa.schema(schema)
    for check in (lambda: operator.output_schema(arrow), lambda: operator(arrow.empty_table())):
        with pytest.raises(JinaError, match=message):
            check()
    assert not service.sent
    operator.close()


def test_a_row_has_a_text_or_an_image(service: Recorder) -> None:
    service.answer = of_media
    images = pa.array([None, encoded("red"), b"neither", encoded("blue")], pa.binary())
    table = pa.table({"text": ["a text", None, None, "another"], "image": images})
    operator = _operator(service, model="jina-clip-v2", image_column="image")
    results = operator(table)
    assert [vector is not None for vector in results["embedding"].to_pylist()] == [True, True, False, False]
    assert "its content is of an unknown type" in results["error"][2].as_py()
    assert "text and image both have a value" in results["error"][3].as_py()
    operator.close()


def test_rows_without_a_document_do_not_disturb_the_documents(service: Recorder) -> None:
    table = pa.table({"text": ["a", "b", "c", None, "d"], "document": [None, 1, 1, 1, 2]})
    operator = _operator(service, group_column="document")
    errors = operator(table)["error"].to_pylist()
    assert errors == ["document is null", None, None, "text is null", None]
    assert sorted(sent.body["input"] for sent in service.sent) == [["b", "c"], ["d"]]
    operator.close()


def test_a_pdf_is_an_error_of_its_row(service: Recorder) -> None:
    table = pa.table({"image": pa.array([b"%PDF-1.7 content"], pa.binary())})
    operator = _operator(service, model="jina-embeddings-v4", column=None, image_column="image")
    assert "one vector per page" in operator(table)["error"][0].as_py()
    assert not service.sent
    operator.close()


def test_the_key_travels_with_the_operator_and_does_not_show(
    service: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina_secret")
    operator = _operator(service)
    monkeypatch.delenv("JINA_API_KEY")
    copy = pickle.loads(pickle.dumps(operator))
    copy(TABLE.slice(0, 1))
    assert service.sent[0].headers["authorization"] == "Bearer jina_secret"
    assert "jina_secret" not in f"{operator!r} {json.dumps(vars(operator), default=repr)}"
    copy.close()


@pytest.mark.parametrize("missing", ["pyspark", "pandas"])
def test_spark_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    # So that the test does not depend on what is installed.
    monkeypatch.setitem(sys.modules, missing, None)
    other = "pandas" if missing == "pyspark" else "pyspark"
    monkeypatch.setitem(sys.modules, other, sys.modules.get(other, ModuleType(other)))
    monkeypatch.delitem(sys.modules, "jina_jobs.spark", raising=False)
    with pytest.raises(ImportError, match=rf'jina_jobs.spark needs {missing}, .*pip install "jina-jobs\[spark\]"'):
        importlib.import_module("jina_jobs.spark")


def test_ray_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "jina_jobs.ray", raising=False)
    with pytest.raises(ImportError, match=r"jina_jobs.ray needs Ray Data, .* pip install 'jina-jobs\[ray\]', on every"):
        importlib.import_module("jina_jobs.ray")


def test_a_missing_key_raises_when_the_operator_is_made() -> None:
    with pytest.raises(JinaError, match="needs an API key"):
        table_operator("embed", {"model": MODEL, "column": "text", "client": {"base_url": "https://api.jina.ai/v1"}})
