"""PSDS with the best of several filters: the reference's values, and no less than any filter's."""

import warnings

import numpy as np
import pytest
from scipy import ndimage

from effbench.errors import UsageError
from effbench.evaluate.protocol import evaluate_scores
from tests.evaluate.scoring_jobs import random_job

FRAMES = (1, 3, 5, 9)
MINE = (
    "title: mine\nmetrics: {pipsds1: {filters: [1, 3, 5, 9]}, pipsds2: {filters: [1, 120ms, 200ms, 360ms]}}\n"
)


@pytest.fixture
def protocol(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE)
    return str(tmp_path / "mine.yaml")


@pytest.mark.parametrize("levels", [0, 4])
def test_it_is_the_reference_s_of_the_same_filtered_scores(protocol, levels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
        from sed_scores_eval.base_modules.scores import create_score_dataframe
        from sed_scores_eval.intersection_based import postprocessing_independent_psds
    job = random_job(1, clips=14, classes=3, frames=100, levels=levels)
    ours = job.score(evaluate_scores, protocol=protocol, values="logits").results
    times = np.arange(101) * 0.04
    filtered = [
        {
            clip: create_score_dataframe(
                ndimage.median_filter(scores, size=(frames, 1)).astype(float), times, job.classes
            )
            for clip, scores in job.scores.items()
        }
        for frames in FRAMES
    ]
    for name, options in {
        "pipsds1": {"dtc_threshold": 0.7, "gtc_threshold": 0.7},
        "pipsds2": {"dtc_threshold": 0.1, "gtc_threshold": 0.1, "cttc_threshold": 0.3, "alpha_ct": 0.5},
    }.items():
        penalised, per_class, *_ = postprocessing_independent_psds(
            None,
            job.ground_truth,
            job.durations,
            postprocessing_functions=None,
            scores_processed=filtered,
            alpha_st=1.0,
            num_jobs=len(FRAMES),  # with fewer it fails
            **options,
        )
        assert ours[name].penalised == pytest.approx(penalised, abs=1e-9), name
        assert ours[name].per_class == pytest.approx(dict(per_class), abs=1e-9)


def test_no_single_filter_is_better(protocol):
    job = random_job(2, clips=20, frames=100)
    best = job.score(evaluate_scores, protocol=protocol, values="logits").per_class["pipsds1"]
    for frames in FRAMES:
        options = {"metrics": ["psds1"], "median_window": frames, "values": "logits", "resamples": 0}
        for name, value in job.score(evaluate_scores, protocol="desed", **options).per_class["psds1"].items():
            assert value <= best[name] + 1e-12


def test_scores_that_are_filtered_already_are_refused():
    with pytest.raises(UsageError, match=r"pipsds1 tries filters itself: .*a window of 1 frame"):
        random_job(3).score(evaluate_scores, metrics=["pipsds1"])
