"""A network that reads token ids, in batches that all requests share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..backend import Vectors
from ..batching import SharedBatches

# Padded tokens of one batch, and what lengths are rounded up to.
_BATCH_TOKENS = 4096
_PAD_TO = 8

Pool = Callable[[torch.Tensor, int], torch.Tensor]
"""From one sequence's rows, ``(length, d)``, and how many of them were attended to, what is kept of them."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the network reads.

    Attributes:
        ids: token ids, special ones included.
        task: whose adapter is used; "" for none.
        attended: how many of the first tokens the others attend to; by default all.
        types: token types, where the network has them.
    """

    ids: Sequence[int]
    task: str = ""
    attended: int | None = None
    types: Sequence[int] | None = None


class Network:
    """Runs sequences through a network. It may be used by several threads at once.

    Args:
        forward: the network's output for ``input_ids``, ``attention_mask`` and maybe ``token_type_ids``, each of shape
            ``(n, length)``: ``(n, length, d)``, or ``(n, d)``.
        pad: the id that sequences are filled up with.
        longest: the most tokens that it can read.
        use: called before a batch with its task.
    """

    def __init__(
        self,
        forward: Callable[..., torch.Tensor],
        pad: int,
        longest: int,
        use: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._forward, self._pad, self._longest, self._use = forward, pad, longest, use
        self._computing = threading.Lock()
        self._batches: SharedBatches[tuple[str, int], tuple[int, Tokens, Pool], Vectors] = SharedBatches(
            self._run, lambda key: max(1, _BATCH_TOKENS // key[1])
        )

    def run(self, sequences: Iterable[Tokens], pool: Pool) -> list[Vectors]:
        """What ``pool`` keeps of each sequence's output, float32."""
        work = [
            (
                (each.task, max(len(each.ids), min(-(-len(each.ids) // _PAD_TO) * _PAD_TO, self._longest))),
                (index, each, pool),
            )
            for index, each in enumerate(sequences)
        ]
        results: dict[int, Vectors] = {}
        for (index, _, _), found in self._batches.results(work):
            results[index] = found
        return [results[index] for index in range(len(work))]

    def between_batches(self, compute: Callable[[], Vectors]) -> Vectors:
        """Compute something else while no batch is run."""
        with self._computing:
            return compute()

    def close(self) -> None:
        """Compute nothing more."""
        self._batches.close()

    def _run(self, work: Sequence[tuple[int, Tokens, Pool]], key: tuple[str, int]) -> list[Vectors]:
        task, length = key
        self._use(task)
        ids = torch.full((len(work), length), self._pad)
        mask = torch.zeros_like(ids)
        types = torch.zeros_like(ids)
        for row, (_, each, _) in enumerate(work):
            ids[row, : len(each.ids)] = torch.tensor(each.ids)
            mask[row, : len(each.ids) if each.attended is None else each.attended] = 1
            if each.types is not None:
                types[row, : len(each.ids)] = torch.tensor(each.types)
        more: dict[str, Any] = {} if work[0][1].types is None else {"token_type_ids": types}
        with self._computing, torch.inference_mode():
            hidden = self._forward(input_ids=ids, attention_mask=mask, **more).float()
            return [
                np.ascontiguousarray(
                    pool(hidden[row, : len(each.ids)] if hidden.ndim == 3 else hidden[row], len(each.ids)).cpu().numpy()
                )
                for row, (_, each, pool) in enumerate(work)
            ]


def mean(rows: torch.Tensor, length: int) -> torch.Tensor:
    """The mean over a sequence's rows."""
    return rows.mean(dim=0)


def last_token(rows: torch.Tensor, length: int) -> torch.Tensor:
    """The last row."""
    return rows[length - 1]


def first_token(rows: torch.Tensor, length: int) -> torch.Tensor:
    """The first row, that of [CLS]."""
    return rows[0]


def whole(rows: torch.Tensor, length: int) -> torch.Tensor:
    """All that the network gives."""
    return rows
