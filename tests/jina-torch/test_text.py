"""Text embeddings are what a plain computation with transformers gives: adapters, prefixes, pooling, late chunking."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jina_torch", reason="jina-torch is not installed: uv run --group torch pytest tests/jina-torch")
torch = pytest.importorskip("torch", reason="jina-torch is not installed: uv run --group torch pytest tests/jina-torch")
import transformers
from jina_client.integration import MODELS
from jina_local import Engine, ModelNotFoundError
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from tiny_models import (
    SIZES,
    TASKS,
    TEXTS,
    bert_tokenizer,
    close,
    decoder_tokenizer,
    lively,
    published_config,
    unit,
    v3_config,
    vectors,
    xlmr_tokenizer,
)

Serve = Callable[..., Callable[..., tuple[int, Any]]]


def rows_of(network: Any, own: Any, text: str) -> Any:
    with torch.no_grad():
        return network(**own(text, return_tensors="pt", return_token_type_ids=False)).last_hidden_state[0].numpy()


@pytest.fixture(scope="module")
def v3(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder like jinaai/jina-embeddings-v3-hf: the network, and a folder with an adapter for each task."""
    folder = tmp_path_factory.mktemp("v3") / "jina-embeddings-v3-hf"
    own = xlmr_tokenizer(folder)
    network = lively(transformers.JinaEmbeddingsV3Model(v3_config()))
    network.save_pretrained(folder)
    for seed, task in enumerate(TASKS):
        name = task.replace(".", "_").replace("-", "_")
        adapted = transformers.JinaEmbeddingsV3Model.from_pretrained(folder)
        adapted.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "word_embeddings"]), name)
        generator = torch.Generator().manual_seed(seed)
        for weight_name, weight in adapted.named_parameters():
            if "lora_" in weight_name:
                weight.data = torch.randn(weight.shape, generator=generator) * 0.3
        adapted.save_pretrained(folder / name)
    return folder, network, own


def with_adapter(folder: Path, task: str) -> Any:
    name = task.replace(".", "_").replace("-", "_")
    network = transformers.JinaEmbeddingsV3Model.from_pretrained(folder)
    network.load_adapter(str(folder / name), adapter_name=name)
    network.set_adapter(name)
    return network.eval()


def test_v3_uses_a_tasks_adapter_and_prefix(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    folder, network, own = v3
    ask = serve(folder)
    status, body = ask("embeddings", model="jina-embeddings-v3", input=TEXTS)
    assert (status, body["model"]) == (200, "jina-embeddings-v3")
    plain = vectors(body)
    # No task: neither adapter nor prefix, as the hosted service was measured to do.
    assert close(plain, [unit(rows_of(network, own, text).mean(0)) for text in TEXTS])
    results = {}
    for task in TASKS:
        status, body = ask("embeddings", model="jina-embeddings-v3", task=task, input=TEXTS)
        results[task] = vectors(body)
        prefix = MODELS["jina-embeddings-v3"].prefixes.get(task, "")
        adapted = with_adapter(folder, task)
        assert close(results[task], [unit(rows_of(adapted, own, prefix + text).mean(0)) for text in TEXTS]), task
        assert body["usage"]["total_tokens"] == sum(len(own(prefix + text)["input_ids"]) for text in TEXTS)
    assert all(not close(results[a], results[b]) for a in TASKS for b in TASKS if a < b)
    # And back to none.
    assert close(vectors(ask("embeddings", model="jina-embeddings-v3", input=TEXTS)[1]), plain)


def test_the_published_v3_loads_offline_without_its_code(
    v3: tuple[Path, Any, Any], tmp_path: Path, serve: Serve
) -> None:
    """The published configuration points to code in another repository; its adapters are stacks."""
    folder = tmp_path / "jina-embeddings-v3"
    native, _, own = v3
    own.save_pretrained(folder)
    tensors = {f"roberta.{name}": weight for name, weight in load_file(native / "model.safetensors").items()}
    generator = torch.Generator().manual_seed(3)
    rank, stacks = 2, {}
    for name in ("roberta.encoder.layers.0.mixer.Wqkv", "roberta.encoder.layers.1.mlp.fc1"):
        out, into = tensors[f"{name}.weight"].shape
        stacks[name] = torch.randn(5, rank, into, generator=generator), torch.randn(5, out, rank, generator=generator)
    words = "roberta.embeddings.word_embeddings"
    many, size = tensors[f"{words}.weight"].shape
    stacks[words] = torch.randn(5, many, rank, generator=generator), torch.randn(5, rank, size, generator=generator)
    stored = dict(tensors)
    for name, (a, b) in stacks.items():
        stored[f"{name}.parametrizations.weight.original"] = stored.pop(f"{name}.weight")
        stored[f"{name}.parametrizations.weight.0.lora_A"] = a
        stored[f"{name}.parametrizations.weight.0.lora_B"] = b
    save_file(stored, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(published_config(lora_alpha=1, lora_rank=rank)))
    ask = serve(folder)
    for index, task in enumerate(TASKS):
        merged = dict(tensors)
        for name, (a, b) in stacks.items():
            delta = a[index] @ b[index] if name == words else b[index] @ a[index]
            merged[f"{name}.weight"] = tensors[f"{name}.weight"] + delta * (1 / rank)
        config = v3_config()
        adapted = transformers.JinaEmbeddingsV3Model.from_pretrained(None, config=config, state_dict=merged).eval()
        prefix = MODELS["jina-embeddings-v3"].prefixes.get(task, "")
        status, body = ask("embeddings", model="jina-embeddings-v3", task=task, input=TEXTS)
        assert status == 200
        expected = [unit(rows_of(adapted, own, prefix + text).mean(0)) for text in TEXTS]
        assert np.allclose(vectors(body), expected, atol=2e-4), task


def test_vectors_are_truncated_and_normalized_only_on_request(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    folder, network, own = v3
    ask = serve(folder)
    means = np.array([rows_of(network, own, text).mean(0) for text in TEXTS])
    fields = {"model": "jina-embeddings-v3", "input": TEXTS}
    assert close(vectors(ask("embeddings", **fields, normalized=False)[1]), means)
    assert close(vectors(ask("embeddings", **fields, normalized=False, dimensions=8)[1]), means[:, :8])
    assert close(vectors(ask("embeddings", **fields, dimensions=8)[1]), unit(means[:, :8]))
    status, body = ask("embeddings", **fields, dimensions=33)
    assert (status, body["errors"][0]["message"]) == (422, "Input should be less than or equal to 32")


def test_late_chunking_equals_the_reference(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    """The prefix once; the first span takes in what stands before it, the last one the closing token."""
    folder, _, own = v3
    task = "retrieval.passage"
    adapted = with_adapter(folder, task)
    prefix = own(MODELS["jina-embeddings-v3"].prefixes[task], add_special_tokens=False)["input_ids"]
    chunks = [own(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    ids = [own.cls_token_id, *prefix, *(token for chunk in chunks for token in chunk), own.sep_token_id]
    with torch.no_grad():
        rows = adapted(torch.tensor([ids])).last_hidden_state[0].numpy()
    ends = np.cumsum([len(chunk) for chunk in chunks]) + 1 + len(prefix)
    bounds = [(0, ends[0]), (ends[0], ends[1]), (ends[1], len(ids))]
    expected = unit(np.array([rows[start:end].mean(0) for start, end in bounds]))
    ask = serve(folder)
    status, body = ask("embeddings", model="jina-embeddings-v3", task=task, late_chunking=True, input=TEXTS)
    assert (status, body["usage"]["total_tokens"]) == (200, len(ids))
    assert close(vectors(body), expected)
    status, body = ask("embeddings", model="jina-embeddings-v3", late_chunking=True, input=["a city"] * 40)
    assert (status, body["detail"]["code"]) == (400, "INPUT_TOKEN_LIMIT_EXCEEDED")


def test_a_long_text_is_truncated_only_on_request(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    folder, network, own = v3
    ask = serve(folder)
    text = " ".join(["rivers"] * 100)
    status, body = ask("embeddings", model="jina-embeddings-v3", input=text)
    assert (status, body["detail"]["code"]) == (400, "INPUT_TOKEN_LIMIT_EXCEEDED")
    status, body = ask("embeddings", model="jina-embeddings-v3", input=text, truncate=True)
    assert (status, body["usage"]["total_tokens"]) == (200, 64)
    assert close(vectors(body)[0], unit(rows_of(network, own, " ".join(["rivers"] * 62)).mean(0)))


def test_another_model_is_rejected_and_the_default_is_the_loaded_one(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    ask = serve(v3[0])
    status, body = ask("embeddings", model="jina-embeddings-v4", input="a")
    assert (status, body["detail"]["code"]) == (400, "INPUT_MODEL_NOT_FOUND")
    assert "jina-embeddings-v3" in body["detail"]["message"]
    assert ask("embeddings", input="a")[1]["model"] == "jina-embeddings-v3"
    assert ask("rerank", model="jina-embeddings-v3", query="a", documents=["a"])[0] == 400
    assert ask("embeddings", model="jina-embeddings-v3", input=[{"image": "aGVsbG8="}])[0] == 422


def test_parallel_requests_use_their_own_tasks(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    ask = serve(v3[0])
    alone = {task: vectors(ask("embeddings", task=task, input=TEXTS)[1]) for task in TASKS}
    matches: list[bool] = []

    def embed(task: str) -> None:
        matches.extend(close(vectors(ask("embeddings", task=task, input=TEXTS)[1]), alone[task]) for _ in range(5))

    threads = [threading.Thread(target=embed, args=(task,)) for task in TASKS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(matches) == 50
    assert all(matches)


def test_classification_uses_its_adapter(v3: tuple[Path, Any, Any], serve: Serve) -> None:
    folder, _, own = v3
    adapted = with_adapter(folder, "classification")
    labels = ["city", "summer"]
    of_text, *of_labels = (unit(rows_of(adapted, own, text).mean(0)) for text in (TEXTS[0], *labels))
    raised = np.exp([of_text @ each for each in of_labels])
    status, body = serve(folder)("classify", input=[TEXTS[0]], labels=labels)
    assert status == 200
    scores = [each["score"] for each in body["data"][0]["predictions"]]
    assert np.allclose(scores, raised / raised.sum(), atol=1e-5)


def decoders() -> dict[str, tuple[str, Any]]:
    sizes = {**SIZES, "vocab_size": 300, "max_position_embeddings": 256, "pad_token_id": 0}
    eurobert = transformers.EuroBertConfig(**sizes, num_key_value_heads=4, head_dim=8)
    qwen3 = transformers.Qwen3Config(**sizes, num_key_value_heads=2, head_dim=8)
    qwen2 = transformers.Qwen2Config(**sizes, num_key_value_heads=2)
    return {
        "Qwen3": ("jina-embeddings-v5-text-small-retrieval", qwen3),
        "EuroBERT": ("jina-embeddings-v5-text-nano-retrieval", eurobert),
        "Qwen2": ("jina-code-embeddings-0.5b", qwen2),
    }


@pytest.mark.parametrize("kind", decoders())
def test_the_last_token_is_pooled(kind: str, tmp_path: Path, serve: Serve) -> None:
    name, config = decoders()[kind]
    folder = tmp_path / name
    decoder_tokenizer(folder)
    network = lively(transformers.AutoModel.from_config(config))
    network.save_pretrained(folder)
    own = transformers.AutoTokenizer.from_pretrained(folder)
    ask = serve(folder)
    row = next(each for each in MODELS.values() if name.startswith(each.id))
    for task in (row.query_task, row.document_task):
        expected = [unit(rows_of(network, own, row.prefixes[task or ""] + text)[-1]) for text in TEXTS]
        status, body = ask("embeddings", model=row.id, task=task, input=TEXTS)
        assert (status, close(vectors(body), expected)) == (200, True)
    if kind != "Qwen2":
        # The weights were merged for one task: another is refused, and so is the one that is assumed without a name.
        assert ask("embeddings", model=row.id, task="clustering", input="a")[0] == 422
        status, body = ask("embeddings", model=row.id, input="a")
        assert (status, body["detail"]["code"]) == (400, "INPUT_UNSUPPORTED")


def test_a_model_that_names_its_own_code_runs_in_the_native_class(tmp_path: Path, serve: Serve) -> None:
    name, config = decoders()["EuroBERT"]
    folder = tmp_path / name
    decoder_tokenizer(folder)
    network = lively(transformers.AutoModel.from_config(config))
    network.save_pretrained(folder)
    for file in ("config.json", "tokenizer_config.json"):
        content = json.loads((folder / file).read_text())
        content["auto_map"] = {
            "AutoModel": "modeling.Own",
            "AutoConfig": "modeling.Own",
            "AutoTokenizer": ["modeling.Own", None],
        }
        (folder / file).write_text(json.dumps(content))
    (folder / "modeling.py").write_text("raise SystemExit('the code ran')")
    own = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    status, body = serve(folder)("embeddings", task="retrieval.query", input=TEXTS)
    expected = [unit(rows_of(network, own, f"Query: {text}")[-1]) for text in TEXTS]
    assert (status, close(vectors(body), expected)) == (200, True)


def test_the_pooling_of_a_bert_is_read_from_its_files(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "models--jinaai--jina-embeddings-v2-base-en" / "snapshots" / "0a1b"
    own = bert_tokenizer(folder)
    network = lively(transformers.BertModel(transformers.BertConfig(**SIZES, max_position_embeddings=50)))
    network.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    status, body = serve(folder)("embeddings", model="jina-embeddings-v2-base-en", input=TEXTS)
    assert status == 200
    assert close(vectors(body), [unit(rows_of(network, own, text)[0]) for text in TEXTS])


def test_missing_weights_raise(v3: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = tmp_path / "jina-embeddings-v3"
    native, _, own = v3
    own.save_pretrained(folder)
    (folder / "config.json").write_bytes((native / "config.json").read_bytes())
    tensors = load_file(native / "model.safetensors")
    del tensors["encoder.layers.1.mlp.fc2.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelNotFoundError, match="lacks weights"):
        Engine(model=folder).load()


def test_a_folder_without_a_known_model_name_needs_a_model_id(v3: tuple[Path, Any, Any], tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.symlink_to(v3[0])
    with pytest.raises(ModelNotFoundError, match="--model-id"):
        Engine(model=folder).load()
    Engine(model=folder, model_id="jina-embeddings-v3").load()
    with pytest.raises(ModelNotFoundError, match="downloading it from the hub failed"):
        Engine(model="jinaai/jina-embeddings-v3").load()
