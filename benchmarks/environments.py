"""An environment of its own for the packages that a benchmark compares with."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

VERSIONS = "from importlib.metadata import version\nimport sys\nfor name in sys.argv[1:]: print(name, version(name))"


@contextmanager
def python_with(packages: Sequence[str], name: str, folder: str | None = None) -> Iterator[str]:
    """Install packages into a new environment, print their versions, and yield its Python.

    Args:
        packages: the packages to install.
        name: the name of the environment.
        folder: where to keep the environment and to look for one from an earlier run; by default it is deleted.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(folder or temporary) / name
        python = place / "bin" / "python"
        if not python.exists():
            subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
            install = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
            subprocess.run([*install, *packages], check=True)
        printed = subprocess.run([str(python), "-c", VERSIONS, *packages], check=True, capture_output=True, text=True)
        print(", ".join(printed.stdout.splitlines()), "\n")
        yield str(python)
