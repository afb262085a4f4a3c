"""The functions and UDFs of jina_jobs.spark, with real Python workers against a server on loopback."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed: uv run --group spark pytest tests/jina-jobs-spark")
if shutil.which("java") is None and not Path(os.environ.get("JAVA_HOME", ""), "bin", "java").is_file():
    pytest.skip("Spark needs Java 17 or 21: no java on the path, no JAVA_HOME", allow_module_level=True)
import psutil
from jina_client import JinaError
from jina_client.integration import RateLimiter
from jina_jobs import JobError
from jina_jobs.limits import Report
from jina_jobs.spark import (
    DriverLimits,
    UsageCounter,
    classify,
    classify_udf,
    embed,
    embed_multi_vector,
    embed_multi_vector_udf,
    embed_udf,
    rerank,
    rerank_udf,
)
from jina_jobs.spark.limits import DriverLink
from jina_jobs.spark.running import OperatorRun
from loopback import Answer, Recorder, Sent, vector_of
from table_service import COLBERT, MODEL, RERANKER, answer, matrix_of

pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")

ROWS = 600
FAILED = [7, *range(3, ROWS, 100)]


@pytest.fixture(scope="session")
def passages(spark: Any) -> Any:
    text = "if(id = 7, 'bad text', if(id % 100 = 3, null, concat('text ', id)))"
    return spark.range(0, ROWS, 1, 4).selectExpr("id", f"{text} as text", "id % 13 as document")


def _client(service: Recorder, **options: Any) -> dict[str, Any]:
    return {"base_url": service.url, **options}


def _texts_of(service: Recorder) -> Counter[str]:
    good = [sent for sent in service.sent if "bad text" not in sent.body["input"]]
    return Counter(text for sent in good for text in sent.body["input"])


def test_each_row_gets_its_vector_or_its_error(spark: Any, service: Recorder, passages: Any) -> None:
    usage = UsageCounter(spark)
    options = {"dimensions": 64, "client": _client(service), "usage": usage}
    result = embed(passages, column="text", model=MODEL, **options)
    assert not service.sent
    rows = result.collect()
    assert [row.id for row in rows] == list(range(ROWS))
    assert sorted(FAILED) == [row.id for row in rows if row.error is not None]
    assert sorted(FAILED) == [row.id for row in rows if row.embedding is None]
    assert rows[3].error == "text is null"
    assert "cannot be encoded" in rows[7].error
    for row in rows[8:13]:
        np.testing.assert_array_equal(np.float32(row.embedding), vector_of(row.text, 64))
    assert max(_texts_of(service).values()) == 1
    assert (usage.counts.rows, usage.counts.failed) == (ROWS, len(FAILED))
    assert usage.counts.requests == len(service.sent)


@pytest.mark.parametrize(("encoding", "kinds"), [("int8", ["array<tinyint>", "float"]), ("binary", ["binary"])])
def test_vectors_are_stored_in_the_encoding(service: Recorder, passages: Any, encoding: str, kinds: list[str]) -> None:
    options = {"dimensions": 64, "encoding": encoding, "output_column": "v", "client": _client(service)}
    result = embed(passages.limit(5), column="text", model=MODEL, **options)
    assert [kind for _, kind in result.dtypes] == ["bigint", "string", "bigint", *kinds, "string"]
    row, expected = result.collect()[2], vector_of("text 2", 64)
    if encoding == "binary":
        assert bytes(row.v) == np.packbits(expected > 0).tobytes()
    else:
        np.testing.assert_allclose(np.array(row.v) * row.v_scale, expected, atol=0.01)


def test_partitions_without_rows_have_the_same_schema(spark: Any, service: Recorder, passages: Any) -> None:
    part = passages.where("id < 2")  # of four partitions three have no rows
    assert embed(part, column="text", model=MODEL, client=_client(service)).count() == 2
    empty = spark.createDataFrame([], passages.schema)
    assert embed(empty, column="text", model=MODEL, client=_client(service)).collect() == []


@pytest.mark.parametrize("order_column", [None, "id"])
def test_the_chunks_of_a_document_are_sent_together_and_in_order(
    service: Recorder, passages: Any, order_column: str | None
) -> None:
    chunks = passages.where("text is not null and id != 7").selectExpr("id", "text", "document")
    options = {"group_column": "document", "order_column": order_column, "client": _client(service)}
    rows = embed(
        chunks if order_column is None else chunks.repartition(3), column="text", model=MODEL, **options
    ).collect()
    assert sorted(row.id for row in rows) == [n for n in range(ROWS) if n not in FAILED]
    assert len(service.sent) == 13
    for sent in service.sent:
        numbers = [int(text.split()[1]) for text in sent.body["input"]]
        assert sent.body["late_chunking"]
        assert numbers == [n for n in range(numbers[0], ROWS, 13) if n not in FAILED]


def test_a_row_gets_one_vector_per_token(service: Recorder, passages: Any) -> None:
    result = embed_multi_vector(passages.limit(5), column="text", model=COLBERT, client=_client(service))
    rows = result.collect()
    np.testing.assert_array_equal(np.float32(rows[4].embedding), matrix_of("text 4"))
    assert rows[3].embedding is None


def test_candidates_are_sorted_and_rows_labeled(spark: Any, service: Recorder, passages: Any) -> None:
    lists = spark.sql("select * from values ('q', array('a', 'bbb')), ('q', null) as t(query, documents)")
    results = rerank(lists, model=RERANKER, client=_client(service)).collect()
    assert [result.asDict() for result in results[0].results] == [
        {"index": 1, "score": 0.003},
        {"index": 0, "score": 0.001},
    ]
    assert results[1].results is None
    assert "documents" in results[1].error
    options = {"labels": ["short", "long"], "client": _client(service)}
    labels = classify(passages.limit(12), column="text", model=MODEL, **options).collect()
    assert [row.prediction for row in labels][8:12] == ["short", "short", "long", "long"]
    assert labels[0].prediction_score == 0.75


def test_a_udf_sends_each_row_once_however_many_fields_are_read(service: Recorder, passages: Any) -> None:
    udf = embed_udf(model=MODEL, dimensions=64, encoding="int8", client=_client(service))
    result = passages.withColumn("result", udf("text"))
    rows = result.select("id", "result.embedding", "result.embedding_scale", "result.error").collect()
    assert sorted(FAILED) == [row.id for row in rows if row.error is not None]
    assert sorted(FAILED) == [row.id for row in rows if row.embedding_scale is None]
    vector = np.array(rows[599].embedding) * rows[599].embedding_scale
    np.testing.assert_allclose(vector, vector_of("text 599", 64), atol=0.01)
    assert set(_texts_of(service).values()) == {1}


def test_udfs_give_multi_vectors_labels_and_rankings(spark: Any, service: Recorder, passages: Any) -> None:
    client = _client(service)
    matrices = embed_multi_vector_udf(model=COLBERT, client=client)
    rows = passages.limit(5).select(matrices("text").alias("result")).select("result.*").collect()
    np.testing.assert_array_equal(np.float32(rows[4].embedding), matrix_of("text 4"))
    labels = classify_udf(model=MODEL, labels=["short", "long"], client=client)
    rows = passages.limit(12).select(labels("text").alias("result")).select("result.*").collect()
    assert [row.prediction for row in rows][8:12] == ["short", "short", "long", "long"]
    lists = spark.sql("select * from values ('q', array('a', 'bbb')), ('q', null) as t(query, documents)")
    rankings = rerank_udf(model=RERANKER, top_n=1, client=client)
    rows = lists.select(rankings("query", "documents").alias("result")).select("result.*").collect()
    assert [[result["index"] for result in row.results or ()] for row in rows] == [[1], []]
    assert rows[1].error


def test_a_task_whose_worker_was_killed_runs_again(service: Recorder, passages: Any) -> None:
    service.answer = _killing(service)
    rows = embed(passages, column="text", model=MODEL, batch_size=20, client=_client(service)).collect()
    assert [row.id for row in rows] == list(range(ROWS))
    assert sorted(FAILED) == [row.id for row in rows if row.error is not None]


def _killing(service: Recorder) -> Callable[[Sent], Answer]:
    """Return a service that kills all Python workers, once, before it responds to its fifth request."""
    lock, killed = threading.Lock(), []

    def respond(sent: Sent) -> Answer:
        with lock:
            if len(service.sent) >= 5 and not killed:
                killed.extend(_python_workers())
                for worker in killed:
                    os.kill(worker, signal.SIGKILL)
        return answer(sent)

    return respond


def _python_workers() -> list[int]:
    """Return the workers of this process's Spark, which its daemon has forked."""
    daemons, parents = set(), {}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            parents[child.pid] = child.ppid()
            if "pyspark.daemon" in child.cmdline():
                daemons.add(child.pid)
    return [child for child, parent in parents.items() if parent in daemons]


def test_limits_are_divided_among_the_tasks(service: Recorder, passages: Any) -> None:
    client = _client(service, max_concurrency=2)
    assert embed(passages, column="text", model=MODEL, batch_size=10, client=client).count() == ROWS
    assert 1 <= service.most_in_flight <= 2


@pytest.mark.parametrize("as_udf", [False, True])
def test_limits_on_the_driver_hold_for_all_tasks_together(
    spark: Any, service: Recorder, passages: Any, as_udf: bool
) -> None:
    window, times = 1.5, []

    def note(sent: Sent) -> Answer:
        times.append(time.monotonic())
        return answer(sent)

    service.answer = note
    with DriverLimits(spark, requests_per_minute=12, max_concurrency=3, window=window) as limits:
        options: dict[str, Any] = {"model": MODEL, "batch_size": 20, "client": _client(service), "limits": limits}
        good = passages.where("id != 7")
        if as_udf:
            rows = good.select("id", embed_udf(**options)("text").alias("result")).collect()
        else:
            rows = embed(good, column="text", **options).collect()
        assert [row.id for row in rows] == [n for n in range(ROWS) if n != 7]
        assert limits.totals.requests == len(times)
        assert limits.totals.rejected == 0
    for first, start in enumerate(times):
        assert sum(start <= at < start + window for at in times[first:]) <= 12
    assert 2 <= service.most_in_flight <= 3


def test_a_killed_worker_gives_its_share_of_the_limits_back(spark: Any, service: Recorder, passages: Any) -> None:
    service.answer = _killing(service)
    with DriverLimits(spark, max_concurrency=2, lease=1.0) as limits:
        options = {"model": MODEL, "batch_size": 20, "client": _client(service), "limits": limits}
        rows = embed(passages, column="text", **options).collect()
        assert [row.id for row in rows] == list(range(ROWS))
        assert limits.totals.lost_workers >= 1


def test_limits_on_the_driver_belong_to_the_job(spark: Any) -> None:
    with DriverLimits(spark, max_concurrency=2) as limits:
        link = pickle.loads(pickle.dumps(limits.limiter()._link))
        assert link.exchange(Report("worker"), 0.0).concurrency == 2
        stranger = DriverLink(link._host, link._port, b"another key")
        with pytest.raises(AuthenticationError):
            stranger.exchange(Report("worker"), 0.0)
        with pytest.raises(JobError, match=rf"cannot listen on port {link._port}"):
            DriverLimits(spark, port=link._port)
        assert str(link._key) not in f"{limits!r} {link!r}"
    with pytest.raises((OSError, EOFError)):
        link.exchange(Report("worker"), 0.0)


def test_limits_are_passed_once(spark: Any, service: Recorder, passages: Any) -> None:
    client = _client(service, requests_per_minute=9)
    with DriverLimits(spark, requests_per_minute=9) as limits, pytest.raises(JinaError, match="out of client="):
        embed(passages, column="text", model=MODEL, client=client, limits=limits)


def test_an_error_of_all_rows_fails_the_job(service: Recorder, passages: Any) -> None:
    service.answer = lambda sent: Answer({"detail": "no balance"}, 402)
    with pytest.raises(Exception, match="PaymentRequiredError: no balance"):
        embed(passages, column="text", model=MODEL, client=_client(service)).collect()


def test_the_key_is_in_no_plan_and_no_event_log(
    service: Recorder,
    passages: Any,
    event_log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JINA_API_KEY", "jina_secret_key")
    result = embed(passages.limit(5), column="text", model=MODEL, client=_client(service))
    udf = embed_udf(model=MODEL, client=_client(service))
    result.withColumn("again", udf("text")).explain("extended")
    result.collect()
    assert service.sent[0].headers["authorization"] == "Bearer jina_secret_key"
    logs = b"".join(path.read_bytes() for path in event_log.rglob("*") if path.is_file())
    assert b"jina_embed" in logs
    assert b"jina_secret_key" not in logs
    assert "jina_secret_key" not in f"{capsys.readouterr().out} {result!r} {udf!r} {vars(udf)}"


BAD = [
    ({"column": "txt"}, "there is no column 'txt'; the columns are: id, text, document, nothing"),
    ({"column": "id"}, "column 'id' must hold texts, got the type int64"),
    ({"column": "nothing"}, "holds only nulls"),
    ({"output_column": "document"}, "the input has a column 'document'"),
    ({"model": "jina-reranker-m0"}, "is a reranker"),
    ({"modl": 1}, "has no argument 'modl'"),
    ({"encoding": "float16"}, "Spark has no such numbers"),
    ({"concurrency": 0}, "concurrency must be a whole number"),
    ({"order_column": "id"}, "pass group_column= too"),
    ({"group_column": "document", "order_column": "place"}, "there is no column 'place'"),
    ({"client": {"requests_per_minute": 1}}, "requests_per_minute=1 cannot be divided among the 2 tasks"),
    ({"client": {"limiter": RateLimiter(500, None, None)}}, "Pass DriverLimits"),
    ({"limits": 500}, "limits must be a DriverLimits, got int"),
    ({"usage": {}}, "usage must be a UsageCounter, got dict"),
    ({"client": {"max_concurrency": 7}, "concurrency": 8}, "max_concurrency=7 cannot be divided among the 8 tasks"),
    ({"client": {"base_url": "https://api.jina.ai/v1"}}, "needs an API key"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_mistake_raises_before_anything_is_sent(
    service: Recorder, passages: Any, options: dict[str, Any], message: str
) -> None:
    client = _client(service, **options.pop("client", {}))
    columns = passages.selectExpr("*", "null as nothing")
    with pytest.raises(JinaError, match=message):
        embed(columns, **{"column": "text", "model": MODEL, "client": client, **options})
    assert not service.sent


def test_a_name_that_spark_cannot_pass_to_python_raises(service: Recorder, passages: Any) -> None:
    with pytest.raises(JinaError, match=r"column 'the\.id' has a dot"):
        embed(passages.withColumnRenamed("id", "the.id"), column="text", model=MODEL, client=_client(service))


def test_only_a_spark_frame_is_accepted(service: Recorder) -> None:
    import pandas as pd

    with pytest.raises(JinaError, match=r"must be a Spark DataFrame, got pandas\."):
        embed(pd.DataFrame({"text": ["a"]}), column="text", model=MODEL, client=_client(service))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "text"}, "leave it out"),
        ({"group_column": "document"}, r"call embed\(\)"),
        ({"dimensions": 0}, "dimensions"),
    ],
)
def test_a_wrong_option_of_a_udf_raises_at_once(
    spark: Any, service: Recorder, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(JinaError, match=message):
        embed_udf(model=MODEL, client=_client(service), **options)


def test_a_udf_called_with_numbers_fails_before_anything_is_sent(service: Recorder, passages: Any) -> None:
    udf = embed_udf(model=MODEL, client=_client(service))
    with pytest.raises(Exception, match="the UDF must be called with texts"):
        passages.limit(5).select(udf("id")).collect()
    assert not service.sent


def test_speculation_is_warned_of(spark: Any, service: Recorder, passages: Any) -> None:
    class Conf:
        def get(self, name: str, default: str) -> str:
            return "true" if name == "spark.speculation" else default

    class Session:
        conf = Conf()

    options = {"column": "text", "model": MODEL, "client": _client(service)}
    with pytest.warns(UserWarning, match="speculation"):
        OperatorRun("embed", options, Session())
