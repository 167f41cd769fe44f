"""PSDS1 and PSDS2 against sed_scores_eval, and what the reference leaves undefined."""

import math
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import effbench
from effbench.errors import EffbenchError, UsageError
from effbench.evaluate.psds import operating_points as collect
from effbench.evaluate.psds.score import psds1, psds2
from tests.evaluate.scoring_jobs import Job, random_job

pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")

FUNCTIONS = {"psds1": psds1, "psds2": psds2}


def assert_equals_reference(job: Job, function=psds1, **options) -> None:
    ours = job.score(function, resamples=0, **options)
    try:
        theirs = job.score(function, engine="reference", **options)
    except EffbenchError:
        # A class with neither true nor false positives at any threshold: the reference stops.
        assert min(ours.per_class.values()) == 0
        reject()
    assert ours.macro == pytest.approx(theirs.macro, abs=1e-9)
    assert ours.penalised == pytest.approx(theirs.penalised, abs=1e-9)
    assert ours.per_class == pytest.approx(theirs.per_class, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("max_efpr", [100.0, 2000.0, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_reference_on_random_scores(name, max_efpr, seed):
    assert_equals_reference(random_job(seed), FUNCTIONS[name], max_efpr=max_efpr)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("levels", [1, 3])
def test_equals_the_reference_on_tied_scores(name, levels):
    assert_equals_reference(random_job(5, levels=levels), FUNCTIONS[name], max_efpr=3000.0)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("value", [0.0, 0.5, -3.0])
def test_equals_the_reference_on_constant_scores(name, value):
    job = random_job(6)
    job.scores = {clip: np.full_like(scores, value) for clip, scores in job.scores.items()}
    assert_equals_reference(job, FUNCTIONS[name], max_efpr=1e5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_reference_where_scores_are_infinite(name):
    job = random_job(7)
    for scores in job.scores.values():
        scores[scores < -0.5] = -np.inf
        scores[scores > 2.5] = np.inf
    assert_equals_reference(job, FUNCTIONS[name], max_efpr=1e4)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_reference_on_events_at_the_ends_of_clips(name):
    job = random_job(8, clips=6, classes=2)
    job.ground_truth = {
        clip: [(0.0, 0.5, "class 0"), (1.5, 2.0, "class 0"), (0.0, 2.0, "class 1")] for clip in job.scores
    }
    assert_equals_reference(job, FUNCTIONS[name], max_efpr=1e4)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_reference_on_clips_without_events(name):
    job = random_job(9, density=0.0, clips=20, classes=3)
    assert sum(not events for events in job.ground_truth.values()) == 17
    assert_equals_reference(job, FUNCTIONS[name], max_efpr=500.0)


def test_equals_the_reference_on_one_class():
    for seed in range(5):
        assert_equals_reference(random_job(seed, classes=1, clips=8), max_efpr=1000.0)


def test_cross_triggers_of_a_single_class_don_t_count():
    job = random_job(3, classes=1, clips=8)
    crossing = job.score(psds2, max_efpr=1000.0)
    assert crossing.per_class == job.score(psds1, dtc=0.1, gtc=0.1, max_efpr=1000.0).per_class
    with pytest.raises(EffbenchError, match="reference scorer failed"):
        job.score(psds2, engine="reference")


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_the_reference_on_407_classes(name):
    job = random_job(10, clips=4, classes=407, frames=25, density=0.02)
    assert_equals_reference(job, FUNCTIONS[name], max_efpr=1e4)


@st.composite
def jobs(draw):
    job = random_job(
        draw(st.integers(0, 2**32 - 1)),
        clips=draw(st.integers(1, 12)),
        classes=draw(st.integers(1, 4)),
        frames=draw(st.integers(1, 60)),
        levels=draw(st.sampled_from([0, 1, 2, 5])),
        ragged=draw(st.booleans()),
        strength=draw(st.sampled_from([0.0, 1.0, 4.0])),
        density=draw(st.sampled_from([0.1, 0.5, 1.0])),
        dtype=draw(st.sampled_from([np.float16, np.float32, np.float64])),
    )
    if draw(st.booleans()):
        stretch = draw(st.floats(0.5, 2.0))
        job.options["timestamps"] = {
            clip: np.append(np.arange(len(scores)) * 0.04, (len(scores) - 1 + stretch) * 0.04)
            for clip, scores in job.scores.items()
        }
    return job


fractions = st.sampled_from([0.01, 0.1, 0.3, 0.5, 0.7, 1.0])
rates = st.sampled_from([10.0, 100.0, 1000.0, 1e4, 1e6])


@settings(max_examples=120, deadline=None)
@given(job=jobs(), dtc=fractions, gtc=fractions, alpha_st=st.sampled_from([0.0, 0.5, 1.0]), max_efpr=rates)
def test_psds1_equals_the_reference(job, dtc, gtc, alpha_st, max_efpr):
    assert_equals_reference(job, psds1, dtc=dtc, gtc=gtc, alpha_st=alpha_st, max_efpr=max_efpr)


@settings(max_examples=80, deadline=None)
@given(
    job=jobs().filter(lambda job: len(job.classes) > 1),
    dtc=fractions,
    cttc=fractions,
    alpha_ct=st.sampled_from([0.5, 1.0, 3.0]),
    max_efpr=rates,
)
def test_psds2_equals_the_reference(job, dtc, cttc, alpha_ct, max_efpr):
    assert_equals_reference(job, psds2, dtc=dtc, gtc=dtc, cttc=cttc, alpha_ct=alpha_ct, max_efpr=max_efpr)


@pytest.mark.parametrize(
    ("seed", "options", "macro", "penalised"),
    [
        (20, {}, (0.451798491168, 0.376246955761, 0.527350026576), (0.366413954053, 0.279111028791)),
        (
            21,
            {"levels": 2, "ragged": True},
            (0.316461889180, 0.247721614478, 0.385202163883),
            (0.239086593449, 0.166528584322),
        ),
    ],
)
def test_psds2_and_its_intervals_stay_what_they_are(seed, options, macro, penalised):
    values = random_job(seed, clips=60, classes=6, **options).score(psds2, max_efpr=1000.0).values()
    found = values["psds2"]
    assert (found.value, found.low, found.high) == pytest.approx(macro, abs=1e-9)
    found = values["psds2_penalised"]
    assert (found.value, found.low) == pytest.approx(penalised, abs=1e-9)


def test_touching_and_overlapping_events_of_a_class_are_merged():
    job = random_job(11, clips=5, classes=2)
    apart = {clip: [(0.2, 1.1, "class 0"), (0.4, 0.6, "class 1")] for clip in job.scores}
    split = {
        clip: [(0.5, 1.1, "class 0"), (0.4, 0.6, "class 1"), (0.2, 0.4, "class 0"), (0.4, 0.7, "class 0")]
        for clip in job.scores
    }
    options = {"classes": job.classes, "max_efpr": 1e4}
    one = psds1(job.scores, apart, job.durations, **options)
    assert psds1(job.scores, split, job.durations, **options).per_class == one.per_class


def test_a_class_without_events_is_nan_and_counts_nowhere():
    job = random_job(12, classes=3)
    truth = {
        clip: [event for event in events if event[2] != "class 1"]
        for clip, events in job.ground_truth.items()
    }
    for function in FUNCTIONS.values():
        with_it = function(job.scores, truth, job.durations, classes=job.classes, max_efpr=1e4)
        assert math.isnan(with_it.per_class["class 1"])
        without = function(
            {clip: scores[:, [0, 2]] for clip, scores in job.scores.items()},
            truth,
            job.durations,
            classes=["class 0", "class 2"],
            max_efpr=1e4,
        )
        assert (with_it.macro, with_it.penalised) == (without.macro, without.penalised)
        assert "class 1" not in with_it.class_intervals


class Lazy(Mapping):
    """Scores that are made when they are asked for, as a file of them would be read."""

    def __init__(self, scores):
        self.scores, self.asked = scores, []

    def __getitem__(self, clip):
        self.asked.append(clip)
        return self.scores[clip].copy()

    def __iter__(self):
        return iter(self.scores)

    def __len__(self):
        return len(self.scores)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lazy_scores_are_read_once_and_give_the_same(name, monkeypatch):
    monkeypatch.setattr(collect, "LOADED_BYTES", 2000)
    monkeypatch.setattr(collect, "COMPACT_POINTS", 100)
    job = random_job(13, clips=40, ragged=True)
    lazy = Lazy(job.scores)
    options = {"classes": job.classes, "max_efpr": 500.0}
    ours = FUNCTIONS[name](lazy, job.ground_truth, job.durations, **options)
    assert sorted(lazy.asked) == sorted(job.scores)
    assert ours == job.score(FUNCTIONS[name], max_efpr=500.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_scores_that_fall_from_clip_to_clip_are_read_twice_and_give_the_same(name, monkeypatch):
    monkeypatch.setattr(collect, "LOADED_BYTES", 20_000)
    job = random_job(19, clips=300, frames=30, density=0.02)
    for number, clip in enumerate(sorted(job.scores)):
        job.scores[clip][:, :3] -= number / 20
    lazy = Lazy(job.scores)
    ours = FUNCTIONS[name](lazy, job.ground_truth, job.durations, classes=job.classes, max_efpr=500.0)
    assert lazy.asked == 2 * sorted(job.scores)
    assert ours == job.score(FUNCTIONS[name], max_efpr=500.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_four_times_the_clips_take_no_more_memory(name, monkeypatch):
    monkeypatch.setattr(collect, "LOADED_BYTES", 1 << 17)
    monkeypatch.setattr(collect, "CHUNK", 1 << 12)

    def peak(clips):
        job = random_job(22, clips=clips, classes=10, frames=250, density=0.1)
        inputs = Lazy(job.scores), job.ground_truth, job.durations
        tracemalloc.start()
        FUNCTIONS[name](*inputs, classes=job.classes, resamples=0)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(400) < 1.5 * peak(100)


def test_memory_mapped_and_transposed_scores_give_the_same(tmp_path: Path):
    job = random_job(14)
    clips = list(job.scores)
    np.save(tmp_path / "scores.npy", np.stack([job.scores[clip].T for clip in clips]))
    mapped = np.load(tmp_path / "scores.npy", mmap_mode="r")
    scores = {clip: mapped[number].T for number, clip in enumerate(clips)}
    ours = psds1(scores, job.ground_truth, job.durations, classes=job.classes, max_efpr=1e3)
    assert ours == job.score(psds1, max_efpr=1e3)


def test_the_order_of_clips_and_of_events_does_not_matter():
    job = random_job(15)
    turned = [dict(reversed(part.items())) for part in job.parts]
    turned[1] = {clip: events[::-1] for clip, events in turned[1].items()}
    assert psds1(*turned, classes=job.classes, max_efpr=1e3) == job.score(psds1, max_efpr=1e3)


def test_a_monotone_map_of_the_scores_does_not_matter():
    job = random_job(16, dtype=np.float64)
    before = job.score(psds1, max_efpr=1e3)
    job.scores = {clip: 1 / (1 + np.exp(-scores)) for clip, scores in job.scores.items()}
    assert job.score(psds1, max_efpr=1e3).per_class == before.per_class


def test_a_perfect_detector_scores_one_and_a_silent_one_nothing():
    job = random_job(17, clips=5, frames=100)
    job.ground_truth = {clip: [(0.4, 1.2, name) for name in job.classes] for clip in job.scores}
    perfect = np.zeros((100, 4))
    perfect[10:30] = 1.0
    job.scores = dict.fromkeys(job.scores, perfect)
    assert job.score(psds1).macro == job.score(psds1).penalised == job.score(psds2).penalised == 1.0
    job.scores = dict.fromkeys(job.scores, np.full((100, 4), -np.inf))
    assert job.score(psds1).macro == job.score(psds1).penalised == 0.0


def test_where_the_reference_stops_it_says_so():
    job = random_job(6)
    job.scores = {clip: np.full_like(scores, -np.inf) for clip, scores in job.scores.items()}
    with pytest.raises(EffbenchError, match="reference scorer failed"):
        job.score(psds1, engine="reference")


def test_a_missing_reference_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sed_scores_eval.intersection_based", None)
    with pytest.raises(EffbenchError, match=r"pip install 'effbench\[reference\]'"):
        random_job(6).score(psds1, engine="reference")


def test_is_exported():
    assert effbench.psds1 is psds1
    assert effbench.psds2 is psds2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda job: job.scores["clip003"].__setitem__((4, 2), np.nan), "clip 'clip003'.*NaN.*'class 2'"),
        (lambda job: job.scores.update(clip001=np.zeros((5, 3))), "'clip001' have shape .5, 3.; .*4"),
        (lambda job: job.ground_truth.pop("clip002"), "'clip002' has scores but no ground truth"),
        (lambda job: job.durations.pop("clip002"), "'clip002' has scores but no duration"),
        (lambda job: job.scores.pop("clip002"), "'clip002' has ground truth but no scores"),
        (lambda job: job.durations.update(clip002=0.0), "duration of clip 'clip002' is 0.0"),
        (lambda job: job.ground_truth["clip002"].append((1.0, 0.5, "class 0")), "from 1.0 to 0.5 s"),
        (lambda job: job.ground_truth["clip002"].append((0.1, 0.5, "frog")), "class 'frog', which is not"),
        (lambda job: job.ground_truth.update({clip: [] for clip in job.scores}), "no ground-truth events"),
        (lambda job: job.scores.clear(), "no clips"),
        (lambda job: job.classes.append("class 0"), "each only once"),
        (lambda job: job.options.update(frame_seconds=0.0), "frame_seconds is 0.0"),
        (lambda job: job.options.update(dtc=0.0), "dtc is 0.0"),
        (lambda job: job.options.update(max_efpr=np.inf), "max_efpr is inf"),
        (lambda job: job.options.update(engine="fast"), "unknown engine 'fast'"),
        (lambda job: job.options.update(resamples=-1), "resamples is -1"),
        (lambda job: job.options.update(timestamps=np.zeros(51)), "do not rise"),
        (lambda job: job.options.update(timestamps=np.arange(4)), "50 frames and 4 timestamps"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    job = random_job(18)
    change(job)
    with pytest.raises(UsageError, match=message):
        job.score(psds1)


def test_the_reference_refuses_nan_too():
    job = random_job(18)
    job.scores["clip003"][4, 2] = np.nan
    with pytest.raises(UsageError, match=r"clip 'clip003'.*NaN.*'class 2'"):
        job.score(psds1, engine="reference")
