"""Rerankers that read the query and one document together. The score is the sigmoid of their logit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jina_client.integration import Model
from jina_local.backend import Charge, RerankBody, RerankOutput

from .model_tokenizer import ModelTokenizer
from .network import Network, TokenSequence, all_rows
from .open_model import DECIMALS, OpenModel, texts_of

_MIN_DOCUMENT_TOKENS = 16


class CrossEncoder(OpenModel):
    """A pointwise reranker.

    Args:
        row: The catalog's row, narrowed to the loaded weights. Its context is that of query and document together.
        name: Folder or hub id as the user wrote it.
        tokenizer: The model's tokenizer.
        network: Computes one logit per pair.
    """

    def __init__(self, row: Model, name: str, tokenizer: ModelTokenizer, network: Network) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        pair = self.tokenizer.tokenizer("a", "a")
        self._specials = len(pair["input_ids"]) - 2 * len(self.tokenizer.content("a"))
        self._has_types = "token_type_ids" in pair

    def rerank(self, body: RerankBody, charge: Charge) -> RerankOutput:
        """Return the probability that each document is relevant."""
        query_text, *texts = texts_of([body.query, *body.documents], self)
        room = self.row.context + self.tokenizer.specials - self._specials
        query = self.tokenizer.content(query_text)
        if len(query) > room - _MIN_DOCUMENT_TOKENS:
            query = query[: max(1, room // 2)]
        contents = [self.tokenizer.content(text) for text in texts]
        documents = self.truncate_documents(contents, body, room - len(query))
        tokens = len(query) + sum(len(ids) for ids in documents) + self.tokenizer.specials * (1 + len(documents))
        charge(tokens)
        logits = self._network.run([self._pair(query, ids) for ids in documents], all_rows)
        scores = torch.sigmoid(torch.tensor([float(logit[0]) for logit in logits], dtype=torch.float64))
        return RerankOutput(tokens=tokens, scores=[round(float(score), DECIMALS) for score in scores])

    def close(self) -> None:
        """Stop computing."""
        self._network.close()

    def _pair(self, query: Sequence[int], document: Sequence[int]) -> TokenSequence:
        head, tail = self.tokenizer.head, self.tokenizer.tail
        # BERT puts one separator between query and document, RoBERTa two.
        separators = tail * (self._specials - len(head) - len(tail))
        ids = [*head, *query, *separators, *document, *tail]
        first = len(head) + len(query) + len(separators)
        types = [0] * first + [1] * (len(ids) - first) if self._has_types else None
        return TokenSequence(ids, types=types)
