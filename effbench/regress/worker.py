"""What runs inside each version that is compared: a program of one file that needs only public names of it.

It reads requests on standard input and answers each on standard output, one JSON document a line:

* ``{"do": "about"}``: where the version's package lies, and the torch it runs on.
* ``{"do": "count", "model": M}``: the counts of ``count``.
* ``{"do": "launch", "model": M, …}``: a new process with a copy of the model in memory of its own, which
  answers when it is warm, then answers ``{"calls": N, "warm": W, "core": C}`` with the times of N calls,
  until it is told ``{"do": "end"}``.

A process for every launch: where memory comes to lie makes one process up to a few per cent faster than
another that does the same. It is forked, so that it need not load torch again.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import json
import os
import platform
import sys
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TextIO

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_WARM_UP_CALLS, _WARM_UP_SECONDS = 3, 0.05
#: The number of the call in Linux; and its flags that leave out the kernel and the hypervisor.
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
_USER_SPACE = 1 << 5 | 1 << 6
_SAID_WHY = 1 << 8  # status of a fork that has told its error itself


class TensorLedger(TorchDispatchMode):
    """Counts what runs while it is active, exactly, and alike on any machine with the same torch.

    Attributes:
        operators: calls of torch's operators.
        activation_bytes: of all tensors that they make.
        peak_live_bytes: the most that is alive at once of these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operators = self.activation_bytes = self.live_bytes = self.peak_live_bytes = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, Tensor):
                self._known.add(tensor.untyped_storage()._cdata)
        out = func(*args, **(kwargs or {}))
        self.operators += 1
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._see(tensor.untyped_storage())
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._known:
            return
        self._known.add(place)
        self.activation_bytes += size
        self.live_bytes += size
        self.peak_live_bytes = max(self.peak_live_bytes, self.live_bytes)
        weakref.finalize(storage, self._forget, place, size).atexit = False

    def _forget(self, place: int, size: int) -> None:
        self._known.discard(place)
        self.live_bytes -= size


def count(module: nn.Module, inputs: Any) -> dict[str, int]:
    """Parameters, MACs, operators and bytes of one call of a module."""
    import effbench

    report = effbench.count_macs(module, inputs, strict=False)
    with torch.inference_mode(), TensorLedger() as ledger:
        module(*inputs)
    return {
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "macs_exact": report.exact,
        "macs_paper": report.paper,
        "operators": ledger.operators,
        "activation_bytes": ledger.activation_bytes,
        "peak_live_bytes": ledger.peak_live_bytes,
    }


def subject(model: str, clip_seconds: float) -> tuple[nn.Module, tuple[Any, ...]]:
    """A detector and the features of a clip of noise, or a model of one's own and its inputs."""
    import effbench

    if ":" in model:
        from effbench.measure.workload import OnInputs, timeable
        from effbench.models.own_code import build_own
        from effbench.models.own_model import OwnModel, find_model

        found = find_model(model)
        assert isinstance(found, OwnModel)
        own = timeable(build_own(found, seed=0))
        if isinstance(own, OnInputs):
            return own.eval(), tuple(own.leaves)
        detector: Any = own.eval()
    else:
        detector = effbench.build_model(model, seed=0)
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(1, round(clip_seconds * detector.sample_rate), generator=generator)
    with torch.inference_mode():
        return detector, (detector.frontend(noise).contiguous(),)


class EventCounter:
    """Counts an event of this thread, where the machine lets programs count: by default, instructions.

    Args:
        kind, event: as Linux's ``perf_event_open`` names them.
    """

    def __init__(self, kind: int = 0, event: int = 1) -> None:
        self.file = -1
        number = _PERF_EVENT_OPEN.get(platform.machine())
        if sys.platform == "linux" and number is not None:
            attributes = (ctypes.c_uint64 * 16)(kind | 128 << 32, event, 0, 0, 0, _USER_SPACE)
            libc = ctypes.CDLL(None, use_errno=True)
            self.file = libc.syscall(number, ctypes.byref(attributes), 0, -1, -1, 0)

    def read(self) -> int | None:
        """How often it happened so far; None where it can't be counted."""
        return int.from_bytes(os.read(self.file, 8), sys.byteorder) if self.file >= 0 else None


def launched(
    model: tuple[nn.Module, tuple[Any, ...]], request: dict[str, Any]
) -> tuple[Callable[[], object], float]:
    """A copy of the model in memory of its own, warm, as a call, and the seconds that it takes."""
    torch.set_num_threads(request["threads"])
    device = torch.device(request["device"])
    module, inputs = copy.deepcopy(model)
    module.to(device)
    inputs = tuple(x.to(device) if isinstance(x, Tensor) else x for x in inputs)

    def call() -> None:
        module(*inputs)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    gc.disable()
    taken: list[float] = []
    while len(taken) < 2 or (len(taken) < _WARM_UP_CALLS and sum(taken) < _WARM_UP_SECONDS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return call, min(taken)


def take_turn(call: Callable[[], object], turn: dict[str, Any], instructions: EventCounter) -> dict[str, Any]:
    """Times of some calls, after one, where that is asked for, that brings code and data into the caches.

    ``wall`` and ``processor`` are seconds of all calls; ``waits``: how often they gave the processor away.
    """
    import resource  # not on Windows, where no version is timed

    if turn.get("core") is not None:
        os.sched_setaffinity(0, {turn["core"]})
    if turn["warm"]:
        call()
    before = instructions.read()
    waits = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(turn["calls"]):
        call()
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
    waits = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - waits
    after = instructions.read()
    executed = after - before if after is not None and before is not None else None
    return {"wall": wall, "processor": processor, "waits": waits, "instructions": executed}


def serve(requests: Iterator[str], answers: TextIO) -> None:
    """Answer requests until there are no more."""
    torch.set_num_threads(1)  # threads would not survive a fork
    models: dict[str, Any] = {}

    def subject_of(request: dict[str, Any]) -> tuple[nn.Module, tuple[Any, ...]]:
        key = json.dumps([request["model"], request["clip_seconds"]])
        if key not in models:
            models[key] = subject(request["model"], request["clip_seconds"])
            gc.collect()
            gc.freeze()  # forks would copy all that they look at
        made: tuple[nn.Module, tuple[Any, ...]] = models[key]
        return made

    def answer(content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    for line in requests:
        request = json.loads(line)
        try:
            if request["do"] == "about":
                import effbench

                answer({"package": effbench.__file__, "torch": torch.__version__})
            elif request["do"] == "count":
                answer(count(*subject_of(request)))
            else:
                model = subject_of(request)
                child = os.fork()
                if child == 0:
                    _run_launch(model, request, requests, answer)
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                if status != _SAID_WHY:
                    answer({} if status == 0 else {"error": "its process was killed"})
        except Exception as error:
            traceback.print_exc()
            answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


def _run_launch(
    model: tuple[nn.Module, tuple[Any, ...]],
    request: dict[str, Any],
    requests: Iterator[str],
    answer: Callable[[object], None],
) -> None:
    try:
        with torch.inference_mode():
            call, seconds = launched(model, request)
            instructions = EventCounter()
            answer({"seconds": seconds})
            for line in requests:
                turn = json.loads(line)
                if turn.get("do") == "end":
                    return
                answer(take_turn(call, turn, instructions))
    except Exception as error:
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
        os._exit(1)


def main() -> None:
    """Serve on the standard streams; what models print goes where messages go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        serve(iter(_read_line, ""), answers)


def _read_line() -> str:
    """A line of standard input, byte by byte: the process and its forks read from it in turn."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return ""
        line += byte
    return line.decode()


if __name__ == "__main__":
    main()
