"""Services that speak another protocol than Jina's: each a translation of calls and answers.

Everything else in the client knows Jina's protocol only. A dialect turns a :class:`~jina_client.protocol.Call` into
what its service takes, and the service's answer into what Jina's would have been; what cannot be said in a dialect is
refused before anything is sent.
"""

from .base import Dialect
from .openai_form import Infinity, TextEmbeddingsInference, Vllm
from .sagemaker import SageMaker

DIALECTS: dict[str, type[Dialect]] = {
    dialect.name: dialect for dialect in (Dialect, Vllm, Infinity, TextEmbeddingsInference, SageMaker)
}
"""Every dialect by its name."""

__all__ = ["DIALECTS", "Dialect"]
