"""Run token ids through a network, in batches that all requests share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jina_local.backend import SharedBatches, Vectors

# Padded tokens of a batch, and the multiple that lengths are padded to.
_BATCH_TOKENS = 4096
_PAD_TO = 8

Pool = Callable[[torch.Tensor, int], torch.Tensor]
"""Pools the rows of one sequence, ``(length, d)``, whose length is the second argument."""


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One input of the network.

    Attributes:
        ids: Token ids, special tokens included.
        task: Task whose adapter is active; "" for none.
        attended: Number of leading tokens that the others attend to; defaults to all.
        types: Token types, if the network has them.
    """

    ids: Sequence[int]
    task: str = ""
    attended: int | None = None
    types: Sequence[int] | None = None


class Network:
    """Runs sequences through a network. Thread-safe.

    Args:
        forward: Computes the network's output for ``input_ids``, ``attention_mask`` and optionally ``token_type_ids``,
            each of shape ``(n, length)``. The output has the shape ``(n, length, d)`` or ``(n, d)``.
        pad: Id of the padding token.
        longest: Longest sequence in tokens.
        activate: Called with a task before each of its batches.
    """

    def __init__(
        self,
        forward: Callable[..., torch.Tensor],
        pad: int,
        longest: int,
        activate: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._forward, self._pad, self._longest, self._activate = forward, pad, longest, activate
        self._batches: SharedBatches[tuple[str, int], tuple[int, TokenSequence, Pool], Vectors] = SharedBatches(
            self._run, lambda key: max(1, _BATCH_TOKENS // key[1])
        )

    def run(self, sequences: Iterable[TokenSequence], pool: Pool) -> list[Vectors]:
        """Run sequences, and pool the output of each.

        Args:
            sequences: The sequences.
            pool: Pools the rows of one sequence.

        Returns:
            float32 arrays, in order of the sequences.
        """
        work = [
            ((each.task, self._padded_length(len(each.ids))), (index, each, pool))
            for index, each in enumerate(sequences)
        ]
        results: dict[int, Vectors] = {}
        for (index, _, _), vectors in self._batches.results(work):
            results[index] = vectors
        return [results[index] for index in range(len(work))]

    def between_batches(self, compute: Callable[[], Vectors]) -> Vectors:
        """Compute something else while no batch runs."""
        return self._batches.run_alone(compute)

    def close(self) -> None:
        """Stop computing."""
        self._batches.close()

    def _padded_length(self, length: int) -> int:
        return max(length, min(-(-length // _PAD_TO) * _PAD_TO, self._longest))

    def _run(self, work: Sequence[tuple[int, TokenSequence, Pool]], key: tuple[str, int]) -> list[Vectors]:
        task, length = key
        self._activate(task)
        ids = torch.full((len(work), length), self._pad)
        mask = torch.zeros_like(ids)
        types = torch.zeros_like(ids)
        for row, (_, each, _) in enumerate(work):
            ids[row, : len(each.ids)] = torch.tensor(each.ids)
            mask[row, : len(each.ids) if each.attended is None else each.attended] = 1
            if each.types is not None:
                types[row, : len(each.ids)] = torch.tensor(each.types)
        type_input: dict[str, Any] = {} if work[0][1].types is None else {"token_type_ids": types}
        with torch.inference_mode():
            hidden = self._forward(input_ids=ids, attention_mask=mask, **type_input).float()
            return [
                np.ascontiguousarray(
                    pool(hidden[row, : len(each.ids)] if hidden.ndim == 3 else hidden[row], len(each.ids)).cpu().numpy()
                )
                for row, (_, each, pool) in enumerate(work)
            ]


def hidden_states(network: Any) -> Callable[..., torch.Tensor]:
    """Return a function that computes a transformers model's last hidden state, as :class:`Network` calls it."""

    def forward(**inputs: torch.Tensor) -> torch.Tensor:
        on_device = {name: each.to(network.device) for name, each in inputs.items()}
        states: torch.Tensor = network(**on_device).last_hidden_state
        return states

    return forward


def mean(rows: torch.Tensor, length: int) -> torch.Tensor:
    """Return the mean of the rows."""
    return rows.mean(dim=0)


def last_token(rows: torch.Tensor, length: int) -> torch.Tensor:
    """Return the last row."""
    return rows[length - 1]


def first_token(rows: torch.Tensor, length: int) -> torch.Tensor:
    """Return the first row, that of [CLS]."""
    return rows[0]


def all_rows(rows: torch.Tensor, length: int) -> torch.Tensor:
    """Return all rows."""
    return rows
