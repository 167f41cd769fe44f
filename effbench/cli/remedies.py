"""What fills in results that a figure or report lacks: a study, a command, or nothing on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from effbench.errors import EffbenchError

if TYPE_CHECKING:
    from effbench.plots.values import Lacking
    from effbench.study.definition import Study

#: Models that a command line names, before it says that there are more.
_NAMED = 3

#: Options of ``profile`` without which it does not measure a quantity; no study does.
_ASKED_FOR = {
    "energy": "--energy",
    **dict.fromkeys(("streams", "hop_latency_p99", "real_time_factor"), "--streams"),
    "roof_share": "--roofline",
}


@contextmanager
def with_remedies(figure: str | None = None, study: str | None = None) -> Iterator[None]:
    """Adds to what a library says of missing results what fills them in.

    ``study`` is offered where it really does; by default the one that the ``figure`` names.
    """
    from effbench.plots.values import MissingResults

    try:
        yield
    except MissingResults as error:
        if not error.lacking:
            raise
        hints = remedies(error.lacking, study or _study_of(figure))
        raise MissingResults("\n".join([str(error), *hints]), error.lacking) from None


def remedies(lacking: Sequence[Lacking], study: str | None) -> list[str]:
    """A sentence for each kind of values that are lacking."""
    if any(value.provenance == "published" for value in lacking):
        return ["Measured values can be drawn instead: provenance: measured."]
    if study is not None and _measures(study, lacking):
        return [f"'effbench study run {study}' fills them in."]
    from effbench.plots.quantities import ON_A_DEVICE, is_score

    kinds: dict[str, list[Lacking]] = {}
    for value in lacking:
        kind = (
            "timed" if value.quantity in ON_A_DEVICE else "scored" if is_score(value.quantity) else "counted"
        )
        kinds.setdefault(kind, []).append(value)
    hints = {"timed": _time, "scored": _score, "counted": _count}
    return [hints[kind](values) for kind, values in kinds.items()]


def _study_of(figure: str | None) -> str | None:
    from effbench.plots.statistical.kinds import load_definition

    return None if figure is None else getattr(load_definition(figure), "study", None)


def _measures(name: str, lacking: Iterable[Lacking]) -> bool:
    """Whether a study measures each of the values, under its conditions, on this machine."""
    from effbench.study.definition import load_study

    try:
        study = load_study(name)
        return all(_measures_one(study, value) for value in lacking)
    except EffbenchError:
        return False


def _measures_one(study: Study, value: Lacking) -> bool:
    from effbench.plots.quantities import ON_A_DEVICE, is_score

    tasks = study.tasks
    if value.quantity in _ASKED_FOR:
        return False
    if value.quantity in ON_A_DEVICE:
        return any(
            value.spec in _names(study, task)
            and _is_here(value.conditions.get("device"), task.device)
            and value.conditions.get("precision", task.precisions[0]) in task.precisions
            and value.conditions.get("part", task.parts[0]) in task.parts
            and {"device", "precision", "part"}.issuperset(value.conditions)
            for task in _listed(tasks.throughput)
        )
    if not is_score(value.quantity):
        counted = ("parameters", "macs_exact", "macs_paper")
        return any(
            value.spec in _names(study, task)
            and value.quantity in (*counted, *(f"macs_{counter}" for counter in task.counters))
            and not value.conditions
            for task in _listed(tasks.complexity)
        )
    recipes = {task.recipe for task in _listed(tasks.train) if value.spec in _names(study, task)}
    return any(
        value.spec in _names(study, task)
        and value.quantity in (task.metrics or (value.quantity,))
        and (
            not value.conditions
            or (set(value.conditions) == {"recipe"} and value.conditions["recipe"] in recipes)
        )
        for task in _listed(tasks.evaluate)
    )


def _listed(tasks: Any) -> Sequence[Any]:
    """Tasks of one kind, of which a study may have one, several or none."""
    return tasks if isinstance(tasks, tuple | list) else () if tasks is None else (tasks,)


def _names(study: Study, task: Any) -> set[str]:
    return set(map(str, study.specs(task.models)))


def _is_here(device: object, where: str = "auto") -> bool:
    """Whether a device of this machine has the name, or a name with this part."""
    from effbench.machine.devices import resolve_device
    from effbench.machine.environment import device_name

    try:
        name = device_name(str(resolve_device(where)))
    except EffbenchError:
        return False
    return device is None or str(device).lower() in name.lower()


def _time(lacking: Sequence[Lacking]) -> str:
    conditions: Mapping[str, object] = lacking[0].conditions
    device = conditions.get("device")
    places = ("cuda",) if conditions.get("precision") == "tf32" else ("cpu", "cuda")
    where = next((place for place in places if _is_here(device, place)), None)
    if where is None and device is None:
        return "They are of NVIDIA GPUs, and this machine has none."
    if where is None:
        return (
            f"'{device}' is not of this machine: measure there, then 'effbench store merge' adds its store."
        )
    options = [] if device is None else [f"--device {where}"]
    known = ("precision", "part", "threads", "batch_size")
    options += [f"--{name.replace('_', '-')} {conditions[name]}" for name in known if name in conditions]
    backend = conditions.get("backend", "compiled" if conditions.get("compiled") else None)
    options += [f"--backend {backend}"] if backend else []
    options += dict.fromkeys(_ASKED_FOR[v.quantity] for v in lacking if v.quantity in _ASKED_FOR)
    return f"{_profile(lacking, options)} measures them."


def _count(lacking: Sequence[Lacking]) -> str:
    counters = [value.quantity.removeprefix("macs_") for value in lacking]
    third = dict.fromkeys(name for name in counters if name in ("fvcore", "thop", "torch"))
    return f"{_profile(lacking, ['--no-throughput', *(f'--counters {name}' for name in third)])} counts them."


def _score(lacking: Sequence[Lacking]) -> str:
    spec = lacking[0].spec
    metric = f" --metric {lacking[0].quantity}"
    each = " for each of them" if len({value.spec for value in lacking}) > 1 else ""
    return f"'effbench evaluate --model {spec} --checkpoint … --data …{metric}' scores it{each}."


def _profile(lacking: Sequence[Lacking], options: Sequence[str]) -> str:
    from effbench.spec import is_spec

    specs = list(dict.fromkeys(value.spec for value in lacking))
    named = [
        f"--model {spec}" if is_spec(spec) else f"--model FILE.py:FACTORY --name {spec}" for spec in specs
    ]
    more = ["…"] if len(named) > _NAMED else []
    return f"'effbench profile {' '.join([*named[:_NAMED], *more, *options])}'"
