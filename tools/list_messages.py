"""List the texts that users see, to read all of them in one go: ``uv run tools/list_messages.py [KIND …]``.

The kinds are ``error``, ``warning``, ``log``, ``help``, ``print``, ``progress``, and ``other`` for texts of three words
or more that reach a message through a variable or a function. Braces contain the expression whose value Python inserts.
Docstrings, regular expressions, SQL and the generated synchronous client are left out.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

KINDS = ("error", "warning", "log", "help", "print", "progress", "other")

LOG_METHODS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})

ERROR_FUNCTIONS = frozenset({"problem", "damaged", "not_found", "needs_own_code", "unsupported"})
"""Functions that make errors but whose names do not end with ``Error`` or ``_error``."""

NOT_FOR_USERS = frozenset({"compile", "execute", "executemany"})
"""Functions whose arguments are regular expressions or SQL."""

SQL = frozenset({"CREATE", "DELETE", "DROP", "INSERT", "PRAGMA", "SELECT", "UPDATE"})
"""First words of SQL statements."""

MINIMUM_WORDS = 3
"""Words of a text of the kind ``other``. Shorter strings are mostly keys and names."""


class Message(NamedTuple):
    """One text that users see.

    Attributes:
        path: the file, relative to the repository.
        line: the line where the text starts.
        kind: one of :data:`KINDS`.
        text: the text, with expressions in braces.
    """

    path: str
    line: int
    kind: str
    text: str


def sources() -> list[Path]:
    """Return the modules of all distributions, without the generated client."""
    folders = [ROOT / "shared" / "src", *sorted((ROOT / "packages").glob("*/src"))]
    return [path for folder in folders for path in sorted(folder.rglob("*.py")) if path.parent.name != "_sync"]


def messages_of(path: Path) -> Iterator[Message]:
    """Yield the messages of a module, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    collector = _Messages(path.resolve().relative_to(ROOT).as_posix())
    collector.visit(tree)
    yield from sorted(collector.messages, key=lambda message: message.line)


class _Messages(ast.NodeVisitor):
    """Collects the messages of a module."""

    def __init__(self, path: str) -> None:
        self.messages: list[Message] = []
        self._path = path
        self._kind = "other"

    def visit_Raise(self, node: ast.Raise) -> None:
        self._visit_as("error", node)

    def visit_Call(self, node: ast.Call) -> None:
        if _name_of(node.func) in NOT_FOR_USERS:
            return
        kind = _kind_of_call(node)
        if kind is None:
            self.generic_visit(node)
        else:
            self._visit_as(kind, node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg in ("help", "description", "epilog", "metavar"):
            self._visit_as("help", node)
        elif node.arg in ("desc", "postfix", "bar_format"):
            self._visit_as("progress", node)
        else:
            self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        # A string as a statement is a docstring.
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # Annotations contain the strings of Literal types, and the value of a TypeAlias is an annotation.
        if node.value is not None and ast.unparse(node.annotation) != "TypeAlias":
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """Skip the annotation of a parameter."""

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not self._add(node):
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if not self._add(node):
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._add(node)

    def _visit_as(self, kind: str, node: ast.AST) -> None:
        outer, self._kind = self._kind, kind
        self.generic_visit(node)
        self._kind = outer

    def _add(self, node: ast.expr) -> bool:
        text = _text_of(node)
        if text is None:
            return False
        words = text.split()
        least = MINIMUM_WORDS if self._kind == "other" else 2
        if len(words) >= least and words[0] not in SQL:
            self.messages.append(Message(self._path, node.lineno, self._kind, text))
            return True
        return isinstance(node, ast.Constant)


def _name_of(function: ast.expr) -> str:
    """Return the last part of a function's name."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _kind_of_call(node: ast.Call) -> str | None:
    name = _name_of(node.func)
    if name.endswith(("Error", "_error")) or name in ERROR_FUNCTIONS:
        return "error"
    if name == "warn":
        return "warning"
    if name in LOG_METHODS and isinstance(node.func, ast.Attribute) and "log" in ast.unparse(node.func.value).lower():
        return "log"
    if name in ("print", "set_postfix_str", "set_description"):
        return "print" if name == "print" else "progress"
    return "help" if name in ("add_argument", "ArgumentParser", "add_parser") else None


def _text_of(node: ast.expr) -> str | None:
    """Return the text of an expression that makes a string, or ``None`` for another expression."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else ast.unparse(part) for part in node.values)
        return "".join(map(_unquoted, map(str, parts)))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _text_of(node.left), _text_of(node.right)
        if left is None and right is None:
            return None
        return (left if left is not None else f"{{{ast.unparse(node.left)}}}") + (
            right if right is not None else f"{{{ast.unparse(node.right)}}}"
        )
    return None


def _unquoted(part: str) -> str:
    """Return an unparsed f-string without its prefix and quotes."""
    for quote in ("'", '"'):
        if part.startswith(f"f{quote}{{") and part.endswith(f"}}{quote}"):
            return part[2:-1]
    return part


def main() -> None:
    """Print the messages of the kinds that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)}; by default all")
    kinds = parser.parse_args().kinds or KINDS
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        parser.error(f"unknown kind {unknown[0]!r}; the kinds are {', '.join(KINDS)}")
    for path in sources():
        for message in messages_of(path):
            if message.kind in kinds:
                sys.stdout.write(f"{message.path}:{message.line}: {message.kind}: {' '.join(message.text.split())}\n")


if __name__ == "__main__":
    main()
