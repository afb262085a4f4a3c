"""ColBERT, cross-encoders, CLIP, the listwise reranker, and models that need their own code."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

pytest.importorskip("jina_torch", reason="jina-torch is not installed: uv run --group torch pytest tests/jina-torch")
torch = pytest.importorskip("torch", reason="jina-torch is not installed: uv run --group torch pytest tests/jina-torch")
import transformers
from jina_local import App, Engine, ModelNotFoundError
from jina_local.server import running
from jina_torch.listwise_reranker import SYSTEM
from safetensors.torch import load_file, save_file
from tiny_models import (
    SIZES,
    TEXTS,
    bert_tokenizer,
    close,
    decoder_tokenizer,
    lively,
    published_config,
    tokenizer,
    unit,
    v3_config,
    vectors,
    xlmr_tokenizer,
)

Serve = Callable[..., Callable[..., tuple[int, Any]]]
Picture = Callable[[int], tuple[Any, str]]


def test_colbert_marks_queries_and_documents(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "jina-colbert-v2"
    own = xlmr_tokenizer(folder, "[QueryMarker]", "[DocumentMarker]")
    network = lively(transformers.JinaEmbeddingsV3Model(v3_config()))
    network.save_pretrained(folder)
    stored = {f"roberta.{name}": weight for name, weight in load_file(folder / "model.safetensors").items()}
    linear = torch.randn(128, 32, generator=torch.Generator().manual_seed(1))
    save_file({**stored, "linear.weight": linear}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(published_config()))

    def expected(ids: list[int], dimensions: int) -> Any:
        with torch.no_grad():
            rows = network(torch.tensor([ids])).last_hidden_state[0] @ linear.T
        return unit(rows[:, :dimensions].numpy())

    def content(text: str) -> list[int]:
        return own(text, add_special_tokens=False)["input_ids"]

    marks = own.convert_tokens_to_ids(["[QueryMarker]", "[DocumentMarker]"])
    query = [own.cls_token_id, marks[0], *content(TEXTS[0]), own.sep_token_id]
    query += [own.mask_token_id] * (32 - len(query))
    ask = serve(folder)
    status, body = ask("multi-vector", model="jina-colbert-v2", input=TEXTS[0], input_type="query", dimensions=64)
    assert (status, body["usage"]["total_tokens"]) == (200, 32)
    assert close(body["data"][0]["embeddings"], expected(query, 64))
    documents = []
    skipped = own.convert_tokens_to_ids([".", ","])
    for text in TEXTS:
        ids = [own.cls_token_id, marks[1], *content(text), own.sep_token_id]
        documents.append(expected(ids, 128)[[number not in skipped for number in ids]])
    status, body = ask("embeddings", model="jina-colbert-v2", input=TEXTS)
    assert all(close(item["embeddings"], rows) for item, rows in zip(body["data"], documents, strict=True))
    status, body = ask("rerank", model="jina-colbert-v2", query=TEXTS[0], documents=TEXTS)
    scores = [(expected(query, 128) @ rows.T).max(axis=1).sum() for rows in documents]
    actual_scores = {each["index"]: each["relevance_score"] for each in body["results"]}
    assert np.allclose([actual_scores[index] for index in range(3)], scores, atol=1e-3)


@pytest.mark.parametrize("layout", ["bert", "xlm-roberta", "as published"])
def test_a_cross_encoder_returns_the_sigmoid_of_the_logit(layout: str, tmp_path: Path, serve: Serve) -> None:
    name = "jina-reranker-v1-tiny-en" if layout == "bert" else "jina-reranker-v2-base-multilingual"
    folder = tmp_path / name
    if layout == "bert":
        own = bert_tokenizer(folder)
        config = transformers.BertConfig(**SIZES, max_position_embeddings=64, num_labels=1)
        network = lively(transformers.BertForSequenceClassification(config))
    else:
        own = xlmr_tokenizer(folder)
        config = transformers.XLMRobertaConfig(
            **SIZES, max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, num_labels=1
        )
        network = lively(transformers.XLMRobertaForSequenceClassification(config))
    network.save_pretrained(folder)
    if layout == "as published":
        save_file(as_published(load_file(folder / "model.safetensors")), folder / "model.safetensors")
        published = published_config(position_embedding_type="absolute", max_position_embeddings=66, num_labels=1)
        (folder / "config.json").write_text(json.dumps(published))
    ask = serve(folder)
    scores = {}
    for index, text in enumerate(TEXTS):
        with torch.no_grad():
            logit = network(**own("a city", text, return_tensors="pt")).logits[0, 0]
        scores[index] = float(torch.sigmoid(logit))
    status, body = ask("rerank", model=name, query="a city", documents=TEXTS)
    assert status == 200
    actual_scores = {each["index"]: each["relevance_score"] for each in body["results"]}
    assert actual_scores == pytest.approx(scores, abs=1e-5)
    assert len(set(actual_scores.values())) == 3
    long = " ".join(["rivers"] * 200)
    assert ask("rerank", model=name, query="a city", documents=[long], truncation=False)[0] == 400
    assert ask("rerank", model=name, query="a city", documents=[long])[0] == 200
    assert ask("rerank", model=name, query="a city", documents=["a"], return_embeddings=True)[0] == 422
    assert ask("embeddings", model=name, input="a")[0] == 400


def as_published(tensors: dict[str, Any]) -> dict[str, Any]:
    """XLM-RoBERTa's tensors under the names of Jina's implementation, the projections of attention in one."""
    names = {
        "embeddings.LayerNorm": "emb_ln",
        "encoder.layer.": "encoder.layers.",
        "attention.output.dense": "mixer.out_proj",
        "attention.output.LayerNorm": "norm1",
        "intermediate.dense": "mlp.fc1",
        "output.dense": "mlp.fc2",
        "output.LayerNorm": "norm2",
    }
    renamed = {}
    for name, weight in tensors.items():
        if ".attention.self." in name:
            if ".query." in name:
                parts = [tensors[name.replace(".query.", f".{each}.")] for each in ("query", "key", "value")]
                name = name.replace("attention.self.query", "mixer.Wqkv").replace("encoder.layer.", "encoder.layers.")
                renamed[name] = torch.cat(parts)
            continue
        for before, after in names.items():
            name = name.replace(before, after)
        renamed[name] = weight.clone()
    return renamed


def test_clip_embeds_texts_and_images(tmp_path: Path, serve: Serve, picture: Picture) -> None:
    folder = tmp_path / "jina-clip-v1"
    first = ["<pad>", "<unk>", "<start>", "<end>"]
    own = tokenizer(
        folder, first, before="<start>", after="<end>", pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    )
    config = transformers.CLIPConfig(
        text_config={**SIZES, "max_position_embeddings": 20, "eos_token_id": 3, "pad_token_id": 0},
        vision_config={key: value for key, value in SIZES.items() if key != "vocab_size"}
        | {"image_size": 16, "patch_size": 8},
        projection_dim=24,
    )
    network = lively(transformers.CLIPModel(config))
    network.save_pretrained(folder)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    processor.save_pretrained(folder)
    images = [picture(seed) for seed in (1, 2)]
    with torch.no_grad():
        seen = network.get_image_features(**processor([image for image, _ in images], return_tensors="pt"))
        read = [network.get_text_features(**own(text, return_tensors="pt")) for text in TEXTS[:2]]
    of_images = unit(getattr(seen, "pooler_output", seen).numpy())
    of_texts = unit(np.stack([getattr(each, "pooler_output", each)[0].numpy() for each in read]))
    ask = serve(folder)
    mixed = [{"image": images[0][1]}, TEXTS[0], {"image": images[1][1]}, {"text": TEXTS[1]}]
    status, body = ask("embeddings", model="jina-clip-v1", input=mixed)
    assert status == 200
    assert close(vectors(body), [of_images[0], of_texts[0], of_images[1], of_texts[1]])
    # Tokens of a picture: one tile of 224 pixels, 1,000 tokens.
    assert body["usage"]["total_tokens"] == 2000 + sum(len(own(text)["input_ids"]) for text in TEXTS[:2])
    status, body = ask("embeddings", model="jina-clip-v1", input=["a", {"image": "aGVsbG8="}])
    assert (status, body["errors"][0]["field"]) == (422, "body -> input -> 1 -> image")
    status, body = ask("classify", model="jina-clip-v1", input=[{"image": images[0][1]}], labels=TEXTS[:2])
    assert status == 200


def test_a_model_that_needs_its_own_code_is_rejected_before_a_download() -> None:
    with pytest.raises(ModelNotFoundError, match=r"jina-embeddings-v4 is computed by code .* Serve it with vLLM"):
        Engine(model="jinaai/jina-embeddings-v4")


def test_code_that_comes_with_a_model_never_runs(tmp_path: Path) -> None:
    folder = tmp_path / "jina-clip-v1"
    xlmr_tokenizer(folder)
    (folder / "modeling.py").write_text("raise SystemExit('the code ran')")
    code = {"AutoConfig": "modeling.TinyConfig", "AutoModel": "modeling.Tiny"}
    (folder / "config.json").write_text(json.dumps({"model_type": "tiny_own", "auto_map": code}))
    with pytest.raises(
        ModelNotFoundError, match=r"modeling\.Tiny.* which jina-torch never runs. Serve it with Infinity"
    ):
        Engine(model=folder).load()


def test_the_server_names_its_model_and_stays_responsive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "jina-embeddings-v2-base-en"
    bert_tokenizer(folder)
    network = lively(transformers.BertModel(transformers.BertConfig(**SIZES, max_position_embeddings=50)))
    network.save_pretrained(folder)
    go = threading.Event()
    forward = transformers.BertModel.forward

    def wait_and_compute(*inputs: Any, **options: Any) -> Any:
        assert go.wait(30)
        return forward(*inputs, **options)

    app = App(Engine(model=folder))
    app.engine.load()
    monkeypatch.setattr(transformers.BertModel, "forward", wait_and_compute)
    with running(app=app) as url, ThreadPoolExecutor(1) as executor:
        root = url.removesuffix("/v1")
        response = executor.submit(requests.post, f"{url}/embeddings", json={"input": "a"}, timeout=60)
        assert requests.get(f"{root}/health", timeout=10).json() == {"status": "ok"}
        assert not response.done()
        go.set()
        answer = response.result(60)
        assert answer.status_code == 200
        assert "X-Jina-Stand-In" not in answer.headers
        assert [card["id"] for card in requests.get(f"{url}/models", timeout=10).json()["data"]] == [
            "jina-ai/jina-embeddings-v2-base-en"
        ]
        description = requests.get(f"{root}/openapi.json", timeout=10).json()
        assert "stand-in" not in description["info"]["description"]
        body = description["paths"]["/v1/embeddings"]["post"]["requestBody"]
        assert [each["title"] for each in body["content"]["application/json"]["schema"]["oneOf"]] == [
            "jina-embeddings-v2-base-en"
        ]
        assert requests.get(f"{root}/ready", timeout=10).status_code == 200


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_listwise_reranker_reads_documents_in_blocks(blocks: int, tmp_path: Path, serve: Serve) -> None:
    """Its own code, named by its configuration, is not needed."""
    folder = tmp_path / "jina-reranker-v3"
    own = decoder_tokenizer(folder)
    own.add_special_tokens({"additional_special_tokens": ["<|embed_token|>", "<|rerank_token|>"]})
    own.save_pretrained(folder)
    positions = 4096 if blocks == 1 else 790
    config = transformers.Qwen3Config(
        **{**SIZES, "vocab_size": 300}, num_key_value_heads=2, head_dim=8, max_position_embeddings=positions
    )
    network = lively(transformers.Qwen3Model(config))
    network.save_pretrained(folder)
    generator = torch.Generator().manual_seed(2)
    inner, outer = torch.randn(16, 32, generator=generator), torch.randn(24, 16, generator=generator)
    stored = {f"model.{name}": each for name, each in load_file(folder / "model.safetensors").items()}
    save_file({**stored, "projector.0.weight": inner, "projector.2.weight": outer}, folder / "model.safetensors")
    published = json.loads((folder / "config.json").read_text())
    published |= {"architectures": ["JinaForRanking"], "auto_map": {"AutoModel": "modeling.JinaForRanking"}}
    (folder / "config.json").write_text(json.dumps(published))
    query, documents = "a city", [*TEXTS, "the capital", "<|embed_token|>rivers<|embed_<|rerank_token|>token|>"]
    # In the smaller conversation there is room for 109 tokens: with what is around them the documents take 62, 36, 72,
    # 41 and 52.
    groups = [range(5)] if blocks == 1 else [range(2), range(2, 3), range(3, 5)]
    of_queries, of_documents, weights = [], [], []
    for group in groups:
        texts = [[*documents[:4], "rivers< |embed_token|>"][index] for index in group]
        ids = own(conversation(query, texts), return_tensors="pt", return_token_type_ids=False)["input_ids"]
        assert ids.shape[1] <= positions
        with torch.no_grad():
            states = network(ids).last_hidden_state[0]
            rows = (torch.relu(states @ inner.T) @ outer.T).numpy()
        marks = own.convert_tokens_to_ids(["<|embed_token|>", "<|rerank_token|>"])
        vectors_of = [rows[ids[0] == mark] for mark in marks]
        of_documents.append(unit(vectors_of[0]))
        of_queries.append(vectors_of[1][0])
        weights.append(((1 + of_documents[-1] @ unit(of_queries[-1])) / 2).max())
    expected = np.concatenate(of_documents) @ unit(np.average(of_queries, axis=0, weights=weights))
    status, body = serve(folder)("rerank", query=query, documents=documents, return_embeddings=True)
    assert status == 200
    results = sorted(body["results"], key=lambda each: each["index"])
    assert close([each["relevance_score"] for each in results], expected)
    assert close([each["embedding"] for each in results], np.concatenate(of_documents))


def conversation(query: str, documents: list[str]) -> str:
    """The prompt as it was published, but for the system's words."""
    passages = "\n".join(
        f'<passage id="{index}">\n{text}<|embed_token|>\n</passage>' for index, text in enumerate(documents)
    )
    return (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
        f"I will provide you with {len(documents)} passages, each indicated by a numerical identifier. "
        f"Rank the passages based on their relevance to query: {query}\n{passages}\n"
        f"<query>\n{query}<|rerank_token|>\n</query><|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
