"""Classes: by labels, and by classifiers that are trained, kept and deleted."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jina_local
import numpy as np
import orjson
import pytest
from jina_local.app import App
from jina_local.classification import head_scores, train_head
from jina_local.classifier_store import ClassifierStore
from jina_local.engine import Engine

INPUTS = ["The striker scored twice in the final.", "The court ruled against the new law."]
EXAMPLES = [
    {"text": "I love this product", "label": "good"},
    {"text": "It works very well, thank you", "label": "good"},
    {"text": "This is terrible and broken", "label": "bad"},
    {"text": "I want my money back, it failed", "label": "bad"},
]
TRAIN = {"model": "jina-embeddings-v3", "access": "private", "input": EXAMPLES}


@pytest.fixture(autouse=True)
def no_classifiers_left(ask: Any) -> Iterator[None]:
    yield
    for each in ask("GET", "/v1/classifiers").body:
        ask("DELETE", f"/v1/classifiers/{each['classifier_id']}")


def test_classification_returns_the_best_label_and_all_scores(post: Any) -> None:
    labels = ["sports", "politics", "cooking"]
    status, body = post("classify", model="jina-embeddings-v3", input=INPUTS, labels=labels)
    assert (status, [item["prediction"] for item in body["data"]]) == (200, ["sports", "politics"])
    for index, item in enumerate(body["data"]):
        scores = {each["label"]: each["score"] for each in item["predictions"]}
        assert (item["object"], item["index"], list(scores)) == ("classification", index, labels)
        assert sum(scores.values()) == pytest.approx(1)
        assert item["score"] == max(scores.values()) == scores[item["prediction"]]


def test_each_group_of_labels_returns_one_label(post: Any) -> None:
    groups = {"area": ["sports", "politics"], "tone": ["praise", "complaint", "report"]}
    _, body = post("classify", model="jina-clip-v2", input={"text": INPUTS[0]}, labels=groups)
    [item] = body["data"]
    assert item["prediction"]["area"] == "sports"
    assert set(item["prediction"]) == set(item["score"]) == set(item["predictions"]) == {"area", "tone"}
    assert sum(each["score"] for each in item["predictions"]["tone"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("fields", "field", "kind"),
    [
        ({"labels": []}, "labels", "too_short"),
        ({"labels": ["a"] * 513}, "labels", "too_long"),
        ({"labels": {}}, "labels", "too_short"),
        ({"labels": {str(n): ["a"] for n in range(9)}}, "labels", "too_long"),
        ({"labels": {"g": ["a"] * 65}}, "labels -> g", "too_long"),
        ({"labels": {"g": "a"}}, "labels -> g", "list_type"),
        ({"labels": ["a", 1]}, "labels -> 1", "string_type"),
        ({"labels": "a"}, "labels", "list_type"),
        ({}, "labels", "missing"),
        ({"labels": ["a"], "input": []}, "input", "value_error"),
        ({"labels": ["a"], "top_n": 1}, "top_n", "extra_forbidden"),
        ({"classifier_id": 3}, "classifier_id", "string_type"),
    ],
)
def test_an_error_names_the_invalid_field(post: Any, fields: Any, field: str, kind: str) -> None:
    model = {} if "classifier_id" in fields else {"model": "jina-embeddings-v3"}
    status, body = post("classify", **{**model, "input": "a", **fields})
    problems = [(error["field"], error["type"]) for error in body["errors"]]
    assert (status, problems) == (422, [(f"body -> {field}", kind)])


def test_a_classifier_learns_from_examples(post: Any, ask: Any) -> None:
    status, trained = post("train", **TRAIN)
    assert (status, trained["num_samples"], trained["usage"]["total_tokens"] > 20) == (200, 4, True)
    name = trained["classifier_id"]
    _, body = post("classify", classifier_id=name, input=["It is great, I love it", "broken again, terrible"])
    assert [item["prediction"] for item in body["data"]] == ["good", "bad"]
    assert all(sum(each["score"] for each in item["predictions"]) == pytest.approx(1) for item in body["data"])
    [listed] = ask("GET", "/v1/classifiers").body
    assert (listed["classifier_id"], listed["labels"], listed["used_number"]) == (name, ["good", "bad"], 1)
    assert (listed["access"], listed["model"], listed["updated_number"]) == ("private", "jina-embeddings-v3", 0)
    assert [each["classifier_id"] for each in ask("POST", "/v1/classifiers").body] == [name]


def test_the_same_examples_give_the_same_classifier(post: Any) -> None:
    answers = []
    for _ in range(2):
        name = post("train", **TRAIN)[1]["classifier_id"]
        answers.append(post("classify", classifier_id=name, input="not bad at all")[1])
    assert answers[0] == answers[1]


def test_a_trained_classifier_can_learn_more(post: Any, ask: Any) -> None:
    name = post("train", **TRAIN)[1]["classifier_id"]
    further = [{"text": "When do you open on Sundays?", "label": "question"}]
    status, body = post("train", classifier_id=name, input=further, num_iters=20)
    assert (status, body["classifier_id"], body["num_samples"]) == (200, name, 1)
    _, body = post("classify", classifier_id=name, input=["What time do you close?", "I love this product"])
    assert [item["prediction"] for item in body["data"]] == ["question", "good"]
    assert ask("GET", "/v1/classifiers").body[0]["updated_number"] == 1


def test_more_iterations_fit_the_examples_better() -> None:
    vectors = np.random.default_rng(7).normal(size=(40, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes = [number % 4 for number in range(40)]

    def loss(iterations: int) -> float:
        head = train_head(vectors, classes, 4, iterations)
        # What is minimized: the mean negative log-likelihood, and a tenth of half the squared weights per example.
        return float(-np.log(head_scores(head, vectors)[range(40), classes]).mean() + (head**2).sum() / (2 * 10.0 * 40))

    assert loss(0) > loss(1) > loss(3) > loss(100)


def test_a_deleted_classifier_is_not_found(post: Any, ask: Any) -> None:
    name = post("train", **TRAIN)[1]["classifier_id"]
    assert ask("DELETE", f"/v1/classifiers/{name}").status == 200
    again = ask("DELETE", f"/v1/classifiers/{name}")
    assert (again.status, again.body["detail"]["code"]) == (404, "RESOURCE_NOT_FOUND")
    status, body = post("classify", classifier_id=name, input="a")
    message = f"Classifier '{name}' not found or access denied. Verify the ID and your permissions."
    assert (status, body["detail"]["message"]) == (404, message)


def test_training_needs_two_labels(post: Any) -> None:
    status, body = post("train", **{**TRAIN, "input": EXAMPLES[:2]})
    assert (status, body["detail"]["code"]) == (400, "INPUT_INVALID_LABELS")


def test_training_accepts_16_labels(post: Any) -> None:
    examples = [{"text": f"text {n}", "label": str(n)} for n in range(17)]
    status, body = post("train", **{**TRAIN, "input": examples})
    assert (status, body["detail"]["code"]) == (400, "INPUT_LABEL_LIMIT_EXCEEDED")
    assert "17 labels provided, maximum 16 allowed" in body["detail"]["message"]


def test_at_most_16_classifiers_may_exist(post: Any) -> None:
    statuses = [post("train", **TRAIN)[0] for _ in range(16)]
    status, body = post("train", **TRAIN)
    assert (set(statuses), status, body["code"]) == ({200}, 403, "AUTHZ_RESOURCE_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("example", "field", "kind"),
    [
        ({"text": "a"}, "input -> 0 -> label", "missing"),
        ({"text": "a", "label": 1}, "input -> 0 -> label", "string_type"),
        ({"label": "a"}, "input -> 0 -> text", "missing"),
        ({"image": "aGk=", "label": "a"}, "input -> 0", "unsupported_modality"),
    ],
)
def test_an_error_names_the_invalid_example(post: Any, example: Any, field: str, kind: str) -> None:
    _, body = post("train", **{**TRAIN, "input": [example, *EXAMPLES]})
    assert [(error["field"], error["type"]) for error in body["errors"]] == [(f"body -> {field}", kind)]


def test_classifiers_persist_in_a_folder(asking: Any, tmp_path: Path) -> None:
    name = asking(App(Engine(state=tmp_path)))("POST", "/v1/train", TRAIN).body["classifier_id"]
    (tmp_path / "other.json").write_text("{}")
    again = asking(App(Engine(state=tmp_path)))
    body = again("POST", "/v1/classify", {"classifier_id": name, "input": "I love it"}).body
    assert body["data"][0]["prediction"] == "good"
    assert again("DELETE", f"/v1/classifiers/{name}").status == 200
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_a_classifier_is_trained_by_one_request_at_a_time(asking: Any, tmp_path: Path) -> None:
    name = asking(App(Engine(state=tmp_path)))("POST", "/v1/train", TRAIN).body["classifier_id"]
    store = ClassifierStore(tmp_path)
    with store.changing(name), pytest.raises(jina_local.RequestError) as caught, store.changing(name):
        pass
    assert (caught.value.status, caught.value.body("id")["detail"]["code"]) == (409, "CONFLICT_RESOURCE_BUSY")
    with store.changing(name) as free_again:
        assert free_again.classifier_id == name


def test_training_stops_once_it_has_converged() -> None:
    vectors = np.random.default_rng(0).standard_normal((512, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes = [number % 2 for number in range(512)]
    began = time.monotonic()
    head = train_head(vectors, classes, 2, 1000)
    assert time.monotonic() - began < 10
    scores = head_scores(head, vectors)
    assert np.abs(scores - head_scores(train_head(vectors, classes, 2, 500), vectors)).max() < 0.01


def test_a_classifier_that_cannot_be_written_names_the_path_and_the_reason(tmp_path: Path) -> None:
    app = App(Engine(state=tmp_path / "state"))
    (tmp_path / "state").rmdir()
    body = {"model": "jina-embeddings-v3", "input": [{"text": "a", "label": "b"}, {"text": "c", "label": "d"}]}
    status, _, content = app.handle("POST", "/v1/train", {}, orjson.dumps(body))
    message = orjson.loads(content)["detail"]["message"]
    assert status == 500
    assert message.startswith(f"The classifier cannot be written to {tmp_path / 'state'}")
    assert message.endswith("No such file or directory")
