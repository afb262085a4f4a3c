"""CLIP: texts and images in one space, by two networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jina_client.models import Model

from ..backend import Embedded, Vectors, cut
from ..limits import Charge
from ..media.reader import read_pictures
from ..reading.items import Item
from ..reading.requests import EmbeddingRequest
from .answering import OpenModel, narrowed
from .files import ModelFolder
from .network import Network, Tokens, whole
from .pretrained import from_folder
from .tokens import Tokenizer

# Pictures that are in memory at once, prepared.
_PICTURES = 8


class Clip(OpenModel):
    """A model of transformers' CLIP classes.

    Args:
        row: what can be asked of it.
        name: what the user called it.
        tokenizer: the model's.
        network: gives texts' vectors.
        look: gives pictures' vectors, ``(n, d)``.
        allow_fetch: whether pictures may be fetched from public addresses.
    """

    def __init__(
        self,
        row: Model,
        name: str,
        tokenizer: Tokenizer,
        network: Network,
        look: Callable[[Sequence[Any]], Vectors],
        allow_fetch: bool,
    ) -> None:
        super().__init__(row, name, tokenizer)
        self._network = network
        self._look = look
        self._allow_fetch = allow_fetch

    def embed(self, asked: EmbeddingRequest, charge: Charge) -> Embedded:
        """The vectors of texts and images."""
        tokens, vectors = self._vectors(asked.inputs, self.task_of(asked.task), asked.truncate, charge)
        return Embedded(tokens=tokens, vectors=cut(vectors, asked.dimensions, normalized=asked.normalized))

    def unit_vectors(self, model: Model, items: Sequence[Item], charge: Charge) -> tuple[int, Vectors]:
        """The vectors that inputs are classified by."""
        tokens, vectors = self._vectors(items, self.task_of_classes(), False, charge)
        return tokens, cut(vectors, None)

    def close(self) -> None:
        """Compute nothing more."""
        self._network.close()

    def _vectors(
        self, items: Sequence[Item], task: str | None, truncate: bool | None, charge: Charge
    ) -> tuple[int, Vectors]:
        """Texts and pictures apart, for one network reads either, and then in the order of the items."""
        pictures = read_pictures(items, self.row, allow_fetch=self._allow_fetch)
        prefix = self.prefix(task)
        contents = [self.tokenizer.content(prefix + each) for each in pictures.texts]
        sequences = [Tokens(self.tokenizer.framed(ids)) for ids in self.within_context(contents, truncate)]
        tokens = sum(len(each.ids) for each in sequences) + pictures.tokens
        charge(tokens)
        of_texts = iter(self._network.run(sequences, whole))
        of_pictures = iter(self._looked_at(pictures.images))
        rows = [next(of_pictures if is_image else of_texts) for is_image in pictures.order]
        return tokens, np.stack(rows)

    def _looked_at(self, images: Sequence[Any]) -> list[Vectors]:
        found: list[Vectors] = []
        for start in range(0, len(images), _PICTURES):
            some = images[start : start + _PICTURES]
            found.extend(self._network.between_batches(partial(self._look, some)))
        return found


def load_clip(row: Model, folder: ModelFolder, allow_fetch: bool) -> Clip:
    """Load a folder of transformers' CLIP classes."""
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    network = from_folder(CLIPModel, folder)
    tokenizer = Tokenizer(AutoTokenizer.from_pretrained(folder.path))
    images: Any = AutoImageProcessor
    processor = images.from_pretrained(folder.path)
    longest = network.config.text_config.max_position_embeddings

    def read(**inputs: torch.Tensor) -> torch.Tensor:
        return _features(network.get_text_features(**inputs))

    def look(images: Sequence[Any]) -> Vectors:
        with torch.inference_mode():
            prepared = processor(images=list(images), return_tensors="pt")
            found: Vectors = _features(network.get_image_features(prepared["pixel_values"])).float().cpu().numpy()
        return found

    fitted = narrowed(row, dimensions=network.config.projection_dim, context=longest - tokenizer.specials)
    return Clip(fitted, folder.name, tokenizer, Network(read, tokenizer.pad, longest), look, allow_fetch)


def _features(output: Any) -> torch.Tensor:
    """The projected features, which newer versions wrap."""
    found: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return found
