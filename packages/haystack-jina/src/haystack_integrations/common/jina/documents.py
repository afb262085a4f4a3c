"""Turn Documents into inputs, and results into copies of the Documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

from haystack import Document, logging
from jina_client import Embeddings, JinaArgumentError, JinaError, JinaInputError, MultiVectors, RerankResult
from jina_client.integration import OnError, as_text, kind_of_value

logger = logging.getLogger(__name__)

_SHOWN = 3
_FIELDS = [each.name for each in fields(Document)]


class DocumentInputs:
    """The inputs for a list of Documents.

    :param owner: The component, which errors name.
    :param documents: The Documents, which are not changed.
    :param make: Makes the input of one Document, or raises a JinaInputError.
    :param raise_on_failure: Whether a Document that cannot be embedded raises an error. Otherwise it is returned
        without an embedding.
    :param optional: Whether the component has the argument `raise_on_failure`, which the error then mentions.
    :raises JinaInputError: The input is not a list of Documents (also a TypeError), or an input cannot be made.
    """

    def __init__(
        self,
        owner: object,
        documents: list[Document],
        make: Callable[[Document], Any],
        *,
        raise_on_failure: bool,
        optional: bool = True,
    ) -> None:
        if not isinstance(documents, list) or not all(isinstance(document, Document) for document in documents):
            raise _no_documents(owner, documents)
        self._documents = documents
        self._places: list[int] = []
        self._failed: dict[int, JinaError] = {}
        self.inputs: list[Any] = []
        self.on_error: OnError = "raise" if raise_on_failure else "return"
        for place, document in enumerate(documents):
            try:
                item = make(document)
            except JinaInputError as error:
                if raise_on_failure and optional:
                    raise JinaInputError(
                        f"{error}; with raise_on_failure=False such Documents come back without an embedding"
                    ) from None
                if raise_on_failure:
                    raise
                self._failed[place] = error
                continue
            self.inputs.append(item)
            self._places.append(place)

    @property
    def sent(self) -> list[Document]:
        """The Documents that have an input, in the order of the inputs."""
        return [self._documents[place] for place in self._places]

    def output(self, result: Embeddings | MultiVectors, place: Callable[[Document, Any], Document]) -> dict[str, Any]:
        """Return the output of a component.

        :param result: The results of the inputs.
        :param place: Returns a copy of a Document with a vector, or with `None` if the Document failed.
        :returns: `documents`, and `meta`: the model, the usage and, if some Documents failed, `failed`: the reasons by
            their id.
        """
        indices: Sequence[int] = range(len(result)) if result.input_indices is None else list(result.input_indices)
        rows = {self._places[index]: row for index, row in zip(indices, result.tolist(), strict=True)}
        failed = {**self._failed, **{self._places[index]: error for index, error in result.failed.items()}}
        meta = meta_of(result)
        if failed:
            meta["failed"] = {self._documents[place].id: str(failed[place]) for place in sorted(failed)}
            self._log(meta["failed"])
        documents = [place(document, rows.get(number)) for number, document in enumerate(self._documents)]
        return {"documents": documents, "meta": meta}

    def _log(self, failed: dict[str, str]) -> None:
        reasons = "; ".join(
            reason if name in reason else f"{name}: {reason}" for name, reason in list(failed.items())[:_SHOWN]
        )
        logger.warning(
            "{failed} of {total} Documents have no embedding ({reasons}{more})",
            failed=len(failed),
            total=len(self._documents),
            reasons=reasons,
            more="; …" if len(failed) > _SHOWN else "",
        )


def _no_documents(owner: object, value: Any) -> JinaArgumentError:
    """Return the error for anything but a list of Documents. It starts like the error of `jina-haystack`."""
    expected = f"{type(owner).__name__} expects a list of Documents as input"
    if isinstance(value, list):
        place, wrong = next((place, each) for place, each in enumerate(value) if not isinstance(each, Document))
        return JinaArgumentError(f"{expected}, and item {place} is {kind_of_value(wrong)}")
    advice = "; pass [document]" if isinstance(value, Document) else ""
    if isinstance(value, str) and "Embedder" in type(owner).__name__:
        advice = "; JinaTextEmbedder embeds a string"
    return JinaArgumentError(f"{expected}, got {kind_of_value(value)}{advice}")


def meta_fields(names: list[str] | None) -> list[str]:
    """Return the names of meta fields to put before the content.

    :raises JinaInputError: The argument is a single string instead of a list (also a TypeError).
    """
    if names is not None and not isinstance(names, (list, tuple)):
        raise JinaArgumentError(f"meta_fields_to_embed must be a list of names, got {names!r}")
    return list(names or ())


def meta_of(result: Embeddings | MultiVectors | RerankResult) -> dict[str, Any]:
    """Return the `meta` of a component's output: the model and the tokens."""
    return {"model": result.model, "usage": result.usage.to_dict()}


def as_query(owner: object, text: str, prefix: str = "", suffix: str = "") -> str:
    """Return the text to send for a query. An error names the class of ``owner``.

    :raises JinaInputError: The input is not a string (also a TypeError).
    """
    if not isinstance(text, str):
        advice = "; for Documents use JinaDocumentEmbedder" if isinstance(text, list) else ""
        raise JinaArgumentError(
            f"{type(owner).__name__} expects a string as an input, got {kind_of_value(text)}{advice}"
        )
    return prefix + text + suffix


def with_embedding(document: Document, embedding: list[float] | None) -> Document:
    """Return a copy of a Document with its embedding, equal to the one that `dataclasses.replace` makes.

    That calls the constructor, which takes three times as long and would only check again the fields of a Document. The
    constructor of a subclass may do more, and that of a Document without an id makes the id.
    """
    if type(document) is not Document or not document.id:
        return replace(document, embedding=embedding)
    copied = Document.__new__(Document)
    vars(copied).update({name: getattr(document, name) for name in _FIELDS}, embedding=embedding)
    return copied


def text_of(
    document: Document, meta_fields: Sequence[str], separator: str, *, prefix: str = "", suffix: str = ""
) -> str:
    """Return the text of a Document, preceded by some of its meta fields.

    :param document: The Document.
    :param meta_fields: Names of meta fields; missing ones are left out.
    :param separator: The separator between the fields and the content.
    :param prefix: A string to put first.
    :param suffix: A string to put last.
    :raises JinaInputError: The Document has neither content nor any of the fields, or its text cannot be encoded in
        UTF-8.
    """
    fields = (document.meta.get(name) for name in meta_fields)
    parts = [str(value) for value in fields if value is not None]
    if document.content is None and not parts:
        raise JinaInputError(
            f"the Document with id {document.id} has no text: its content is None, and so is every meta field to embed"
        )
    text = prefix + separator.join([*parts, document.content or ""]) + suffix
    return as_text(text, f"the Document with id {document.id}")
