"""A process of one version, which answers what ``worker`` can be asked."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from effbench.errors import EffbenchError
from effbench.regress.sides import Side

_WORKER = Path(__file__).with_name("worker.py")
#: Freed memory stays with the process (glibc): otherwise a process takes it anew from the system in every
#: call, or does not, as its addresses happen to lie, which makes one 15 % slower than another.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}


class VersionProcess:
    """The process of one side, which answers requests; use as a context.

    Raises:
        EffbenchError: it can't start, or ends before it has answered.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed on exit)
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        variables |= {
            "PYTHONPATH": os.pathsep.join(map(str, side.code)),
            "PYTHONHASHSEED": "0",
            **KEEP_MEMORY,
        }
        variables |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [str(side.python), "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            cwd=side.folder,
            env=variables,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._messages.close()

    def tell(self, **request: object) -> None:
        """Send a request, to be answered later."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def hear(self) -> dict[str, Any]:
        """The next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise EffbenchError(answer["error"])
        return answer

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self.tell(**request)
        return self.hear()

    def _ended(self) -> EffbenchError:
        self._process.wait()
        self._messages.seek(0)
        said = self._messages.read().decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {self._process.returncode}"
        return EffbenchError(f"the process of {self.side.label} ended: {reason}")
