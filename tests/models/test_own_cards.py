"""Backbones, sequence models, weights and scores that users register in cards of their own."""

import json
import textwrap

import pytest
import torch

import effbench as library
from effbench.errors import EffbenchError, UsageError
from effbench.models import zoo
from effbench.models.checkpoints import save_checkpoint
from effbench.models.chosen import choose_model
from effbench.own_cards import CARDS_VARIABLE
from effbench.results.shipped import published_scores
from effbench.spec import ModelSpec

PARTS = """
import effbench
from torch import nn

class Tiny(effbench.Backbone):
    label, embed_dim, n_mels = "tiny", 16, 128

    def __init__(self, width=8):
        super().__init__()
        self.net = nn.Sequential(nn.Conv1d(128, width, 3, 4, 1), nn.Conv1d(width, 16, 1))

    def forward(self, features):
        return self.net(features[:, 0]).mT

class Lstm(nn.LSTM):
    def __init__(self, in_dim, dim):
        super().__init__(in_dim, dim, batch_first=True, bidirectional=True)

    def forward(self, x):
        return super().forward(x)[0]

def lstm(in_dim, dim):
    return Lstm(in_dim, dim), 2 * dim

def number(*given):
    return 3
"""

CARDS = """
backbones:
  tiny: {build: ../parts.py:Tiny?width=4}
sequences:
  lstm: {build: ../parts.py:lstm, label: LSTM}
source: My paper, table 1
month: '2026-01'
cards:
  tiny+lstm-8:
    counts: {parameters: 1000, macs: 100}
    checkpoint: {strong: tiny.pt}
    published: {strong: {psds1: 41.2}}
"""


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """Writes cards, and has them found."""

    def write(text):
        (tmp_path / "parts.py").write_text(PARTS)
        (tmp_path / "cards").mkdir(exist_ok=True)
        (tmp_path / "cards" / "mine.yaml").write_text(textwrap.dedent(text))
        monkeypatch.setenv(CARDS_VARIABLE, str(tmp_path / "cards"))
        return tmp_path / "cards"

    return write


def test_registered_parts_are_specs_like_others(cards):
    cards(CARDS)
    assert str(ModelSpec.parse("TINY+Lstm:8")) == "tiny+lstm-8"
    with pytest.raises(UsageError, match=r"did you mean 'tiny\+lstm-8'.*\n.*M2D ASIT tiny .*hybrid lstm"):
        ModelSpec.parse("tiny+lsmt-8")
    for spec, width in (("tiny", 16), ("tiny+lstm-8", 16), ("tiny+gru-12", 24), ("fmn01+lstm-6", 12)):
        detector = library.build_model(spec, n_classes=3, seed=0)
        assert detector.strong_head.in_features == width
        assert detector(detector.frontend(torch.zeros(1, 16_000))).strong.shape == (1, 3, 25)
    profile = library.profile("tiny+lstm-8", throughput=False)
    (code,) = {row.conditions["code"] for row in profile.measurements()}
    assert [part.partition(" (sha256")[0] for part in code.split("; ")] == [
        "parts.py:Tiny?width=4",
        "parts.py:lstm",
    ]
    assert zoo.model_code(ModelSpec("fmn10")) is None


def test_cards_know_weights_and_scores(cards):
    folder = cards(CARDS)
    detector = library.build_model("tiny+lstm-8", seed=3)
    save_checkpoint(detector, folder / "tiny.pt", "tiny+lstm-8")
    chosen = choose_model("tiny+lstm-8", "strong")
    assert chosen.checkpoint.startswith("strong (sha256 ")
    assert (chosen.detector.weak_head.bias == detector.weak_head.bias).all()
    assert zoo.summaries()[ModelSpec.parse("tiny+lstm-8")]["psds1"] == 41.2
    (score,) = [row for row in published_scores() if row.spec == "tiny+lstm-8"]
    assert (score.value, score.source) == (41.2, "My paper, table 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("backbones: {tiny: {buidl: x}}", r"backbones\.tiny\.buidl: unknown key; did you mean 'build'"),
        ("backbones: {M2D: {build: x.py:X}}", r"backbones\.M2D: the name is taken"),
        ("sequences: {fmn99: {build: x.py:X}}", r"sequences\.fmn99: the name is taken"),
        ("backbones: {tiny: {build: parts.py}}", "'parts.py' builds nothing"),
        ("backbones: {tiny: {build: ../parts.py:Tinny}}", r"parts\.py has no 'Tinny'; did you mean 'Tiny'"),
        ("backbones: {tiny: {build: ../parts.py:number}}", "is an effbench.Backbone with a width"),
        ("cards: {fmn10: {}}", r"cards\.fmn10: fmn10 has a card already"),
        ("cards: {tinyy: {}}", r"cards\.tinyy: unknown model 'tinyy'"),
        ("cards: {fmn01: {published: {strong: {psds1: 3}}}}", "published scores need a source"),
        ("nothing: 1", "nothing: unknown key"),
        ("a: [", "mine.yaml can't be read"),
    ],
)
def test_a_wrong_card_is_named_with_its_line(cards, text, said):
    cards(text)
    with pytest.raises(EffbenchError, match=said):
        _ = [zoo.models(), library.build_model("tiny")]


def test_a_folder_without_cards_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(CARDS_VARIABLE, str(tmp_path))
    with pytest.raises(UsageError, match="it has no YAML files"):
        library.build_model("fmn01")


def test_the_command_line_takes_a_folder(effbench, cards, monkeypatch):
    folder = cards(CARDS)
    monkeypatch.delenv(CARDS_VARIABLE)
    count = ("profile", "--model", "tiny+lstm-8", "--no-throughput", "--format", "json")
    done = effbench("--cards", folder, *count)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["psds1_published"] == 41.2
    assert effbench(*count).returncode == 2
    done = effbench("--cards", folder, "models", "list", "tiny*", "--format", "csv")
    assert "tiny+lstm-8,tiny,lstm,8,1000,100,41.2,True,strong" in done.stdout
