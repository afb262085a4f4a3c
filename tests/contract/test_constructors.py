"""Values that cannot work are rejected when a component is constructed, in all frameworks alike."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import langchain_jina
import pytest
import warm
from haystack import Pipeline
from haystack_integrations.components.embedders.jina import JinaDocumentEmbedder, JinaTextEmbedder
from haystack_integrations.components.rankers.jina import JinaRanker
from jina_client import JinaArgumentError, JinaClient, JinaInputError
from jina_client.limiter import RateLimiter
from jina_client.transport import Request, Response
from llama_index.embeddings.jinaai import JinaEmbedding
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from loopback import Recorder

ADDRESSES = ["http://127.0.0.1:8001/v1", "http://127.0.0.1:8002/v1"]
EMBEDDERS = [langchain_jina.JinaEmbeddings, JinaEmbedding, JinaTextEmbedder, JinaDocumentEmbedder]
RERANKERS = [langchain_jina.JinaRerank, JinaRerank, JinaRanker]
MODEL, RERANKER = "jina-embeddings-v3", "jina-reranker-v3"


@pytest.mark.parametrize("kind", EMBEDDERS, ids=lambda kind: f"{kind.__module__.partition('.')[0]}-{kind.__name__}")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": 4096}, "1 to 1024 dimensions, got 4096"),
        ({"task": "nope"}, "has no task 'nope'; it has: retrieval.query"),
        ({"model": "jina-embedings-v3"}, "did you mean 'jina-embeddings-v3'"),
        ({"model": "jina-embedings-v3", "base_url": "local"}, "did you mean 'jina-embeddings-v3'"),
        ({"model": "jina-reranker-v3"}, "is a reranker: use the class for reranking, such as JinaR"),
        ({"model": "jina-colbert-v2"}, "gives one vector per token: use the late-interaction classes"),
        ({"model": ""}, "model must be a model id"),
        ({"base_url": "foo"}, "base_url must be 'local' or a URL"),
        ({"timeout": -1}, "timeout must be a number above 0, got -1"),
        ({"timeout": float("inf")}, "timeout must be a number above 0 and at most 1,000,000,000, got inf"),
        ({"timeout": True}, "timeout must be a number.*, got True"),
        ({"dimensions": True}, "dimensions must be a (whole )?number.*, got True"),
        ({"base_url": ""}, "base_url must be 'local' or a URL .* got ''"),
        ({"base_url": "http://127.0.0.1 /v1"}, "base_url must be 'local' or a URL"),
        ({"max_retries": -1}, "max_retries must be a whole number of 0 or more"),
        ({"dialect": "openai"}, "dialect must be one of jina, "),
    ],
)
def test_an_embedder_rejects_invalid_options(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        kind(**{"model": MODEL, **options})


@pytest.mark.parametrize("kind", [langchain_jina.JinaEmbeddings, JinaDocumentEmbedder])
def test_a_batch_size_above_the_request_limit_is_rejected(kind: Any) -> None:
    with pytest.raises(JinaInputError, match="batch_size must be a whole number from 1 to 512, got 1000"):
        kind(model=MODEL, batch_size=1000)


@pytest.mark.parametrize("kind", RERANKERS, ids=lambda kind: kind.__module__.partition(".")[0])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "jina-rerancer-v3"}, "did you mean 'jina-reranker-v3'"),
        ({"model": MODEL}, "is an embedding model: use the class for embeddings, such as Jina"),
        ({"max_doc_length": 0}, "max_doc_length must be"),
        ({"base_url": "foo"}, "base_url must be 'local' or a URL"),
        ({"timeout": 0}, "timeout must be a number above 0"),
    ],
)
def test_a_reranker_rejects_invalid_options(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JinaInputError, match=message):
        kind(**{"model": RERANKER, **options})


@pytest.mark.parametrize(
    ("kind", "name"), [(langchain_jina.JinaRerank, "top_n"), (JinaRerank, "top_n"), (JinaRanker, "top_k")]
)
def test_a_reranker_rejects_a_top_n_of_zero(kind: Any, name: str) -> None:
    with pytest.raises(JinaInputError, match=f"{name} must be"):
        kind(model=RERANKER, **{name: 0})


@pytest.mark.parametrize("kind", [*EMBEDDERS, *RERANKERS])
def test_an_unknown_model_is_accepted_for_another_service(kind: Any, server: Recorder) -> None:
    assert kind(model="my-own-model", base_url=server.url)


class OwnTransport:
    """A transport that may call any service."""

    def send(self, request: Request) -> Response:
        raise AssertionError(request)

    def close(self) -> None: ...


def _saved_and_loaded(component: Any) -> Any:
    if isinstance(component, (JinaEmbedding, JinaRerank)):
        return type(component).from_dict(component.to_dict())
    if isinstance(component, (langchain_jina.JinaEmbeddings, langchain_jina.JinaRerank)):
        return pickle.loads(pickle.dumps(component))
    pipeline = Pipeline()
    pipeline.add_component("component", component)
    return Pipeline.loads(pipeline.dumps()).get_component("component")


@pytest.mark.parametrize("kind", [*EMBEDDERS, *RERANKERS])
@pytest.mark.parametrize("form", [list, tuple])
def test_several_addresses_are_saved_and_loaded(kind: Any, form: Any) -> None:
    component = kind(model=RERANKER if kind in RERANKERS else MODEL, base_url=form(ADDRESSES))
    assert list(_saved_and_loaded(component).base_url) == ADDRESSES


@pytest.mark.parametrize("kind", [*EMBEDDERS, *RERANKERS])
def test_the_engine_cannot_be_one_of_several_servers(kind: Any) -> None:
    with pytest.raises(JinaInputError, match="lists 'local' beside other servers"):
        kind(base_url=[ADDRESSES[0], "local"])


@pytest.mark.parametrize("kind", [*EMBEDDERS, *RERANKERS])
def test_an_argument_that_only_a_client_takes_is_rejected_with_the_way_to_pass_it(kind: Any) -> None:
    with pytest.raises(JinaInputError, match="pass client=JinaClient"):
        kind(base_url="local", limiter=RateLimiter())


@pytest.mark.parametrize("kind", [*EMBEDDERS, *RERANKERS])
def test_an_unknown_model_is_accepted_with_a_custom_transport(kind: Any) -> None:
    assert kind(model="my-own-model", client=JinaClient(transport=OwnTransport(), api_key="test-key"))


@pytest.mark.parametrize("kind", [*EMBEDDERS, *RERANKERS])
def test_a_missing_key_raises_at_first_use(kind: Any) -> None:
    assert kind(model=RERANKER if kind in RERANKERS else MODEL)


@pytest.mark.parametrize("kind", [langchain_jina.JinaEmbeddings, langchain_jina.JinaRerank, JinaEmbedding, JinaRerank])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"client": "local"},
            "client must be a JinaClient or an AsyncJinaClient, got 'local'; base_url='local' selects",
        ),
        ({"timeout": "soon"}, "timeout must be a number, got 'soon'"),
        ({"max_retries": "x"}, "max_retries must be a whole number, got 'x'"),
        ({"base_url": 5}, "base_url must be a string or a list, got 5"),
        ({"api_key": 12345}, "api_key must be a string, got int"),
    ],
)
def test_a_wrong_type_raises_the_clients_error(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(JinaInputError) as caught:
        kind(**options)
    assert message in str(caught.value)
    assert "12345" not in str(caught.value)


def test_haystack_explains_a_wrong_client_and_a_positional_model() -> None:
    with pytest.raises(JinaInputError, match=r"client must be a JinaClient .* got 'local'; base_url='local' selects"):
        JinaTextEmbedder(client="local")  # type: ignore[arg-type]
    with pytest.raises(JinaInputError, match="pass the model as model='jina-embeddings-v3'"):
        JinaTextEmbedder("jina-embeddings-v3")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [langchain_jina.JinaEmbeddings, langchain_jina.JinaRerank])
def test_a_positional_model_error_names_the_keyword(kind: Any) -> None:
    with pytest.raises(JinaInputError, match=rf"got 'jina-m': write {kind.__name__}\(model=…\)"):
        kind("jina-m")


DEFAULTS = """
import warnings
from jina_client import JinaClient, JinaDefaultModelWarning
import langchain_jina as langchain
import llama_index.embeddings.jinaai as llama_index
import llama_index.postprocessor.jinaai_rerank as llama_index_rerank
import haystack_integrations.components.embedders.jina as haystack
import haystack_integrations.components.rankers.jina as haystack_rankers

warnings.simplefilter("always")
for kind in (
    langchain.JinaEmbeddings, llama_index.JinaEmbedding, haystack.JinaTextEmbedder, haystack.JinaDocumentEmbedder,
    langchain.JinaRerank, llama_index_rerank.JinaRerank, haystack_rankers.JinaRanker,
):
    with warnings.catch_warnings(record=True) as caught:
        for _ in range(2):
            own = kind(base_url="local")
        kind(model=own.model, base_url="local")
    (warning,) = [each for each in caught if issubclass(each.category, JinaDefaultModelWarning)]
    print(warning.filename, warning.message)

with warnings.catch_warnings(record=True) as caught:
    client = JinaClient(base_url="local")
    for _ in range(2):
        client.embed(["a"])
        list(client.embed_stream(["a"]))
        client.rerank("a", ["b"])
        client.classify(["a"], ["b", "c"], model="jina-embeddings-v3")
for warning in caught:
    print(warning.filename, warning.message)
"""


def test_the_default_model_warns_once() -> None:
    run = warm.run(["-c", DEFAULTS], text=True, timeout=120, check=True)
    texts = run.stdout.splitlines()
    left_out = "because model= was left out;"
    v2, v3, v5 = "jina-embeddings-v2-base-en", "jina-embeddings-v3", "jina-embeddings-v5-text-small"
    assert texts[0].startswith(f"<string> JinaEmbeddings uses '{v2}' {left_out} '{v5}' is recommended")
    assert all(f"uses '{v3}' {left_out} '{v5}' is recommended" in text for text in texts[1:4])
    assert all(f"uses 'jina-reranker-v1-base-en' {left_out} 'jina-reranker-v3'" in text for text in texts[4:7])
    assert texts[7].startswith(f"<string> JinaClient.embed uses '{v3}' {left_out} '{v5}' is recommended")
    assert texts[8].startswith("<string> JinaClient.rerank uses 'jina-reranker-v2-base-multilingual'")
    assert len(texts) == 9
    assert all(text.startswith("<string> ") for text in texts)


def test_shrinking_images_without_pillow_names_the_missing_package() -> None:
    program = (
        "import sys\n"
        "sys.modules['PIL'] = None\n"
        "from jina_client import JinaClient, JinaInputError\n"
        "try:\n"
        "    JinaClient(base_url='local').embed([{'image': b'\\x89PNG\\r\\n\\x1a\\n' + bytes(64)}],"
        " model='jina-clip-v2', max_image_side=64)\n"
        "except JinaInputError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "Pillow" in run.stdout
    assert "images" in run.stdout


@pytest.mark.parametrize("kind", [langchain_jina.JinaEmbeddings, langchain_jina.JinaRerank, JinaEmbedding, JinaRerank])
def test_a_misspelled_attribute_is_not_set(kind: Any) -> None:
    component = kind(base_url="local")
    with pytest.raises(JinaArgumentError, match="has no argument 'base_ulr'; did you mean 'base_url'"):
        component.base_ulr = "http://127.0.0.1:9/v1"
