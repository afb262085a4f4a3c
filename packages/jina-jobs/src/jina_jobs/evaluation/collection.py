"""A collection in the layout of BEIR: ``corpus.jsonl``, ``queries.jsonl``, and ``qrels/SPLIT.tsv`` with judgments."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import JobError
from ..inputs.files import InputFile
from ..inputs.tables import rows_of

_ENDINGS = ("", ".gz", ".zst", ".xz", ".bz2")


@dataclass(frozen=True)
class Collection:
    """Documents, queries and judgments.

    Attributes:
        document_ids, documents: the corpus; a title stands before its text.
        query_ids, queries: the queries; with judgments only those that have one.
        judgments: for each query the grade of each judged document, by its index; empty without judgments.
    """

    document_ids: list[str]
    documents: list[str]
    query_ids: list[str]
    queries: list[str]
    judgments: list[dict[int, float]]


def read_collection(folder: Path, split: str = "test", limit: int | None = None) -> Collection:
    """Read a collection.

    Args:
        folder: with ``corpus.jsonl`` and ``queries.jsonl``, also compressed.
        split: the name of the file with judgments in ``qrels``.
        limit: the most queries.

    Raises:
        JobError: a missing file, a broken line, an id that repeats, or one that no document or query has.
    """
    documents = _texts(_find(folder, "corpus"), title=True)
    queries = _texts(_find(folder, "queries"), title=False)
    if not documents or not queries:
        raise JobError(f"{folder} has {len(documents)} documents and {len(queries)} queries: both are needed")
    graded = _judgments(folder, split, documents.keys(), queries.keys())
    positions = {name: index for index, name in enumerate(documents)}
    chosen = [name for name in queries if graded is None or graded.get(name)][:limit]
    if not chosen:
        raise JobError(f"{folder / 'qrels' / split}.tsv judges no document relevant to any query")
    judgments = (
        []
        if graded is None
        else [{positions[document]: grade for document, grade in graded[name].items()} for name in chosen]
    )
    return Collection(list(documents), list(documents.values()), chosen, [queries[name] for name in chosen], judgments)


def _find(folder: Path, name: str) -> InputFile:
    for ending in _ENDINGS:
        path = folder / f"{name}.jsonl{ending}"
        if path.is_file():
            return InputFile(path, "jsonl", path.stat().st_size)
    raise JobError(f"{folder} has no {name}.jsonl. The layout is corpus.jsonl, queries.jsonl and qrels/test.tsv")


def _texts(file: InputFile, *, title: bool) -> dict[str, str]:
    texts: dict[str, str] = {}
    for values, error, line in rows_of(file, (), lambda size: None):
        text = _text(values, title) if values else ""
        if error or values is None or "_id" not in values or not text:
            reason = error or "it needs _id and a text that is not empty"
            raise JobError(f"{file.path}:{line}: {reason}")
        if (name := str(values["_id"])) in texts:
            raise JobError(f"{file.path}:{line}: an earlier line has the _id {name!r} too: give each text its own")
        texts[name] = text
    return texts


def _text(values: dict[str, Any], title: bool) -> str:
    parts = [values.get("title"), values.get("text")] if title else [values.get("text")]
    return " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())


def _judgments(folder: Path, split: str, documents: Any, queries: Any) -> dict[str, dict[str, float]] | None:
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        if (folder / "qrels").is_dir():
            splits = ", ".join(sorted(each.stem for each in (folder / "qrels").glob("*.tsv"))) or "none"
            raise JobError(f"{path} does not exist. The splits of the collection are: {splits}")
        return None
    graded: dict[str, dict[str, float]] = {}
    with path.open(newline="", encoding="utf-8") as stream:
        for line, fields in enumerate(csv.reader(stream, delimiter="\t"), 1):
            if not fields or (line == 1 and fields[-1] == "score"):
                continue
            try:
                query, document, grade = fields[0], fields[-2], float(fields[-1])
            except (ValueError, IndexError):
                raise JobError(
                    f"{path}:{line}: a line has a query id, a document id and a grade, got {fields}"
                ) from None
            if query not in queries or document not in documents:
                kind, name = ("query", query) if query not in queries else ("document", document)
                raise JobError(f"{path}:{line}: there is no {kind} {name!r}")
            if grade > 0:
                graded.setdefault(query, {})[document] = grade
    return graded
