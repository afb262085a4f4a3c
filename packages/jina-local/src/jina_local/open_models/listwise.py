"""jina-reranker-v3: reads the query and many documents together, as one conversation with a language model.

Behind each document and behind the query stands a token whose last hidden state, projected, is its vector; the score is
the cosine. Documents that do not fit into one conversation are read in blocks. A block's vector of the query counts by
how well its best document fits, ``max((1 + score) / 2)``; all documents are then scored anew with the mean of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jina_client.models import Model

from ..backend import Ranked, Vectors
from ..errors import ModelNotFoundError, token_limit_exceeded
from ..lift import normalize
from ..limits import Charge
from ..reading.requests import RerankRequest
from .answering import DECIMALS, OpenModel, narrowed, texts_of
from .files import ModelFolder
from .flash_xlmr import Tensors
from .network import Network, Tokens
from .pretrained import complete
from .tokens import Tokenizer

QUERY_LENGTH = 512
BLOCK = 125
_DOCUMENT, _QUERY = "<|embed_token|>", "<|rerank_token|>"

# The words are part of the weights: they were trained with these.
SYSTEM = (
    "You are a search relevance expert who can determine a ranking of the passages based on how relevant they are to "
    "the query. If the query is a question, how relevant a passage is depends on how well it answers the question. If "
    "not, try to analyze the intent of the query and assess how well each passage satisfies the intent. If an "
    "instruction is provided, you should follow the instruction when determining the ranking."
)
_BEFORE = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
_TASK = (
    "I will provide you with {count} passages, each indicated by a numerical identifier. Rank the passages based on "
    "their relevance to query: {query}\n"
)
_AFTER = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


class Listwise(OpenModel):
    """A listwise reranker.

    Args:
        row: what can be asked of it.
        name: what the user called it.
        tokenizer: the model's.
        network: gives token vectors, projected.
    """

    def __init__(self, row: Model, name: str, tokenizer: Tokenizer, network: Network) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._marks = [tokenizer.own.convert_tokens_to_ids(mark) for mark in (_DOCUMENT, _QUERY)]

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The cosine of each document's vector and the query's."""
        query, *texts = (_plain(text) for text in texts_of([asked.query, *asked.documents], self))
        query = self.tokenizer.cut(query, QUERY_LENGTH)
        limit = min(self.row.context, asked.max_doc_length or self.row.context)
        documents = [self.tokenizer.cut(text, limit) for text in texts]
        lengths = [len(self.tokenizer.content(text)) for text in documents]
        blocks = list(self._blocks(query, lengths))
        prompts = [
            list(self.tokenizer.own(prompt(query, [documents[each] for each in block]))["input_ids"])
            for block in blocks
        ]
        if any(len(ids) > self.row.context for ids in prompts):
            raise token_limit_exceeded(self.row.context, "Use a smaller 'max_doc_length'.")
        tokens = len(self.tokenizer.content(query)) + sum(lengths)
        charge(tokens)
        found = [self._vectors(ids) for ids in prompts]
        of_documents = normalize(np.concatenate([rows[:-1] for rows in found]))
        weighted = np.zeros(of_documents.shape[1])
        for rows in found:
            unit = normalize(rows)
            weighted += rows[-1].astype(np.float64) * float(((1 + unit[:-1] @ unit[-1]) / 2).max())
        scores = of_documents @ normalize(weighted[np.newaxis].astype(np.float32))[0]
        return Ranked(
            tokens=tokens,
            scores=[round(float(score), DECIMALS) for score in scores],
            embeddings=of_documents if asked.return_embeddings else None,
        )

    def close(self) -> None:
        """Compute nothing more."""
        self._network.close()

    def _blocks(self, query: str, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Consecutive documents, as many as fit into one conversation."""
        empty = len(self.tokenizer.own(prompt(query, []))["input_ids"])
        block: list[int] = []
        size = empty
        for index, length in enumerate(lengths):
            more = length + len(self.tokenizer.own(_passage(index, ""))["input_ids"]) + 1
            if block and (size + more > self.row.context or len(block) == BLOCK):
                yield block
                block, size = [], empty
            block.append(index)
            size += more
        yield block

    def _vectors(self, ids: Sequence[int]) -> Vectors:
        """The vectors of a conversation's documents, and of its query in the last row."""
        at = [index for index, number in enumerate(ids) if number in self._marks]
        [rows] = self._network.run([Tokens(ids)], lambda states, _: states[at])
        return rows


def prompt(query: str, documents: Sequence[str]) -> str:
    """The conversation in which documents are compared."""
    passages = "".join(f"{_passage(index, text)}\n" for index, text in enumerate(documents))
    return (
        _BEFORE.format(system=SYSTEM)
        + _TASK.format(count=len(documents), query=query)
        + passages
        + f"<query>\n{query}{_QUERY}\n</query>"
        + _AFTER
    )


def load_listwise(row: Model, folder: ModelFolder, tensors: Tensors, tokenizer: Tokenizer) -> Listwise:
    """Load a model of transformers' Qwen3 class with a projector."""
    from transformers import Qwen3Config, Qwen3Model

    said = {name: value for name, value in folder.config.items() if name not in ("auto_map", "architectures")}
    body = {name.removeprefix("model."): each for name, each in tensors.items() if name.startswith("model.")}
    network: Any = complete(Qwen3Model, Qwen3Config(**said), body)
    inner, outer = (tensors[f"projector.{layer}.weight"].float() for layer in (0, 2))
    if None in (mark := [tokenizer.own.convert_tokens_to_ids(each) for each in (_DOCUMENT, _QUERY)]):
        raise ModelNotFoundError(f"the tokenizer of {folder.name} lacks {_DOCUMENT} or {_QUERY}: {mark}")

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = network(**inputs).last_hidden_state
        return torch.relu(states @ inner.T) @ outer.T

    longest = int(network.config.max_position_embeddings)
    fitted = narrowed(row, dimensions=0, context=longest)
    return Listwise(fitted, folder.name, tokenizer, Network(forward, tokenizer.pad, longest))


def is_listwise(row: Model, folder: ModelFolder, tensors: Tensors) -> bool:
    """Whether a folder holds the architecture of jina-reranker-v3."""
    names = ("projector.0.weight", "projector.2.weight")
    return (
        row.id == "jina-reranker-v3" and folder.config.get("model_type") == "qwen3" and all(n in tensors for n in names)
    )


def _passage(index: int, text: str) -> str:
    return f'<passage id="{index}">\n{text}{_DOCUMENT}\n</passage>'


def _plain(text: str) -> str:
    """A text without the words for the two tokens."""
    return text.replace(_DOCUMENT, "").replace(_QUERY, "")
