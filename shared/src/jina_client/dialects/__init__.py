"""Translations between Jina's protocol and those of other services.

The rest of the client knows Jina's protocol only. A dialect translates a :class:`~jina_client.protocol.Call` into the
request that its service expects, and the response back into Jina's form. It rejects options that the service does not
support before anything is sent.
"""

from .base import Dialect
from .openai_form import Infinity, TextEmbeddingsInference, Vllm
from .sagemaker import SageMaker

DIALECTS: dict[str, type[Dialect]] = {
    dialect.name: dialect for dialect in (Dialect, Vllm, Infinity, TextEmbeddingsInference, SageMaker)
}
"""Every dialect by its name."""

__all__ = ["DIALECTS", "Dialect"]
