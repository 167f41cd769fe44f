"""Times and memory of models that users bring."""

import effbench
from effbench.measure.timing import Budget
from tests.models import own_files

BRIEF = Budget(0.02, 3, 5, 2.0, 0.0, 0.1)
PARTS = ("frontend", "both")


def test_a_detector_has_its_parts(tmp_path):
    own_files.write(tmp_path)
    model = f"small={tmp_path}/detector.py:detector?width=2"
    profile = effbench.profile(model, batch_sizes=[1], parts=PARTS, clip_seconds=1.0, budget=BRIEF)
    assert profile.spec == "small"
    assert profile.parts == PARTS
    assert [memory.conditions.part for memory in profile.memories] == list(PARTS)
    assert profile.complexity.frontend.exact > 0
    assert profile.complexity.parameters.strong_head == 9 * 447


def test_a_module_with_named_inputs_runs_in_batches_and_in_half_precision(tmp_path):
    own_files.write(tmp_path)
    model = f"{tmp_path}/network.py:Keywords"
    profile = effbench.profile(model, batch_sizes=[2], budget=BRIEF, threads=1, precision="bf16")
    assert profile.complexity.macs.exact == 6 * 4 * 2
    assert [run.batch_size for run in profile.throughput] == [2]
    assert 0 < profile.logit_error.value < 0.1
    assert len(profile.memories) == 1
