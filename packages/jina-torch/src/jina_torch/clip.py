"""CLIP: embed texts and images in one space, with two networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jina_client.integration import Model
from jina_local.backend import (
    Charge,
    EmbeddingBody,
    EmbeddingOutput,
    InputItem,
    Vectors,
    read_pictures,
    truncate_vectors,
)

from .model_folder import ModelFolder
from .model_tokenizer import ModelTokenizer
from .network import Network, TokenSequence, all_rows
from .open_model import OpenModel, narrow_row
from .pretrained import from_folder

# Images that are preprocessed together, to limit the memory.
_BATCH_IMAGES = 8


class ClipEmbedder(OpenModel):
    """A model of transformers' CLIP classes.

    Args:
        row: The catalog's row, narrowed to the loaded weights.
        name: Folder or hub id as the user wrote it.
        tokenizer: The model's tokenizer.
        text_network: Computes the vectors of texts.
        embed_images: Computes the vectors of images, ``(n, d)``.
        allow_fetch: Whether images may be fetched from public addresses.
    """

    def __init__(
        self,
        row: Model,
        name: str,
        tokenizer: ModelTokenizer,
        text_network: Network,
        embed_images: Callable[[Sequence[Any]], Vectors],
        allow_fetch: bool,
    ) -> None:
        super().__init__(row, name, tokenizer)
        self._text_network = text_network
        self._embed_images = embed_images
        self._allow_fetch = allow_fetch

    def embed(self, body: EmbeddingBody, charge: Charge) -> EmbeddingOutput:
        """Embed texts and images."""
        tokens, vectors = self._vectors(body.inputs, self.task_or_default(body.task), body.truncate, charge)
        return EmbeddingOutput(
            tokens=tokens, vectors=truncate_vectors(vectors, body.dimensions, normalized=body.normalized)
        )

    def unit_vectors(self, model: Model, items: Sequence[InputItem], charge: Charge) -> tuple[int, Vectors]:
        """Embed inputs for classification."""
        tokens, vectors = self._vectors(items, self.classification_task(), False, charge)
        return tokens, truncate_vectors(vectors, None)

    def close(self) -> None:
        """Stop computing."""
        self._text_network.close()

    def _vectors(
        self, items: Sequence[InputItem], task: str | None, truncate: bool | None, charge: Charge
    ) -> tuple[int, Vectors]:
        """Embed texts and images with their own network, and merge the vectors in order of the items."""
        pictures = read_pictures(items, self.row, allow_fetch=self._allow_fetch)
        prefix = self.prefix(task)
        contents = [self.tokenizer.content(prefix + each) for each in pictures.texts]
        sequences = [
            TokenSequence(self.tokenizer.add_special_tokens(ids)) for ids in self.truncate_inputs(contents, truncate)
        ]
        tokens = sum(len(each.ids) for each in sequences) + pictures.tokens
        charge(tokens)
        text_vectors = iter(self._text_network.run(sequences, all_rows))
        image_vectors = iter(self._image_vectors(pictures.images))
        rows = [next(image_vectors if is_image else text_vectors) for is_image in pictures.order]
        return tokens, np.stack(rows)

    def _image_vectors(self, images: Sequence[Any]) -> list[Vectors]:
        vectors: list[Vectors] = []
        for start in range(0, len(images), _BATCH_IMAGES):
            batch = images[start : start + _BATCH_IMAGES]
            vectors.extend(self._text_network.between_batches(partial(self._embed_images, batch)))
        return vectors


def load_clip(row: Model, folder: ModelFolder, allow_fetch: bool) -> ClipEmbedder:
    """Load a model of transformers' CLIP classes.

    Args:
        row: The catalog's row.
        folder: Folder of the model.
        allow_fetch: Whether images may be fetched from public addresses.
    """
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    network = from_folder(CLIPModel, folder)
    tokenizer = ModelTokenizer(AutoTokenizer.from_pretrained(folder.path, trust_remote_code=False))
    processor_class: Any = AutoImageProcessor
    processor = processor_class.from_pretrained(folder.path, trust_remote_code=False)
    longest = network.config.text_config.max_position_embeddings

    def embed_texts(**inputs: torch.Tensor) -> torch.Tensor:
        return _features(network.get_text_features(**inputs))

    def embed_images(images: Sequence[Any]) -> Vectors:
        with torch.inference_mode():
            pixels = processor(images=list(images), return_tensors="pt")["pixel_values"]
            vectors: Vectors = _features(network.get_image_features(pixels)).float().cpu().numpy()
        return vectors

    served_row = narrow_row(row, dimensions=network.config.projection_dim, context=longest - tokenizer.specials)
    text_network = Network(embed_texts, tokenizer.pad, longest)
    return ClipEmbedder(served_row, folder.name, tokenizer, text_network, embed_images, allow_fetch)


def _features(output: Any) -> torch.Tensor:
    """Return the projected features, which newer versions of transformers wrap in an output object."""
    features: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return features
