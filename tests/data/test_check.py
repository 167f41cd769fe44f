import shutil

import numpy as np
import pytest
import soundfile

from effbench.data.check import DataReport, check_split
from effbench.data.datasets import open_dataset
from effbench.data.synth import synthesise

BELL, SIREN = "/m/0395lw", "/m/03kmc9"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("clean"), clips=4, eval_clips=2, seconds=2)


@pytest.fixture
def folder(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "set")


def report(folder, **options):
    return check_split(open_dataset(folder, split="train"), **options)


def add(folder, *rows):
    with (folder / "audioset_train_strong.tsv").open("a") as table:
        table.writelines("\t".join(row) + "\n" for row in rows)


def kinds(found):
    return {(problem.kind, problem.clip, problem.fatal) for problem in found.problems}


@pytest.mark.parametrize("options", [{}, {"decode": False}])
def test_a_good_set_has_no_problems_and_is_counted(clean, options):
    found = report(clean, **options)
    assert found.usable
    assert not found.problems
    summary = found.summary()
    assert (summary["clips"], summary["missing"], summary["problems"]) == (4, 0, 0)
    assert (found.seconds, found.shortest, found.longest) == (8, 2, 2)
    dataset = open_dataset(clean, split="train")
    assert found.events == sum(len(clip.events) for clip in dataset) > 0
    for count in found.classes:
        events = [event for clip in dataset for event in clip.events if event.label == count.label]
        assert count.events == len(events)
        assert count.seconds == pytest.approx(sum(event.offset - event.onset for event in events))


def test_two_processes_find_the_same(folder, monkeypatch):
    (folder / "audio" / "train" / "Ytrain000002.flac").write_bytes(b"nothing")
    monkeypatch.setattr("effbench.data.check._BATCH", 1)
    calls = []
    two = report(folder, processes=2, progress=lambda *done: calls.append(done))
    assert two.kinds() == report(folder).kinds()
    assert calls == [(done, 4) for done in range(5)]


def test_every_problem_is_found_and_named(folder):
    audio = folder / "audio" / "train"
    (audio / "Ytrain000000.flac").unlink()
    (audio / "Ytrain000001.flac").write_bytes(b"<html>quota exceeded</html>")
    cut = (audio / "Ytrain000002.flac").read_bytes()
    (audio / "Ytrain000002.flac").write_bytes(cut[: len(cut) // 2])
    shutil.copy(audio / "Ytrain000003.flac", audio / "Ytrain000003.wav")
    add(
        folder,
        ("train000003_0", "0.5", "9.5", BELL),
        ("train000003_0", "2.5", "3.5", BELL),
        ("train000003_0", "1.5", "1.0", SIREN),
        ("train000003_0", "0.5", "1.0", "/m/0nonsense"),
        ("train000003_0", "0.5", "1.0", "/m/028v0c"),
        ("train000003_0", "0.7", "0.9", SIREN),
        ("train000003_0", "0.7", "0.9", SIREN),
    )
    found = report(folder)
    assert not found.usable
    assert kinds(found) >= {
        ("no audio", "Ytrain000000", False),
        ("audio can't be read", "Ytrain000001", True),
        ("audio is damaged", "Ytrain000002", False),
        ("duration differs from the table", "Ytrain000002", False),
        ("several audio files of one clip", "Ytrain000003", False),
        ("event past the end", "Ytrain000003", False),
        ("event starts past the end", "Ytrain000003", True),
        ("onset is not before offset", "Ytrain000003", True),
        ("unknown label", "Ytrain000003", False),
        ("label that detectors do not have", "Ytrain000003", False),
        ("duplicate event", "Ytrain000003", False),
    }
    fatal = [row["fatal"] for row in found.kinds()]
    assert fatal == sorted(fatal, reverse=True)
    unreadable = next(row for row in found.kinds() if row["problem"] == "audio can't be read")
    assert "Ytrain000001.flac" in unreadable["first"]


@pytest.mark.parametrize("label", [BELL, "/m/0nonsense"])
def test_a_set_without_clips_or_without_known_labels_is_unusable(tmp_path, label):
    table = tmp_path / "audioset_train_strong.tsv"
    table.write_text(f"segment_id\tstart_time_seconds\tend_time_seconds\tlabel\nabc_0\t0\t1\t{label}\n")
    if label != BELL:
        soundfile.write(tmp_path / "Yabc.wav", np.zeros(16_000), 16_000)
    found = report(tmp_path)
    assert not found.usable
    expected = "no clip with audio" if label == BELL else "no label of a known class"
    assert expected in {problem.kind for problem in found.problems}


def test_an_event_may_pass_the_end_by_a_tenth_of_a_second(folder):
    add(folder, ("train000003_0", "0.5", "2.09", BELL))
    assert "event past the end" not in {problem.kind for problem in report(folder).problems}


def test_clips_in_two_splits_are_found(folder):
    shutil.copy(folder / "audioset_eval_strong.tsv", folder / "audioset_test_strong.tsv")
    shutil.copytree(folder / "audio" / "eval", folder / "audio" / "test")
    splits = [check_split(open_dataset(folder, split=split)) for split in ("eval", "test", "train")]
    assert {(problem.clip, problem.detail) for problem in DataReport(tuple(splits)).shared} == {
        ("Yeval0000000", "eval, test"),
        ("Yeval0000001", "eval, test"),
    }
