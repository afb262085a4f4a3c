"""Distributions that hold files of the same names as this project's: only one of each pair can be installed."""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, distribution


def warn_of_conflicts(own: str, *others: str) -> None:
    """Warn if one of the other distributions is installed, because its files and ours overwrite each other.

    Args:
        own: the distribution that calls this.
        *others: distributions with files of the same names.
    """
    installed = [name for name in others if _is_installed(name)]
    if installed:
        names = " and ".join(installed)
        warnings.warn(
            f"{own} and {names} are both installed and hold files of the same names, so some imports load {names}, "
            f"which may ignore base_url= and send texts to the public API. To repair it, run "
            f"pip uninstall {' '.join(installed)} {own}, then install {own} again",
            UserWarning,
            stacklevel=3,
        )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
