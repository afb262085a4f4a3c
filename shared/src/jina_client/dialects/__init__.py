"""Translations between Jina's protocol and those of other services.

The rest of the client knows Jina's protocol only. A dialect translates a :class:`~jina_client.protocol.Call` into the
request that its service expects, and the response back into Jina's form. Everything that is known of a service stands
in its one module, as facts in the attributes of :class:`Dialect` and as small functions. A dialect rejects what the
service does not support before anything is sent.
"""

from .base import Dialect
from .infinity import Infinity
from .on_prem import OnPrem
from .sagemaker import SageMaker
from .tei import TextEmbeddingsInference
from .vllm import Vllm

DIALECTS: dict[str, type[Dialect]] = {
    dialect.name: dialect for dialect in (Dialect, OnPrem, Vllm, Infinity, TextEmbeddingsInference, SageMaker)
}
"""Every dialect by its name."""

__all__ = ["DIALECTS", "Dialect"]
