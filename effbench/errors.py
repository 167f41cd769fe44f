"""Errors that a user can mend: the command line prints each as one message, with an exit code.

Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches


class EffbenchError(Exception):
    """A job that failed; the message says what is wrong and what to do."""

    exit_code = 1


class UsageError(EffbenchError):
    """A request that can't work as it is."""

    exit_code = 2


class UnknownModel(UsageError):
    """A model spec that names no known backbone or sequence model, or an impossible dimension."""


class CheckpointError(EffbenchError):
    """A checkpoint that can't be found, read, or fitted to a model."""


class DeviceError(UsageError):
    """A device or precision that this machine does not offer."""


class AudioError(EffbenchError):
    """Audio that can't be found, decoded or used."""


class DataError(EffbenchError):
    """A data set that can't be found, read or used."""


class StoreError(EffbenchError):
    """A results store that can't be opened, read or written."""


class UncountedOperator(EffbenchError):
    """An operator that the MAC counter has no rule for (strict mode)."""


class TrainingError(EffbenchError):
    """A training that can't continue; what it has saved stays. All its processes raise the same error."""


class ExportError(EffbenchError):
    """A model that can't be exported, or an exported file that can't be used."""


class Stopped(EffbenchError):
    """A job that was asked to stop, and has saved its state."""

    exit_code = 130


class EffbenchWarning(UserWarning):
    """Something worth knowing that does not stop the job."""


def show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """One line on stderr, for ``warnings.showwarning``."""
    label = "note" if issubclass(category, EffbenchWarning) else f"warning ({category.__name__})"
    print(f"{label}: {message}", file=sys.stderr)


def nearest(name: str, choices: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the closest of ``choices``, or an empty string."""
    lowered = {choice.lower(): choice for choice in choices}
    match = get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean '{lowered[match[0]]}'?" if match else ""
