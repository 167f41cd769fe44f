"""What the explorer is given: comparable values alone, and everything that is told of a model."""

import json

import torch
from torch import nn

from effbench.measure.complexity import measure_complexity
from effbench.measure.macs.counter import count_macs
from effbench.reports.any_models import content
from effbench.reports.explorer.explored import explored
from effbench.reports.explorer.model_details import model_details
from effbench.reports.explorer.payload import as_script, payload
from effbench.results.shipped import newest_rows
from tests.reports.test_any_models import scored
from tests.rows import complexity, counters, frame, timings

SPECS = ["fmn10", "fmn10+tf-256", "fmn10+gru-256"]


def test_timings_stand_in_settings_of_one_device_each_the_widest_first():
    few = timings("GPU A", specs=SPECS[:1], precision="fp16")
    found = explored(frame(complexity(), timings("CPU B"), timings("GPU A", specs=SPECS[:2]), few), SPECS)
    assert [setting.label for setting in found.settings] == [
        "CPU B, fp32, 2 threads",
        "GPU A, fp32, 2 threads",
        "GPU A, fp16, 2 threads",
        "published, device unknown",
    ]
    assert [len(setting.metrics["throughput"].known) for setting in found.settings] == [3, 2, 1, 3]
    sizes = [batch.size for batch in found.settings[0].sweeps["fmn10"]]
    assert sizes == [1, 32]


def test_the_device_that_a_report_is_asked_for_comes_first():
    rows = frame(complexity(), timings("CPU B"), timings("GPU A", specs=SPECS[:2]))
    assert explored(rows, SPECS).settings[0].device == "CPU B"
    assert explored(rows, SPECS, "GPU A").settings[0].device == "GPU A"
    assert content("x", "X", SPECS, rows, "gpu").device == "GPU A"


def test_scores_of_each_data_set_are_a_metric_of_their_own():
    scores = [scored("fmn10", 9.0), scored("fmn10+tf-256", 8.0), scored("fmn10", 7.0, data="other")]
    found = explored(frame(complexity(), scores), SPECS)
    named = {metric.name: len(metric.values) for metric in found.metrics if metric.is_score}
    assert list(named.items()) == [
        ("psds1 on toys eval, protocol paper", 2),  # first what models are ranked by
        ("psds1", 3),
        ("psds1 on other eval, protocol paper", 1),
    ]
    published = next(metric for metric in payload(found)["metrics"] if metric["name"] == "psds1")
    assert (published["label"], published["shown"]) == ("PSDS1, published", True)


def test_published_scores_come_first_where_few_models_were_measured():
    found = explored(frame(complexity(), [scored("fmn10", 9.0)]), SPECS)
    assert [metric.name for metric in found.metrics][:2] == ["psds1", "psds1 on toys eval, protocol paper"]


def test_every_value_names_its_origin_and_source():
    data = payload(explored(frame(complexity(), timings("CPU B")), SPECS))
    assert json.loads(json.dumps(data)) == data
    value, low, high, origin, source, batch, seeds = data["settings"][0]["values"]["throughput"][0]
    assert low < value < high
    assert (data["origins"][origin], batch, seeds) == ("measured", 32, 1)
    assert data["sources"][source] == "effbench 0.1.0 (012345678), 2026-01-02"
    assert data["origins"][data["values"]["psds1"][0][3]] == "published"


def test_no_text_ends_a_script():
    assert "</script" not in as_script({"model": "</script><script>alert(1)"})
    assert json.loads(as_script({"model": "</script>"})) == {"model": "</script>"}


def test_details_have_what_is_stored():
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 100)))
    blocks = count_macs(model, torch.zeros(1, 4)).blocks()
    assert [(block.name, block.exact) for block in blocks] == [("0", 32), ("1.0", 64), ("1.1", 800)]
    assert measure_complexity("fmn04").macs.blocks()[-1].name == "weak_head"
    rows = frame(complexity(), timings("CPU B", specs=["fmn10+gru-256"]), counters("fmn10+gru-256", "x"))
    plain, gru = model_details(rows, explored(rows, ["fmn10", "fmn10+gru-256"]))
    assert (plain.blocks, plain.counts, plain.sweeps) == ((), (), ())
    assert [count.counter for count in gru.counts] == ["fvcore", "thop", "torch"]
    (sweep,) = gru.sweeps
    assert [batch.size for batch in sweep.batches] == [1, 32]
    assert sweep.best == sweep.batches[1].throughput.value.value


def test_blocks_are_stored_with_the_exact_macs_and_add_up(effbench, tmp_path):
    assert effbench("profile", "--model", "fmn04", "--no-throughput").returncode == 0

    rows = newest_rows(tmp_path / "results" / "effbench.sqlite")
    (details,) = model_details(rows, explored(rows, ["fmn04"]))
    assert sum(block.macs for block in details.blocks) == details.exact == 224_211_456
