"""Finds the folders to edit (``models/``, ``benchmarks/``, …) in a checkout or an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def share(name: str) -> Path:
    """Path of a shipped folder or file, e.g. ``share("models")`` or ``share("plots/paper-1.yaml")``.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    installed = _PACKAGE / "_share"
    path = (installed if installed.is_dir() else _PACKAGE.parent) / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: this installation of effbench is incomplete; reinstall it"
        )
    return path
