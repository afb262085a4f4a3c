"""The names that framework integrations and companion packages may import besides those of ``jina_client`` itself.

Everything else in this package is internal and may change in any release. A test reads the imports of every package in
this repository and fails if one of them reaches past these names.
"""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .._async.agent_tools import AsyncWebTools
    from .._async.components import AsyncEmbedder, AsyncMultiVectorEmbedder, AsyncReranker
    from .._sync.agent_tools import WebTools
    from .._sync.components import Embedder, MultiVectorEmbedder, Reranker
    from ..addresses import DEFAULT_BASE_URL, resolve_base_url, resolve_roots
    from ..arguments import known_arguments, unknown_argument, warns_of_default_model
    from ..callers import frames_to_caller
    from ..checks import check_choice, check_number, check_whole, kind_of_value
    from ..component_checks import (
        check_classifier,
        check_connection,
        check_embedder,
        check_multi_vector_embedder,
        check_reranker,
    )
    from ..components.agent_tools import (
        DEFAULT_RESULTS,
        DOCUMENTS_TOOL,
        MAX_OUTPUT_TOKENS,
        READ_TOOL,
        SEARCH_TOOL,
        Passage,
        ToolResult,
        check_output_tokens,
        check_search,
        failed_call,
        invalid_query,
        passages_text,
        shortened,
    )
    from ..components.connection import Connection, check_client
    from ..conflicts import warn_of_conflicts
    from ..default_models import warn_of_default_model
    from ..estimates import image_tokens
    from ..images import in_image_thread, room_for_pixels
    from ..inputs import as_list, as_text, text_tokens
    from ..limiter import Limiter, RateLimiter, Slot
    from ..media import LARGEST, PDFIUM, Media, kind_of_string
    from ..models import (
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
    from ..options import OnError
    from ..overrides import follows, replaces
    from ..progress import Progress, progress_of_part
    from ..protocol.batch import MAX_INLINE
    from ..protocol.classification import MAX_EXAMPLES, MAX_GROUP_LABELS, MAX_GROUPS, MAX_LABELS
    from ..protocol.segmentation import LONGEST_TEXT, TOKENIZERS
    from ..quantization.arrays import as_vectors
    from ..settings import KEY_VARIABLES, LIMITS
    from ._fields import EmbeddingFields
    from ._options import (
        CONNECTION_OPTIONS,
        ConnectionAttributes,
        ConnectionOptions,
        EmbeddingOptions,
        RequestOptions,
        RoleOptions,
    )
    from .pydantic_models import ConnectedModel, input_error_from_pydantic
    from .tool_arguments import DocumentSearchArguments, ReadPageArguments, WebSearchArguments

__all__ = [
    "BATCH_TASKS",
    "CONNECTION_OPTIONS",
    "DEFAULT_BASE_URL",
    "DEFAULT_RESULTS",
    "DOCUMENTS_TOOL",
    "EMBEDDING_TYPES",
    "KEY_VARIABLES",
    "LARGEST",
    "LIMITS",
    "LONGEST_TEXT",
    "MAX_EXAMPLES",
    "MAX_GROUPS",
    "MAX_GROUP_LABELS",
    "MAX_INLINE",
    "MAX_LABELS",
    "MAX_OUTPUT_TOKENS",
    "MODELS",
    "PDFIUM",
    "READ_TOOL",
    "SEARCH_TOOL",
    "TOKENIZERS",
    "AsyncEmbedder",
    "AsyncMultiVectorEmbedder",
    "AsyncReranker",
    "AsyncWebTools",
    "ConnectedModel",
    "Connection",
    "ConnectionAttributes",
    "ConnectionOptions",
    "DocumentSearchArguments",
    "Embedder",
    "EmbeddingFields",
    "EmbeddingOptions",
    "EmbeddingType",
    "Endpoint",
    "Limiter",
    "Media",
    "Modality",
    "Model",
    "MultiVectorEmbedder",
    "OnError",
    "Passage",
    "Progress",
    "RateLimiter",
    "ReadPageArguments",
    "RequestOptions",
    "Reranker",
    "Role",
    "RoleOptions",
    "Slot",
    "ToolResult",
    "WebSearchArguments",
    "WebTools",
    "as_list",
    "as_text",
    "as_vectors",
    "canonical_id",
    "check_choice",
    "check_classifier",
    "check_client",
    "check_connection",
    "check_embedder",
    "check_multi_vector_embedder",
    "check_number",
    "check_output_tokens",
    "check_reranker",
    "check_search",
    "check_whole",
    "failed_call",
    "find_model",
    "follows",
    "frames_to_caller",
    "image_tokens",
    "in_image_thread",
    "input_error_from_pydantic",
    "invalid_query",
    "kind_of_string",
    "kind_of_value",
    "known_arguments",
    "load_on_use",
    "models_for",
    "passages_text",
    "progress_of_part",
    "replaces",
    "resolve_base_url",
    "resolve_roots",
    "room_for_pixels",
    "shortened",
    "takes_images",
    "text_tokens",
    "unknown_argument",
    "warn_of_conflicts",
    "warn_of_default_model",
    "warns_of_default_model",
]

load_on_use(
    __name__,
    {
        ".._async.agent_tools": "AsyncWebTools",
        ".._async.components": "AsyncEmbedder AsyncMultiVectorEmbedder AsyncReranker",
        ".._sync.agent_tools": "WebTools",
        ".._sync.components": "Embedder MultiVectorEmbedder Reranker",
        "..addresses": "DEFAULT_BASE_URL resolve_base_url resolve_roots",
        "..arguments": "known_arguments unknown_argument warns_of_default_model",
        "..callers": "frames_to_caller",
        "..checks": "check_choice check_number check_whole kind_of_value",
        "..component_checks": "check_classifier check_connection check_embedder check_multi_vector_embedder "
        "check_reranker",
        "..components.agent_tools": "DEFAULT_RESULTS DOCUMENTS_TOOL MAX_OUTPUT_TOKENS READ_TOOL SEARCH_TOOL Passage "
        "ToolResult check_output_tokens check_search failed_call invalid_query "
        "passages_text shortened",
        "..components.connection": "Connection check_client",
        "..conflicts": "warn_of_conflicts",
        "..default_models": "warn_of_default_model",
        "..estimates": "image_tokens",
        "..images": "in_image_thread room_for_pixels",
        "..inputs": "as_list as_text text_tokens",
        "..limiter": "Limiter RateLimiter Slot",
        "..media": "LARGEST PDFIUM Media kind_of_string",
        "..models": "BATCH_TASKS EMBEDDING_TYPES MODELS EmbeddingType Endpoint Modality Model Role canonical_id "
        "find_model models_for takes_images",
        "..options": "OnError",
        "..overrides": "follows replaces",
        "..progress": "Progress progress_of_part",
        "..protocol.batch": "MAX_INLINE",
        "..protocol.classification": "MAX_EXAMPLES MAX_GROUP_LABELS MAX_GROUPS MAX_LABELS",
        "..protocol.segmentation": "LONGEST_TEXT TOKENIZERS",
        "..quantization.arrays": "as_vectors",
        "..settings": "KEY_VARIABLES LIMITS",
        "._options": "CONNECTION_OPTIONS ConnectionAttributes ConnectionOptions EmbeddingOptions RequestOptions "
        "RoleOptions",
        "._fields": "EmbeddingFields",
        ".pydantic_models": "ConnectedModel input_error_from_pydantic",
        ".tool_arguments": "DocumentSearchArguments ReadPageArguments WebSearchArguments",
    },
)
