"""Tiny random models of the classes that Jina's open models have, saved as theirs are published."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

WORDS = """
berlin is the capital of germany a city with many people it has rivers and parks in summer . ,
query passage document represent for retrieving evidence documents retrieval candidate code snippet :
find most relevant given following
""".split()  # noqa: SIM905


def tokenizer(folder: Path, first: list[str], *, before: str, after: str, **roles: str) -> Any:
    """Return a tokenizer of whole words with a model's special tokens, saved in a folder."""
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys([*first, *WORDS]))}
    own = Tokenizer(models.WordLevel(vocabulary, unk_token=roles["unk_token"]))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    single = " ".join(part for part in (before, "$A", after) if part)
    # RoBERTa parts a pair with two separators, BERT with one.
    if after == "</s>":
        pair = "<s> $A </s> </s> $B </s>"
    else:
        pair = " ".join(part for part in (before, "$A", after, "$B:1", f"{after}:1") if part)
    specials = [(name, vocabulary[name]) for name in dict.fromkeys((before, after)) if name]
    if specials:
        own.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=specials)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if after == "[SEP]" else [])]
    fast_tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=own, model_input_names=names, **roles)
    if markers := [name for name in first if name.endswith("Marker]")]:
        fast_tokenizer.add_special_tokens({"additional_special_tokens": markers})
    fast_tokenizer.save_pretrained(folder)
    return fast_tokenizer


def xlmr_tokenizer(folder: Path, *more: str) -> Any:
    first = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *more]
    roles = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"}
    roles |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    return tokenizer(folder, first, before="<s>", after="</s>", **roles)


def bert_tokenizer(folder: Path) -> Any:
    first = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    roles = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    return tokenizer(folder, first, before="[CLS]", after="[SEP]", mask_token="[MASK]", **roles)


def decoder_tokenizer(folder: Path) -> Any:
    """Return a tokenizer with one token per byte, saved in a folder. transformers loads it as Qwen's tokenizer."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<unk>", "<end>", *alphabet])}
    own = Tokenizer(models.BPE(vocabulary, []))
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    own.post_processor = processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", 2)])
    fast_tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, pad_token="<pad>", unk_token="<unk>", eos_token="<end>"
    )
    fast_tokenizer.save_pretrained(folder)
    return fast_tokenizer


SIZES: dict[str, Any] = {
    "vocab_size": 80,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}


def v3_config(**more: Any) -> Any:
    return transformers.JinaEmbeddingsV3Config(**SIZES, max_position_embeddings=64, **more)


def lively(network: Any) -> Any:
    """Return a network with weights so large that its outputs differ."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                weight.copy_(torch.randn(weight.shape, generator=generator) * (0.5 if "embed" in name else 0.25))
    return network.eval()


TASKS = ("retrieval.query", "retrieval.passage", "separation", "classification", "text-matching")
TEXTS = ["berlin is the capital of germany", "a city", "it has many rivers , and parks in summer ."]


def close(actual: Any, expected: Any) -> bool:
    return np.allclose(np.array(actual), np.array(expected), atol=2e-5)


def vectors(body: Any) -> Any:
    return np.array([item["embedding"] for item in body["data"]])


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def published_config(**more: Any) -> dict[str, Any]:
    code = "jinaai/xlm-roberta-flash-implementation--"
    return {
        **SIZES,
        "architectures": ["XLMRobertaLoRA"],
        "auto_map": {
            "AutoConfig": f"{code}configuration_xlm_roberta.XLMRobertaFlashConfig",
            "AutoModel": f"{code}modeling_lora.XLMRobertaLoRA",
        },
        "model_type": "xlm-roberta",
        "position_embedding_type": "rotary",
        "rotary_emb_base": 20000.0,
        "max_position_embeddings": 64,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "hidden_act": "gelu",
        "pad_token_id": 1,
        "lora_adaptations": list(TASKS),
        **more,
    }
