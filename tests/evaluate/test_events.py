"""Scores of decoded events against sed_eval, and by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.errors import UsageError
from effbench.evaluate.events import event_f1, segment_scores

CLASSES = ["Bark", "Siren", "Speech"]


@pytest.fixture(scope="module")
def sed_eval():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("sed_eval", reason="the extra 'reference' is not installed")


def listed(events, clip):
    return [{"event_onset": a, "event_offset": b, "event_label": c, "file": clip} for a, b, c in events]


def by_sed_eval(metric, estimated, ground_truth):
    for clip, events in ground_truth.items():
        metric.evaluate(listed(events, clip), listed(estimated.get(clip, []), clip))
    return metric.results()


events = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 200), st.sampled_from(CLASSES)).map(
        lambda event: (event[0] / 64, (event[0] + event[1]) / 64, event[2])
    ),
    max_size=9,
)
truths = st.lists(events.filter(len), min_size=1, max_size=3)


def paired(truth, data):
    """Ground truth of clips, and detections: some of its events, moved a little, and others."""
    ground_truth = {f"clip{number}": events for number, events in enumerate(truth)}
    shift = st.sampled_from([-16, -8, -1, 0, 0, 1, 8, 16]).map(lambda steps: steps / 64)
    estimated = {}
    for clip, mine in ground_truth.items():
        moved = [(max(0.0, a + data.draw(shift)), b + 0.5 + data.draw(shift), c) for a, b, c in mine]
        estimated[clip] = moved[: data.draw(st.integers(0, len(moved)))] + data.draw(events)
    return estimated, ground_truth


@settings(max_examples=60, deadline=None)
@given(
    truth=truths, data=st.data(), collar=st.sampled_from([0.05, 0.2, 0.25]), ratio=st.sampled_from([0.2, 0.5])
)
def test_event_f1_equals_sed_eval(sed_eval, truth, data, collar, ratio):
    estimated, ground_truth = paired(truth, data)
    for offsets in (True, False):
        metric = sed_eval.sound_event.EventBasedMetrics(
            CLASSES,
            evaluate_offset=offsets,
            t_collar=collar,
            percentage_of_length=ratio,
            empty_system_output_handling="zero_score",
        )
        theirs = by_sed_eval(metric, estimated, ground_truth)
        ours = event_f1(
            estimated,
            ground_truth,
            classes=CLASSES,
            onset_collar=collar,
            offset_collar=collar if offsets else None,
            offset_ratio=ratio,
            resamples=0,
        )
        overall = theirs["overall"]["f_measure"]
        # sed_eval's substitutions are those that its first matches leave possible.
        assert ours.error_rate <= theirs["overall"]["error_rate"]["error_rate"] + 1e-9
        assert ours.recall == pytest.approx(overall["recall"])
        if any(estimated.values()):
            assert ours.precision == pytest.approx(overall["precision"])
        assert ours.micro == pytest.approx(overall["f_measure"])
        # Classes that do not occur are left out, detected or not.
        assert ours.macro == pytest.approx(theirs["class_wise_average"]["f_measure"]["f_measure"])
        for name, value in ours.per_class.items():
            counts = metric.class_wise[name]
            if counts["Nref"]:
                assert value == pytest.approx(2 * counts["Ntp"] / (counts["Nref"] + counts["Nsys"]))
            else:
                assert np.isnan(value)


@settings(max_examples=60, deadline=None)
@given(truth=truths, data=st.data(), seconds=st.sampled_from([1.0, 0.5, 0.1]))
def test_segment_scores_equal_sed_eval(sed_eval, truth, data, seconds):
    estimated, ground_truth = paired(truth, data)
    metric = sed_eval.sound_event.SegmentBasedMetrics(CLASSES, time_resolution=seconds)
    theirs = by_sed_eval(metric, estimated, ground_truth)["overall"]
    ours = segment_scores(estimated, ground_truth, classes=CLASSES, segment_seconds=seconds, resamples=0)
    expected = theirs["error_rate"]
    assert ours.error_rate == pytest.approx(expected["error_rate"])
    assert ours.substitutions == pytest.approx(expected["substitution_rate"])
    assert ours.deletions == pytest.approx(expected["deletion_rate"])
    assert ours.insertions == pytest.approx(expected["insertion_rate"])
    if any(estimated.values()):
        assert ours.f1.micro == pytest.approx(theirs["f_measure"]["f_measure"])


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(CLASSES), st.sampled_from([None, *CLASSES]), st.booleans()),
        min_size=1,
        max_size=12,
    )
)
def test_error_rate_equals_sed_eval_where_events_are_apart(sed_eval, rows):
    """One event each two seconds, missed, taken for another class or too late, and then a false alarm."""
    truth = {"clip": [(2.0 * k, 2.0 * k + 0.5, label) for k, (label, _, _) in enumerate(rows)]}
    found = [
        (2.0 * k + (0.75 if late else 0.0), 2.0 * k + 1.0 if late else 2.0 * k + 0.5, said)
        for k, (_, said, late) in enumerate(rows)
        if said is not None
    ]
    metric = sed_eval.sound_event.EventBasedMetrics(CLASSES, t_collar=0.2, percentage_of_length=0.2)
    theirs = by_sed_eval(metric, {"clip": found}, truth)["overall"]["error_rate"]["error_rate"]
    ours = event_f1({"clip": found}, truth, classes=CLASSES, resamples=0)
    assert ours.error_rate == pytest.approx(theirs)


def test_matching_is_the_largest_possible():
    """Taking the nearest first would leave the second event without a partner."""
    truth = {"clip": [(1.0, 2.0, "Bark"), (1.3, 2.0, "Bark")]}
    found = {"clip": [(1.12, 2.0, "Bark"), (0.9, 2.0, "Bark")]}
    assert event_f1(found, truth, classes=CLASSES, offset_collar=None).micro == 1.0


@pytest.mark.parametrize("onset", np.arange(0, 60.5, 0.7).round(1).tolist())
def test_events_one_collar_apart_match_whatever_their_decimals(onset):
    """2.2 - 2.0 is more than 0.2 in floating point; sed_scores_eval rounds to 6 decimals as well."""
    truth = {"a": [(onset, onset + 3, "Bark")]}
    found = {"a": [(round(onset + 0.2, 6), round(onset + 3.6, 6), "Bark")]}
    assert event_f1(found, truth, classes=CLASSES, resamples=0).micro == 1.0
    late = {"a": [(onset + 0.200002, onset + 3.6, "Bark")]}
    assert event_f1(late, truth, classes=CLASSES, resamples=0).micro == 0.0


def test_segments_begin_where_decimals_say():
    """0.3 / 0.1 is less than 3 in floating point."""
    truth = {"a": [(0.3, 0.5, "Bark")]}
    found = {"a": [(0.2, 0.3, "Bark")]}
    score = segment_scores(found, truth, classes=CLASSES, segment_seconds=0.1, resamples=0)
    assert (score.deletions, score.insertions, score.substitutions) == (1.0, 0.5, 0.0)


@given(
    truth=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 9), st.sampled_from(CLASSES)), min_size=1, max_size=9
    ),
    data=st.data(),
)
def test_events_without_length_given_twice_or_overlapping_count_as_in_sed_eval(sed_eval, truth, data):
    given = [(onset / 4, (onset + length) / 4, label) for onset, length, label in truth]
    given += data.draw(st.lists(st.sampled_from(given), max_size=3))
    found = {"clip": data.draw(st.lists(st.sampled_from(given), max_size=6))}
    metric = sed_eval.sound_event.EventBasedMetrics(CLASSES, t_collar=0.2, percentage_of_length=0.2)
    theirs = by_sed_eval(metric, found, {"clip": given})["overall"]["f_measure"]
    ours = event_f1(found, {"clip": given}, classes=CLASSES, resamples=0)
    assert ours.recall == pytest.approx(theirs["recall"])
    segments = sed_eval.sound_event.SegmentBasedMetrics(CLASSES, time_resolution=1.0)
    theirs = by_sed_eval(segments, found, {"clip": given})["overall"]["error_rate"]["error_rate"]
    ours = segment_scores(found, {"clip": given}, classes=CLASSES, resamples=0).error_rate
    # Without any activity to detect, ours is not defined, and theirs is 0.
    assert ours == pytest.approx(theirs) or (np.isnan(ours) and segments.overall["Nref"] == 0)


def test_an_event_in_another_clip_or_class_does_not_match():
    truth = {"a": [(1.0, 2.0, "Bark")], "b": [(5.0, 6.0, "Siren")]}
    assert event_f1({"b": truth["a"]}, truth, classes=CLASSES).micro == 0.0
    assert event_f1({"a": [(1.0, 2.0, "Siren")]}, truth, classes=CLASSES).micro == 0.0


def test_nothing_detected_scores_nothing():
    truth = {"a": [(1.0, 2.0, "Bark")], "b": []}
    score = event_f1({}, truth, classes=CLASSES)
    assert (score.micro, score.macro, score.recall) == (0.0, 0.0, 0.0)
    assert np.isnan(score.precision)
    segments = segment_scores({}, truth, classes=CLASSES)
    assert (segments.error_rate, segments.deletions, segments.f1.micro) == (1.0, 1.0, 0.0)


def test_detected_clips_need_ground_truth():
    with pytest.raises(UsageError, match="'b' has detected events but no ground truth"):
        event_f1({"b": []}, {"a": [(1.0, 2.0, "Bark")]}, classes=CLASSES)


def test_intervals_come_from_the_clips():
    generator = np.random.default_rng(0)
    truth = {f"clip{number}": [(1.0, 2.0, "Bark"), (3.0, 4.5, "Siren")] for number in range(100)}
    found = {clip: [event for event in events if generator.random() < 0.7] for clip, events in truth.items()}
    score = event_f1(found, truth, classes=CLASSES)
    micro = score.intervals["micro"]
    # Recall of 200 events found with probability 0.7: F1 = 2r / (1 + r).
    assert micro.value == score.micro
    assert 0.04 < micro.high - micro.low < 0.14
    assert micro.low < 2 * 0.7 / 1.7 < micro.high
    segments = segment_scores(found, truth, classes=CLASSES)
    error = segments.intervals["error_rate"]
    assert error.low < segments.error_rate < error.high
    assert error.low < 0.3 < error.high
