"""The base of the dialects: what a service offers as rows of facts, and Jina's own protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, TypeAlias

from ..errors import JinaInputError
from ..inputs import Item, kind_of
from ..json_body import json_pieces
from ..models import Model, find_model
from ..protocol import Call

DEFAULTS: Mapping[str, bool] = {"normalized": True, "truncate": False, "return_documents": False}
"""Values that other services use without being told. Dialects leave these fields out."""

ALL_KINDS: Set[str] = frozenset({"text", "image", "pdf", "video", "audio", "content"})
TEXT: Set[str] = frozenset({"text"})

ByEndpoint: TypeAlias = Mapping[str, Set[str]]
"""Names by the endpoint of Jina's protocol that they belong to."""

# What to do without an endpoint, a field or a kind of input.
_INSTEAD: Mapping[str, str] = {
    "classify": "compare the inputs' vectors with those of the labels, or call Jina's API",
    "train": "train a classifier on vectors, or call Jina's API",
    "classifiers": "call Jina's API for classifiers",
    "segment": "split texts with your framework, or call Jina's API",
    "batch": "embed_stream() takes any number of inputs",
    "models": "ask its operator for the model's name",
    "multi-vector": "leave endpoint= out",
    "late_chunking": "embed each chunk by itself, or call Jina's API",
    "return_multivector": "call Jina's API for multi-vectors",
    "input_type": "call Jina's API for multi-vectors",
    "max_doc_length": "shorten the documents",
    "pdf": "pass its pages as images",
    "image": "use a service that reads it, such as Jina's API",
    "video": "pass frames as images",
    "content": "embed the parts by themselves",
    "sparse": "call Jina's API for sparse vectors",
}


class Dialect:
    """Jina's own protocol, as ``api.jina.ai`` and the embedded engine speak it.

    Attributes:
        name: the value of ``dialect=``.
        title: the service's name in messages.
        root_ends_in_v1: whether the API's root usually ends in ``/v1``.
        fields: by endpoint, the fields of Jina's protocol that the service supports; ``None`` for all of them.
        kinds: by endpoint, the kinds of input that the service accepts; other endpoints accept all.
        packs_bits: whether the service returns binary vectors; otherwise the client makes them from floats.
        normalizes: whether the service scales every vector to length 1 unless told otherwise; if not, the client does.
        truncates_silently: whether the service truncates long texts without an error.
        one_kind: whether all inputs of a request must be of the same kind, such as text.
        sizes: the most inputs per request by their kind, if the service's default is below the client's. ``batch_size``
            takes precedence, because operators may raise it.
    """

    name: ClassVar[str] = "jina"
    title: ClassVar[str] = "Jina's API"
    root_ends_in_v1: ClassVar[bool] = True
    fields: ClassVar[ByEndpoint | None] = None
    kinds: ClassVar[ByEndpoint] = {}
    packs_bits: ClassVar[bool] = True
    normalizes: ClassVar[bool] = True
    truncates_silently: ClassVar[bool] = False
    one_kind: ClassVar[bool] = False
    sizes: ClassVar[Mapping[str, int]] = {}

    def encode(self, call: Call) -> Call:
        """Check a call, and translate it into the form that the service expects.

        Raises:
            JinaInputError: the service does not support the call or one of its fields.
        """
        if self.fields is None:
            return call
        endpoint = call.path.partition("/")[0]
        if endpoint not in self.fields:
            raise self._unsupported(endpoint, f"it offers {', '.join(self.fields)}", endpoint)
        if call.payload is None:
            return call
        row = find_model(call.payload["model"])
        if row is not None and "sparse" in row.fields:
            raise self._unsupported(row.id, "it has no sparse vectors", "sparse")
        for name, value in call.payload.items():
            if name not in self.fields[endpoint] and not (name in DEFAULTS and value is DEFAULTS[name]):
                raise self._unsupported(f"{name}={value!r}", f"leave {name} out", name)
        return self.translate(endpoint, call)

    def translate(self, endpoint: str, call: Call) -> Call:
        """Translate a call that the service supports.

        Args:
            endpoint: the first part of the call's path.
            call: a call with a payload, whose fields are in :attr:`fields`.

        Raises:
            JinaInputError: the service does not support a value, or two of them together.
        """
        return call

    def decode(self, call: Call, response: Any, headers: Mapping[str, str]) -> Any:
        """Translate the JSON of a response into the form of Jina's API.

        Args:
            call: the call, before its translation.
            response: the response's JSON.
            headers: the response's headers, by lower-case name.

        Raises:
            JinaResponseError: the response does not have the service's form.
        """
        return response

    @classmethod
    def made(cls, call: Call, response: Any, headers: Mapping[str, str]) -> bool:
        """Return whether a response comes from this service, and should not be read as one of Jina's API.

        Args:
            call: the call, as Jina's API takes it.
            response: the response's JSON.
            headers: the response's headers, by lower-case name.
        """
        return False

    @classmethod
    def made_error(cls, body: Any) -> bool:
        """Return whether the JSON of an error comes from this service."""
        return False

    def check_item(self, endpoint: str, item: Item, name: str, row: Model | None) -> None:
        """Raise if the service does not accept an input.

        Args:
            endpoint: the endpoint that it is for.
            item: the input.
            name: its name in messages, such as ``inputs[3]``.
            row: the model's row of the catalog.

        Raises:
            JinaInputError: an input of a kind that the service does not accept.
        """
        accepted, kind = self.kinds.get(endpoint, ALL_KINDS), kind_of(item)
        if kind not in accepted:
            kinds = ", ".join(sorted(accepted))
            advice = kind if "image" in accepted else "image"
            raise self._unsupported(f"{name} of kind {kind}", f"{endpoint} accepts {kinds} only", advice)

    def item(self, item: Any) -> Any:
        """Return the JSON value of an input that is not a text."""
        return item.wire()

    def dumps(self, payload: Any) -> bytes:
        """Serialize a call's payload to JSON. This reads files and encodes images.

        Raises:
            JinaInputError: a file no longer exists, or an image cannot be read.
        """
        return b"".join(json_pieces(payload, self.item))

    def _unsupported(self, what: str, allowed: str, key: str) -> JinaInputError:
        """Return the error for a call that the service does not support, with the alternative."""
        instead = _INSTEAD.get(key)
        advice = f"; {instead}" if instead else ""
        return JinaInputError(f"{self.title} (dialect {self.name!r}) does not support {what}: {allowed}{advice}")


def loses_options(call: Call) -> bool:
    """Return whether a call has options that only Jina's API knows, and that other services would have ignored."""
    payload = call.payload or {}
    return any(payload.get(name) not in (None, DEFAULTS.get(name)) for name in ("task", "late_chunking", "normalized"))


def without_defaults(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload without the fields whose value is the service's default."""
    return {name: value for name, value in payload.items() if name not in DEFAULTS or value is not DEFAULTS[name]}


def as_list(inputs: Any) -> Sequence[Any]:
    """Return the inputs of a call as a list; a PDF comes without one."""
    return inputs if isinstance(inputs, (list, tuple)) else [inputs]
