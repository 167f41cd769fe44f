import json

import pytest


@pytest.fixture
def small(effbench, tmp_path):
    result = effbench(
        "data", "synth", "set", "--clips", 4, "--eval-clips", 2, "--seconds", 2, "--processes", 1
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    return tmp_path / "set"


def test_synth_check_prepare_check(effbench, small):
    checked = effbench("data", "check", "set")
    assert checked.returncode == 0, checked.stderr
    assert "audioset-strong" in checked.stdout
    prepared = effbench("data", "prepare", "set", "--out", "prepared")
    assert prepared.returncode == 0, prepared.stderr
    assert "train: 4 clips in prepared" in prepared.stderr
    again = effbench("data", "check", "prepared", "--format", "json", "--split", "eval", "--processes", 1)
    answer = json.loads(again.stdout)
    assert answer["usable"]
    assert [(split["split"], split["clips"]) for split in answer["splits"]] == [("eval", 2)]
    assert answer["problems"] == []


def test_synth_is_deterministic_and_refuses_another_set(effbench, small):
    effbench("data", "synth", "two", "--clips", 4, "--eval-clips", 2, "--seconds", 2, "--processes", 2)
    for path in small.rglob("*.flac"):
        assert path.read_bytes() == (small.parent / "two" / path.relative_to(small)).read_bytes()
    other = effbench("data", "synth", "set", "--clips", 5)
    assert other.returncode == 2
    assert other.stderr.startswith("error: set holds a set made with other options")


def test_options_of_synth(effbench, tmp_path):
    options = (
        "--clips",
        2,
        "--eval-clips",
        0,
        "--seconds",
        1,
        "--snr",
        -5,
        5,
        "--seed",
        7,
        "--layout",
        "hear",
    )
    result = effbench("data", "synth", "set", *options, "--class", "Bell", "--class", "Beep, bleep")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "set" / "synth.json").read_text()) == {
        "layout": "hear",
        "clips": 2,
        "eval_clips": 0,
        "classes": ["Bell", "Beep, bleep"],
        "seconds": 1.0,
        "snr": [-5.0, 5.0],
        "seed": 7,
        "version": 1,
    }
    wrong = effbench("data", "synth", "other", "--class", "Belle")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: no sound for the class 'Belle'; did you mean 'Bell'?")


def test_check_lists_problems_and_fails_for_unusable_sets(effbench, small):
    with (small / "audioset_eval_strong.tsv").open("a") as table:
        table.write("eval0000000_0\t1.5\t0.5\t/m/0395lw\nabsent_0\t0\t1\t/m/0395lw\n")
    result = effbench("data", "check", "set", "--per-class", "--processes", 1)
    assert result.returncode == 1
    assert "onset is not before offset" in result.stdout
    assert "no audio" in result.stdout
    assert result.stderr == "unusable: 1 fatal of 2 problems\n"
    listed = effbench("data", "check", "set", "--split", "eval", "--format", "csv", "--processes", 1)
    header, *rows = listed.stdout.splitlines()
    assert header == "split,problem,fatal,clip,detail"
    assert len(rows) == 2


def test_harmless_problems_fail_only_when_strict(effbench, small):
    (small / "audio" / "train" / "Ytrain000000.flac").unlink()
    assert effbench("data", "check", "set", "--headers-only").returncode == 0
    assert effbench("data", "check", "set", "--headers-only", "--strict").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("check", "none"), 1, "error: none: no such file or folder"),
        (("check", "."), 1, "error: . is not a data set of a known layout"),
        (("check", ".", "--layout", "desd"), 2, "error: unknown layout 'desd'; did you mean 'desed'?"),
        (("synth", "set", "--snr", 9, 3), 2, "error: the SNR range must be two numbers"),
        (("synth", "set", "--layout", "wsj"), 2, "error: unknown layout 'wsj'"),
        (("synth", "a_file"), 1, "error: 'a_file' can't be written: File exists"),
        (("check", "a_file"), 1, "error: a_file is not a data set of a known layout"),
    ],
)
def test_mistakes_end_in_one_clear_line(effbench, tmp_path, arguments, code, message):
    (tmp_path / "a_file").write_text("no data")
    result = effbench("data", *arguments)
    assert result.returncode == code
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_bench_measures_the_loader(effbench, small):
    arguments = ("data", "bench", "set", "--split", "train", "--batch-size", 2, "--seconds-budget", 0.3)
    table = effbench(*arguments, "--workers", 0)
    assert table.returncode == 0, table.stderr
    assert "clips/s" in table.stdout
    assert "decode" in table.stdout
    answer = json.loads(effbench(*arguments, "--workers", "0,1", "--format", "json").stdout)
    assert (answer["split"], answer["clips"], answer["items"]) == ("train", 4, 4)
    assert [rate["workers"] for rate in answer["rates"]] == [0, 1]
    assert all(rate["low"] <= rate["clips_per_second"] <= rate["high"] for rate in answer["rates"])
    assert [step["name"] for step in answer["steps"]] == ["read", "decode", "resample", "labels", "collate"]
    assert answer["environment"]["cpu"]["model"]
    pieces = effbench(*arguments, "--workers", 0, "--piece-seconds", 1, "--format", "csv")
    header, row = pieces.stdout.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["items"] == "8"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--workers", "0,two"), 2, "error: --workers 0,two: not a list of numbers of processes, e.g. 0,2,4"),
        (("--workers", "-1"), 2, "error: --workers -1: not a list of numbers of processes"),
        (("--piece-seconds", "0.05"), 2, "error: pieces of 0.05 s: the length must be a multiple of 40 ms"),
        (("--split", "test"), 2, "error: set has no split 'test'"),
        (("--pseudo-labels", "none.hdf5"), 1, "error: none.hdf5 is not a readable HDF5 file"),
    ],
)
def test_mistakes_of_bench_end_in_one_clear_line(effbench, small, arguments, code, message):
    split = () if "--split" in arguments else ("--split", "train")
    result = effbench("data", "bench", "set", *split, *arguments)
    assert result.returncode == code
    assert result.stderr.splitlines()[-1].startswith(message) or message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_bench_names_a_clip_that_breaks(effbench, small):
    (small / "audio" / "train" / "Ytrain000002.flac").write_bytes(b"no audio")
    result = effbench("data", "bench", "set", "--split", "train", "--workers", 1, "--seconds-budget", 0.3)
    assert result.returncode == 1
    assert "Ytrain000002.flac: no audio that can be decoded" in result.stderr
    assert "Traceback" not in result.stderr
