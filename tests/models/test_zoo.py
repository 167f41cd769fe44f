"""Model cards: complete, valid, and what globs and rules select."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effbench.config import load
from effbench.errors import EffbenchError, UnknownModel
from effbench.models import zoo
from effbench.models.cards import CardFile, Published
from effbench.spec import SEQUENCES, TRANSFORMERS, ModelSpec

FIGURES = list(csv.DictReader((Path(__file__).parents[1] / "fixtures" / "paper_figures.csv").open()))


def test_every_published_point_has_its_card_and_score():
    for row in FIGURES:
        card = zoo.models()[ModelSpec.parse(row["spec"])].card
        assert card.published["strong"].psds1 == float(row["psds1"])


def test_all_released_checkpoints_are_named_as_published():
    files = [(m.spec, t, f) for m in zoo.models().values() for t, f in m.card.checkpoint.items()]
    fmn = [entry for entry in files if entry[0].family == "fmn"]
    assert sum(training != "weak" for _, training, _ in fmn) == 30
    assert sum(training == "weak" for _, training, _ in fmn) == 5
    suffix = {"strong": "strong", "weak": "weak", "advanced-kd": "advanced-kd-weak-strong"}
    assert all(file == f"{spec}_{suffix[training]}.pt" for spec, training, file in fmn)
    for model in zoo.models().values():
        if model.spec.family == "fmn" and "strong" in model.card.checkpoint:
            published = model.card.published["strong"]
            assert published.lr is not None
            assert (published.sequence_lr is not None) == (model.spec.sequence is not None)
    others = [(str(spec), training, file) for spec, training, file in files if spec.family != "fmn"]
    suffix = {"strong": "strong_1", "weak": "weak", "ssl": "ssl"}
    assert sorted(others) == sorted(
        (s, t, f"{s}_{end}.pt") for s in TRANSFORMERS for t, end in suffix.items()
    )


def test_published_scores_of_the_transformers():
    scores = {spec: zoo.models()[ModelSpec(spec)].card.published["strong"].psds1 for spec in TRANSFORMERS}
    assert scores == {"BEATs": 46.5, "ATST-F": 45.8, "fpasst": 45.4, "M2D": 46.3, "ASIT": 46.2}


def test_globs_select_among_the_cards_in_order_and_once():
    chosen = [str(spec) for spec in zoo.resolve(["fmn10+*-256", "FMN10+TF-256", "fmn10+bigru:100"])]
    assert len(chosen) == 7
    assert chosen[-1] == "fmn10+gru-100"


@pytest.mark.parametrize("pattern", ["fmn99*", "*+lstm-*", "fmn10+tf-130"])
def test_what_selects_nothing_is_refused(pattern):
    with pytest.raises(UnknownModel):
        zoo.resolve([pattern])


@given(st.sampled_from(SEQUENCES), st.integers(1, 2048))
def test_options_divide_the_dimension_or_the_dimension_is_refused(sequence, dim):
    spec = ModelSpec("fmn20", sequence, dim)
    if zoo.sequence_cards()[sequence].options(dim) is None:
        with pytest.raises(UnknownModel, match="Legal dimensions"):
            zoo.sequence_options(spec)
        return
    options = zoo.sequence_options(spec)
    assert dim % options.get("heads", 1) == 0
    assert 2 * dim % options.get("head_dim", 1) == 0


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("fmn04+tf-104", {"heads": 4}),
        ("fmn06+tf-160", {"heads": 4}),
        ("fmn10+tf-128", {"heads": 8}),
        ("fmn10+mamba-128", {"head_dim": 32}),
        ("fmn10+mamba-256", {"head_dim": 64}),
        ("fmn10+mamba-104", {"head_dim": 16}),
        ("fmn10+gru-77", {}),
    ],
)
def test_published_options(spec, options):
    assert zoo.sequence_options(ModelSpec.parse(spec)) == options


@pytest.mark.parametrize(
    "text", ["release: x\nsource: y\ncards: {fmn10: {chekpoint: {}}}", "release: [", "a: 1"]
)
def test_bad_card_lists_its_problems(text, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(EffbenchError, match=r"bad\.yaml (has|can't be read)"):
        load(path, CardFile, "model card")


def test_a_summary_says_what_the_checked_card_says():
    assert list(zoo.summaries()) == list(zoo.models())
    for spec, summary in zoo.summaries().items():
        card = zoo.models()[spec].card
        strong = card.published.get("strong") or Published(psds1=0)
        figures = {"psds1": strong.psds1 or None, "lr": strong.lr, "sequence_lr": strong.sequence_lr}
        assert card.counts is not None
        counts = {"parameters": card.counts.parameters, "macs_exact": card.counts.macs}
        assert summary == {**counts, **figures, "checkpoints": " ".join(card.checkpoint) or None}


@pytest.mark.parametrize(("call", "heavy"), [("models", "torch"), ("summaries", "pydantic")])
def test_the_zoo_is_read_without(call, heavy):
    code = f"import sys; from effbench.models import zoo; zoo.{call}(); sys.exit('{heavy}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
