"""Rerankers that read the query and one document together and give a logit; the score is its sigmoid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jina_client.models import Model

from ..backend import Ranked
from ..limits import Charge
from ..reading.requests import RerankRequest
from .answering import DECIMALS, OpenModel, texts_of
from .network import Network, Tokens, whole
from .tokens import Tokenizer

_LEAST_FOR_DOCUMENT = 16


class CrossEncoder(OpenModel):
    """A pointwise reranker.

    Args:
        row: what can be asked of it; its context is that of query and document together.
        name: what the user called it.
        tokenizer: the model's.
        network: gives one logit for each pair.
    """

    def __init__(self, row: Model, name: str, tokenizer: Tokenizer, network: Network) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        pair = self.tokenizer.own("a", "a")
        self._specials = len(pair["input_ids"]) - 2 * len(self.tokenizer.content("a"))
        self._has_types = "token_type_ids" in pair

    def rank(self, asked: RerankRequest, charge: Charge) -> Ranked:
        """The probability that a document is relevant, for each."""
        query_text, *texts = texts_of([asked.query, *asked.documents], self)
        room = self.row.context + self.tokenizer.specials - self._specials
        query = self.tokenizer.content(query_text)
        if len(query) > room - _LEAST_FOR_DOCUMENT:
            query = query[: max(1, room // 2)]
        documents = self.within_documents([self.tokenizer.content(text) for text in texts], asked, room - len(query))
        tokens = len(query) + sum(len(ids) for ids in documents) + self.tokenizer.specials * (1 + len(documents))
        charge(tokens)
        logits = self._network.run([self._pair(query, ids) for ids in documents], whole)
        scores = torch.sigmoid(torch.tensor([float(logit[0]) for logit in logits], dtype=torch.float64))
        return Ranked(tokens=tokens, scores=[round(float(score), DECIMALS) for score in scores])

    def close(self) -> None:
        """Compute nothing more."""
        self._network.close()

    def _pair(self, query: Sequence[int], document: Sequence[int]) -> Tokens:
        head, tail = self.tokenizer.head, self.tokenizer.tail
        # BERT puts one separator between the two, RoBERTa two.
        between = tail * (self._specials - len(head) - len(tail))
        ids = [*head, *query, *between, *document, *tail]
        first = len(head) + len(query) + len(between)
        types = [0] * first + [1] * (len(ids) - first) if self._has_types else None
        return Tokens(ids, types=types)
