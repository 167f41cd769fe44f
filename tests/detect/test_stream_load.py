"""Live streams that run at once: the search, and what is measured."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.detect.event_decoding import Decoding
from effbench.detect.stream_load import MOST_GROWTH, StreamLoad, find_capacity, run_streams
from effbench.errors import EffbenchError, UsageError
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.sliding import Sliding
from effbench.results.store import Store
from tests.detect import heard


def load(streams, latency, *, growth=0.0, cut_short=False):
    latencies = latency + growth * np.linspace(0, 10, 300)
    return StreamLoad(streams, tuple(latencies.tolist()), 10.0, cut_short)


@given(most=st.integers(0, 5_000), guess=st.integers(0, 9_000))
def test_the_search_ends_at_the_border_with_numbers_that_ran(most, guess):
    ran = []

    def run(streams):
        ran.append(streams)
        return load(streams, 0.1 if streams <= most else 2.0)

    good, bad = find_capacity(run, 1.0, guess=guess)
    carried = good.streams if good else 0
    assert carried <= most < bad.streams
    assert bad.streams - carried <= max(1, carried // 50)
    assert {carried, bad.streams} - {0} <= set(ran)
    assert len(ran) == len(set(ran))


def test_streams_that_fall_behind_are_not_carried_however_long_the_limit():
    assert load(3, 0.1).keeps(1.0)
    assert load(3, 0.1, growth=MOST_GROWTH * 0.9).keeps(1.0)
    assert not load(3, 0.1, growth=MOST_GROWTH * 1.1).keeps(1.0)
    assert not load(3, 0.1, cut_short=True).keeps(1.0)


def test_a_verdict_says_why_streams_are_too_many():
    assert load(3, 0.1).verdict(1.0) == "p99 100 ms, within 1000 ms"
    assert load(3, 2.0).verdict(1.0) == "p99 2,000 ms, not within 1000 ms"
    assert load(3, 0.1, cut_short=True).verdict(1.0) == "p99 over 100 ms, not within 1000 ms"
    assert load(3, 0.0, growth=0.06).verdict(1.0).startswith("p99 594 ms, but it grows by 60.")


def test_a_search_without_an_end_is_called_off():
    with pytest.raises(EffbenchError, match="keep the limit"):
        find_capacity(lambda streams: load(streams, 0.1), 1.0)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_an_impossible_limit_is_refused(limit):
    with pytest.raises(UsageError, match="limit"):
        find_capacity(lambda streams: load(streams, 0.1), limit)


@pytest.fixture
def one_thread():
    """Several wait for the slowest, which may have to wait for what else the machine does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.alone
@pytest.mark.usefixtures("one_thread")
def test_a_run_has_every_hop_and_latency_counts_the_wait():
    scorer = FrameScorer(heard.detector(), Inference(batch_size=4), probabilities=True)
    decoding, second = Decoding(), Sliding(hop=5, look_ahead=5, window=25)
    run = run_streams(scorer, decoding, second, 4, 0.5)
    assert not run.cut_short
    assert len(run.latencies) == 4 * 25
    assert run.seconds > 24 * 0.2  # in real time
    assert min(run.latencies) > 0
    late = run_streams(scorer, decoding, second, 2_000, 0.1)
    assert late.cut_short
    assert late.p99.value > 0.1


@pytest.mark.alone
def test_the_command_measures_and_keeps_rows(effbench, tmp_path):
    options = ("--streams", "--hop", "1", "--limit", "0.001", "--threads", "1", "--format", "json")
    done = effbench("profile", "--model", "fmn01", *options)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["streams"] == 0  # no window takes a millisecond
    assert measured["streams_failed"] == 1
    assert 0 < measured["real_time_factor"] < 1
    with Store(tmp_path / "results" / "effbench.sqlite") as store:
        rows = {row["quantity"]: row for row in store.latest().to_dict("records")}
    assert set(rows) == {"streams", "real_time_factor"}
    assert rows["streams"]["conditions"]["hop"] == 1
    assert rows["streams"]["conditions"]["limit"] == 0.001
    assert len(rows["real_time_factor"]["samples"]) == 100


def test_streams_are_of_one_model(effbench):
    done = effbench("profile", "--model", "fmn01", "--model", "fmn04", "--streams")
    assert done.returncode == 2
    assert "one --model" in done.stderr
