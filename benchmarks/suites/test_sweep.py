"""Counts of public architectures against torch's own counter, every difference with its cause.

    pip install 'effbench[sweep]'
    python -m pytest benchmarks/suites/test_sweep.py

Writes ``docs/macs-sweep.md`` when all of it has run.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from architectures import TRANSFORMERS, timm_model, timm_names, transformers_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from effbench.measure.macs import count_macs
from effbench.measure.macs.rules import OPERATORS

PAGE = Path(__file__).parents[2] / "docs" / "macs-sweep.md"
LEAST = {"transformers": 60, "timm": 100}
if not all(find_spec(library) for library in LEAST):
    pytest.skip("needs the extra `sweep`", allow_module_level=True)
MODELS = [
    *(("transformers", name, transformers_model) for name in TRANSFORMERS),
    *(("timm", name, timm_model) for name in timm_names()),
]
#: Small enough to run with values, too.
WITH_VALUES = """BertModel GPT2Model T5Model FNetModel Wav2Vec2Model HubertModel WavLMModel SEWModel
    UniSpeechModel Data2VecAudioModel ASTModel ClapAudioModel SpeechT5HifiGan UnivNetModel SwinModel
    ConvNextModel ResNetModel"""


class ByOperator(TorchDispatchMode):
    """MACs by operator, by our rules and by torch's formulas, of what runs under torch's counter."""

    def __init__(self):
        super().__init__()
        self.ours, self.theirs = Counter(), Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out, packet = func(*args, **kwargs), func.overloadpacket
        if packet in OPERATORS:
            rest = func._schema.arguments[len(args) :]
            bound = [*args, *(kwargs.get(argument.name, argument.default_value) for argument in rest)]
            self.ours[packet] += OPERATORS[packet].macs(out, *bound) or 0
        if packet in flop_registry:
            self.theirs[packet] += flop_registry[packet](*args, **kwargs, out_val=out) // 2
        return out


@dataclass(frozen=True)
class Comparison:
    """A model's count, torch's, and by which operators they differ."""

    library: str
    name: str
    device: str
    parameters: int
    exact: int
    theirs: int
    causes: tuple[str, ...]


def flops(model, inputs):
    """Half of what torch's counter says, and the counts by operator."""
    device = next(model.parameters()).device
    operators = ByOperator()
    with torch.no_grad(), device, operators, FlopCounterMode(display=False) as counter:
        model(**inputs)
    assert counter.get_total_flops() == 2 * sum(operators.theirs.values())
    return counter.get_total_flops() // 2, operators


def compare(library, name, make):
    model, inputs = make(name)
    report = count_macs(model, (), inputs, strict=True)
    causes = []
    try:
        theirs, operators = flops(model, inputs)
    except Exception as error:
        causes.append(f"torch's counter fails unless no parameter needs gradients: {error}")
        theirs, operators = flops(model.requires_grad_(False), inputs)
    assert report.exact == sum(operators.ours.values())
    for operator in operators.ours | operators.theirs:
        ours, other = operators.ours[operator], operators.theirs[operator]
        if ours != other:
            formula = f"{other / 1e6:,.3f} M" if operator in flop_registry else "no formula"
            causes.append(f"`{operator}`: {ours / 1e6:,.3f} M, torch's counter {formula}")
    parameters = sum(p.numel() for p in model.parameters())
    return Comparison(library, name, report.device, parameters, report.exact, theirs, tuple(causes))


@pytest.fixture(scope="module")
def compared():
    return []


@pytest.mark.parametrize(("library", "name", "make"), MODELS, ids=[name for _, name, _ in MODELS])
def test_every_difference_has_a_cause(library, name, make, compared):
    with warnings.catch_warnings(), torch.inference_mode(False):  # in which torch's counter fails
        warnings.simplefilter("ignore")
        comparison = compare(library, name, make)
    assert comparison.exact > 0
    assert comparison.exact == comparison.theirs or comparison.causes
    compared.append(comparison)


@pytest.mark.parametrize("name", WITH_VALUES.split())
def test_count_does_not_depend_on_the_device(name):
    model, inputs = transformers_model(name, device="cpu")

    def looking_at_a_value(**inputs):
        torch.zeros(1).item()
        return model(**inputs)

    shapes = count_macs(model, (), inputs, strict=True)
    values = count_macs(looking_at_a_value, (), inputs, strict=True)
    assert (shapes.device, values.device) == ("meta", "cpu")
    assert (shapes.exact, shapes.by_operator) == (values.exact, values.by_operator)
    assert shapes.element_operations == values.element_operations


def test_page(compared):
    if len(compared) < len(MODELS):
        pytest.skip("only some models ran")
    numbers = Counter(comparison.library for comparison in compared)
    assert all(numbers[library] >= least for library, least in LEAST.items())
    PAGE.write_text(page(compared, numbers), encoding="utf-8")


def page(compared, numbers):
    equal = sum(comparison.exact == comparison.theirs for comparison in compared)
    versions = ", ".join(f"{library} {version(library)}" for library in ("torch", "transformers", "timm"))
    models = ", ".join(f"{number} of {library}" for library, number in numbers.items())
    lines = [
        "# MACs of public architectures against torch's counter",
        "",
        f"Written by `benchmarks/suites/test_sweep.py` (extra `sweep`) on {date.today()} with {versions}.",
        "",
        f"{len(compared)} models ({models}) in their default configuration, on the `meta` device where that",
        "will do, otherwise smaller ones on the CPU; no operator was unknown. Torch's counter is",
        "`FlopCounterMode`, halved; both counted the same call of the same model.",
        "",
        f"**{equal} counts are equal to the unit.** The others differ by the operators beside them, exactly.",
        f"{len(WITH_VALUES.split())} small ones are counted with values, too: as many as on `meta`.",
        "",
        "## Disagreements",
        "",
        "| model | exact | torch's counter | cause |",
        "|---|--:|--:|---|",
        *(
            f"| {c.name} | {c.exact / 1e6:,.3f} M | {c.theirs / 1e6:,.3f} M | {'<br>'.join(c.causes)} |"
            for c in compared
            if c.causes
        ),
        "",
        "## All models",
        "",
        "| model | from | counted on | parameters | exact MACs |",
        "|---|---|---|--:|--:|",
        *(f"| {c.name} | {c.library} | {c.device} | {c.parameters:,} | {c.exact:,} |" for c in compared),
    ]
    return "\n".join(lines) + "\n"
