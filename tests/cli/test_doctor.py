"""``effbench doctor`` as a user runs it."""

import json

import pytest
import torch


def test_json_holds_the_environment_and_the_concerns(effbench):
    done = effbench("doctor", "--device", "cpu", "--precision", "fp16", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"environment", "concerns"}
    assert found["environment"]["software"]["torch"] == torch.__version__
    assert found["environment"]["variables"]["OMP_WAIT_POLICY"] == "PASSIVE"
    assert isinstance(found["concerns"], list)
    assert done.stderr == ""


def test_table_shows_every_part_of_the_environment(effbench):
    done = effbench("doctor", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    for name in (
        "cpu.model",
        "cpu.available_cores",
        "memory.available_bytes",
        "load.average_1m",
        "threads.torch",
    ):
        assert name in done.stdout
    assert torch.__version__ in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_gpu_is_one_line_and_wrong_usage(effbench):
    done = effbench("doctor", "--device", "cuda")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: no CUDA device here for 'cuda'")
    assert done.stderr.count("\n") == 1
