import os
import random
import sys

import pytest

from effbench.regress.interleaved import Setting, lanes_of


@pytest.mark.skipif(sys.platform != "linux", reason="cores are chosen on Linux alone")
@pytest.mark.parametrize("most", [1, 2, 6])
def test_launches_side_by_side_share_no_core_and_leave_none(most):
    lanes = lanes_of(Setting(), most, random.Random(0))
    available = os.sched_getaffinity(0)
    assert len(lanes) == min(most, len(available))
    assert sorted(core for lane in lanes for core in lane) == sorted(available)


@pytest.mark.parametrize("setting", [Setting(threads=2), Setting(device="cuda")])
def test_what_takes_several_cores_or_a_gpu_is_launched_alone(setting):
    assert lanes_of(setting, 2, random.Random(0)) == [(None,)]
