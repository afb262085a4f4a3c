"""The names that companion packages and framework integrations may import besides ``jina_client.__all__``.

Everything else in this package is internal and may change in any release. A test reads the imports of every package
in this repository and fails if one of them reaches past this module.
"""

from .arguments import OnError, input_error_from_pydantic, known_arguments, unknown_argument
from .components import (
    CONNECTION_OPTIONS,
    Connection,
    ConnectionFields,
    ConnectionOptions,
    Embedder,
    EmbeddingFields,
    MultiVectorEmbedder,
    Reranker,
)
from .estimates import image_tokens
from .inputs import as_list, as_text
from .media import LARGEST, PDFIUM, Media
from .models import (
    BATCH_TASKS,
    EMBEDDING_TYPES,
    MODELS,
    EmbeddingType,
    Endpoint,
    Modality,
    Model,
    Role,
    canonical_id,
    find_model,
    models_for,
    takes_images,
)
from .protocol.batch import MAX_INLINE
from .protocol.classification import MAX_EXAMPLES, MAX_GROUP_LABELS, MAX_GROUPS, MAX_LABELS
from .protocol.options import whole
from .protocol.segmentation import LONGEST_TEXT, TOKENIZERS
from .quantization.arrays import as_vectors
from .settings import KEY_VARIABLES

__all__ = [
    "BATCH_TASKS",
    "CONNECTION_OPTIONS",
    "EMBEDDING_TYPES",
    "KEY_VARIABLES",
    "LARGEST",
    "LONGEST_TEXT",
    "MAX_EXAMPLES",
    "MAX_GROUPS",
    "MAX_GROUP_LABELS",
    "MAX_INLINE",
    "MAX_LABELS",
    "MODELS",
    "PDFIUM",
    "TOKENIZERS",
    "Connection",
    "ConnectionFields",
    "ConnectionOptions",
    "Embedder",
    "EmbeddingFields",
    "EmbeddingType",
    "Endpoint",
    "Media",
    "Modality",
    "Model",
    "MultiVectorEmbedder",
    "OnError",
    "Reranker",
    "Role",
    "as_list",
    "as_text",
    "as_vectors",
    "canonical_id",
    "find_model",
    "image_tokens",
    "input_error_from_pydantic",
    "known_arguments",
    "models_for",
    "takes_images",
    "unknown_argument",
    "whole",
]
