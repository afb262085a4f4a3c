"""The ``jina-jobs`` command."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from jina_client import JinaArgumentError, JinaError, JinaInputError

from .commands.doctor import doctor
from .commands.embed import embed
from .commands.estimate import estimate
from .commands.evaluate import evaluate_command
from .commands.models import models
from .commands.rerank import classify, rerank
from .errors import JobError, JobUsageError
from .version import __version__

OK, ERROR, USAGE, FAILED_ROWS, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="jina-jobs",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (embed, rerank, classify, estimate, models, doctor):
    app.command()(_command)
app.command("evaluate")(evaluate_command)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"jina-jobs {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Embed, rerank and classify files of any size with Jina AI's models.

    Exit codes: 0 all rows, 3 finished with failed rows, 1 error, 2 usage, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: command-line arguments; by default those of the process.

    Returns:
        The exit code: 0 all rows, 3 finished with failed rows, 1 error, 2 usage, 130 interrupted.
    """
    if arguments is not None:
        return _run(arguments)
    # A background job of a shell ignores SIGINT, and a supervisor sends SIGTERM. Both interrupt, as Ctrl-C does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    code = _run(None)
    # Such as OpenTelemetry's, which exports the last spans.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread may still wait for standard input, and Python would wait for it.
    os._exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    command: Any = typer.main.get_command(app)
    own = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            result = command.main(args=own, prog_name="jina-jobs", standalone_mode=False)
        # Typer turns Ctrl-C into this code.
        return _interrupted() if result == INTERRUPTED else result if isinstance(result, int) else OK
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except JobUsageError as error:
        return _fail(error, USAGE)
    except JobError as error:
        return _fail(error, ERROR)
    except (JinaArgumentError, JinaInputError) as error:
        return _fail(error, USAGE)
    except JinaError as error:
        return _fail(error, ERROR)
    except typer.Exit as end:
        return end.exit_code
    except OSError as error:
        return _fail(error, ERROR)
    except Exception as error:
        # An error of the command line itself, such as an unknown option.
        if hasattr(error, "format_message"):
            return _fail(f"{error.format_message()} (jina-jobs --help lists what is allowed)", USAGE)
        raise


def _interrupted() -> int:
    return _fail("interrupted. All finished rows are safe: pass --resume to go on", INTERRUPTED)


def _fail(message: object, code: int) -> int:
    line = " ".join(str(message).split())
    print(f"jina-jobs: {line}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"jina-jobs: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
