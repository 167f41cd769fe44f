"""``effbench profile`` of models that users bring."""

import json
import os
import sys

import pytest

from effbench.results.store import Store
from tests.models import own_files

COUNT = ("--no-throughput", "--format", "json")
IMAGE = ("--input", "1,1,16,20")
CHANGED = own_files.NETWORK.replace("1, width, 3", "1, width, 5")


@pytest.fixture
def mine(tmp_path):
    own_files.write(tmp_path)
    return tmp_path


def rows(folder, spec):
    with Store(folder / "results" / "effbench.sqlite") as store:
        return store.latest(specs=[spec])


def test_a_module_is_counted_timed_and_kept_under_its_name(effbench, mine):
    timed = ("--threads", "1", "--batch-size", "2", "--format", "json")
    score = ("--psds1", "44.9", "--source", "My paper, Table 1")
    done = effbench(
        *("profile", "--model", "./network.py:Net", "--model-arg", "width=8", "--name", "mynet"),
        *(*IMAGE, *timed, *score),
    )
    assert done.returncode == 0, done.stderr
    (profile,) = json.loads(done.stdout)
    assert profile["spec"] == "mynet"
    assert profile["macs"]["exact"] == 8 * 16 * 20 * 9
    assert profile["parameters"]["total"] == 8 * 10
    assert [run["batch_size"] for run in profile["throughput"]] == [2]
    assert {run["part"] for run in profile["throughput"]} == {"network"}
    assert profile["memory"]["peak_bytes"] >= 0
    kept = rows(mine, "mynet")
    assert {"macs_exact", "throughput", "latency_p50", "memory_peak", "psds1"} <= set(kept["quantity"])
    assert kept["code"].map(lambda code: code.startswith("network.py:Net?width=8 (sha256 ")).all()
    listed = ("models", "list", "--store", "results/effbench.sqlite", "--max-macs", "1G", "--format", "json")
    front = {row["model"]: row["front"] for row in json.loads(effbench(*listed).stdout)}
    assert (front["mynet"], front["fmn04"]) == (True, False)
    assert [row["psds1"] for row in json.loads(effbench(*listed, "myn*").stdout)] == [44.9]
    (score_row,) = kept[kept["quantity"] == "psds1"].to_dict("records")
    assert (score_row["value"], score_row["provenance"], score_row["source"], score_row["declared"]) == (
        44.9,
        "published",
        "My paper, Table 1",
        "by the user",
    )


def test_changed_code_is_another_model(effbench, mine):
    arguments = ("profile", "--model", "mynet=./network.py:Net", *IMAGE, *COUNT)
    assert effbench(*arguments, "--psds1", "40", "--source", "me").returncode == 0
    (mine / "network.py").write_text(CHANGED)
    done = effbench(*arguments)
    assert json.loads(done.stdout)[0]["macs"]["exact"] == 4 * 14 * 18 * 25
    kept = rows(mine, "mynet")
    assert "psds1" not in set(kept["quantity"])
    assert len(set(kept["code"])) == 1
    with Store(mine / "results" / "effbench.sqlite") as store:
        assert len(set(store.read(specs=["mynet"])["code"])) == 2


def test_changed_code_runs_even_if_its_file_is_as_old_and_as_long_as_before(effbench, mine, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    arguments = ("profile", "--model", "./network.py:Net", *IMAGE, *COUNT)
    times = (mine / "network.py").stat()
    for text, macs in ((own_files.NETWORK, 16 * 20 * 9), (CHANGED, 14 * 18 * 25)):
        (mine / "network.py").write_text(text)
        os.utime(mine / "network.py", ns=(times.st_atime_ns, times.st_mtime_ns))
        assert json.loads(effbench(*arguments).stdout)[0]["macs"]["exact"] == 4 * macs


def test_inputs_beside_the_code_may_have_names(effbench, mine):
    done = effbench("profile", "--model", "./network.py:Keywords", *COUNT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["macs"]["exact"] == 6 * 4 * 2


def test_an_instance_is_a_model_too(effbench, mine):
    done = effbench("profile", "--model", "network:INSTANCE", "--input", "1,3", *COUNT)
    assert json.loads(done.stdout)[0]["macs"]["exact"] == 6


def test_missing_macs_are_said_and_never_kept(effbench, mine):
    done = effbench("profile", "--model", "odd=./network.py:Exotic", *IMAGE, *COUNT)
    assert done.returncode == 0, done.stderr
    assert "no rule to count" in done.stderr
    kept = set(rows(mine, "odd")["quantity"])
    assert "parameters" in kept
    assert not {"macs_exact", "macs_paper"} & kept


def test_code_that_fails_while_it_is_timed_leaves_no_traceback(effbench, mine):
    (mine / "network.py").write_text(
        "from torch import nn\n\nclass Small(nn.Linear):\n    def forward(self, x):\n"
        "        assert len(x) < 2, 'too many'\n        return super().forward(x)\n\n"
        "def net():\n    return Small(4, 4)\n"
    )
    timed = ("--input", "1,4", "--batch-size", "2", "--no-store")
    done = effbench("profile", "--model", "./network.py:net", *timed)
    assert done.returncode == 1
    assert (
        f"error: the code of a model fails: AssertionError: too many ({mine}/network.py, line 5)"
        in done.stderr
    )


def test_neighbours_of_the_same_name_are_not_mixed_up(effbench, tmp_path):
    for place, width in (("a", 2), ("b", 3)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "net.py").write_text(
            "from torch import nn\nfrom layers_of_mine import WIDTH\nfrom deeper_of_mine.more import *\n"
            "def net():\n    return nn.Linear(WIDTH, 1)\n"
        )
        (tmp_path / place / "layers_of_mine.py").write_text(f"WIDTH = {width}\n")
        (tmp_path / place / "deeper_of_mine").mkdir()
        (tmp_path / place / "deeper_of_mine" / "more.py").write_text("")
    for place, width in (("a", 2), ("b", 3), ("a", 2)):
        done = effbench("profile", "--model", f"{place}/net.py:net", "--input", f"1,{width}", *COUNT)
        assert json.loads(done.stdout)[0]["macs"]["exact"] == width, done.stderr


@pytest.mark.parametrize(
    ("model", "options", "code", "said"),
    [
        ("./network.py:Nett", IMAGE, 2, "network.py has no 'Nett'; did you mean 'Net'?"),
        ("./none.py:Net", IMAGE, 2, "there is no file '…/none.py'"),
        ("no_module.of_mine:Net", IMAGE, 2, "there is no module 'no_module.of_mine'"),
        ("./network.py:fails", IMAGE, 1, "KeyError: 'no such weights' (…/network.py, line 35)"),
        ("./network.py:nothing", IMAGE, 2, "gave a value of type NoneType"),
        ("./network.py:number", IMAGE, 2, "is a value of type int"),
        ("./network.py:Net?wdth=3", IMAGE, 2, "has no argument 'wdth'; did you mean 'width'?"),
        (
            "./network.py:Net",
            ("--input", "1,3,16,20"),
            2,
            "on these inputs, float32 (1, 3, 16, 20): RuntimeError",
        ),
        ("./network.py:Net", ("--input", "2,1,16,20"), 2, "are of 2 clips"),
        ("./network.py:Net", ("--input", "1,x"), 2, "'1,x' is not an input"),
        (
            "./network.py:Net",
            ("--input", "1,3:int63"),
            2,
            "'int63' is no type of tensors; did you mean 'int64'?",
        ),
        ("./network.py:Net", (), 2, "give the inputs of one call"),
        ("./network.py:Net", (*IMAGE, "--name", "fmn10"), 2, "choose another name"),
        ("./detector.py:detector", IMAGE, 2, "is a detector, which takes audio"),
        ("./detector.py:wrong", (), 2, "RuntimeError"),
        ("./broken.py:Net", IMAGE, 1, "SyntaxError: invalid syntax (…/broken.py, line 2)"),
        ("fmn04", ("--name", "mine"), 2, "'fmn04' is a spec"),
        ("fmn04", ("--psds1", "40", "--source", "me"), 2, "are for a model of your own"),
        ("./network.py:Net", (*IMAGE, "--psds1", "40"), 2, "--psds1 and --source go together"),
    ],
)
def test_what_is_wrong_is_said(effbench, mine, model, options, code, said):
    (mine / "broken.py").write_text("x = 1\nx = = 2\n")
    done = effbench("profile", "--model", model, *options, *COUNT)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr.replace(str(mine), "…")
    assert "Traceback" not in done.stderr


ODD = """
import torch

class Odd(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 4)

    def forward(self, x):
        return torch.linalg.matrix_exp(super().forward(x))

def example_inputs():
    return torch.zeros(1, 4, 4)
"""


def test_a_count_that_lacks_an_operator_says_so_in_every_form_and_strictly_fails(effbench, mine):
    (mine / "odd.py").write_text(ODD)
    count = ("profile", "--model", "./odd.py:Odd", "--no-throughput", "--training")
    for form in ("table", "json", "csv", "markdown"):
        shown = effbench(*count, "--format", form)
        assert shown.returncode == 0, shown.stderr
        assert "linalg_matrix_exp" in shown.stdout
        assert "≥ 64" in shown.stdout or form in ("json", "csv")
    both = effbench(*count, "--model", "fmn04")
    assert "≥ 0.0000" in both.stdout
    assert "macs_exact" not in set(rows(mine, "odd.Odd")["quantity"])
    strict = effbench(*count, "--strict")
    assert strict.returncode == 1
    assert "linalg_matrix_exp" in strict.stderr
    assert "Traceback" not in strict.stderr
