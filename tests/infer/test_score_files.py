"""Frame scores and ground truth from files, in every form that is understood."""

import numpy as np
import pandas as pd
import pytest

from effbench.data.ground_truth import read_ground_truth
from effbench.errors import DataError, EffbenchError, UsageError
from effbench.infer.score_files import ScoreFolder, read_scores

CLASSES = ("Speech", "Dog, bark")
CLIPS = {"a": 5, "b.c": 3}


def table(frames, seed=0):
    scores = np.random.default_rng(seed).random((frames, 2)).astype(np.float32)
    bounds = np.arange(frames + 1) * 0.04
    columns = {"onset": bounds[:-1], "offset": bounds[1:]}
    return pd.DataFrame(columns | dict(zip(CLASSES, scores.T, strict=True)))


def check(found, suffix=""):
    assert found.classes == CLASSES
    assert found.probabilities
    assert sorted(found.scores) == sorted(CLIPS)
    for clip, frames in CLIPS.items():
        np.testing.assert_allclose(found.scores[clip], table(frames)[list(CLASSES)], rtol=1e-6)
        np.testing.assert_allclose(found.timestamps[clip], np.arange(frames + 1) * 0.04)


@pytest.mark.parametrize("suffix", [".parquet", ".tsv", ".csv"])
def test_a_folder_of_tables(tmp_path, suffix):
    for clip, frames in CLIPS.items():
        path = tmp_path / f"{clip}.wav{suffix}"
        if suffix == ".parquet":
            table(frames).to_parquet(path)
        else:
            table(frames).to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)
    check(read_scores(tmp_path))


def test_one_table_for_all(tmp_path):
    parts = [table(frames).assign(filename=f"some/folder/{clip}.flac") for clip, frames in CLIPS.items()]
    pd.concat(parts).to_parquet(tmp_path / "scores.parquet")
    check(read_scores(tmp_path / "scores.parquet"))


def test_logits_are_recognised(tmp_path):
    (table(5).assign(Speech=-3.0)).to_parquet(tmp_path / "a.parquet")
    assert not read_scores(tmp_path).probabilities


def test_score_folder_goes_on_and_refuses_other_models(tmp_path):
    folder = ScoreFolder.create(tmp_path / "scores", CLASSES, {"model": "fmn04"})
    folder.add("a", np.ones((4, 2), np.float32))
    again = ScoreFolder.create(tmp_path / "scores", CLASSES, {"model": "fmn04"})
    assert "a" in again
    assert "b" not in again
    again.add("b", np.zeros((4, 2), np.float32))
    found = read_scores(tmp_path / "scores")
    assert list(found.scores) == ["a", "b"]
    assert not found.probabilities
    assert found.scores["a"].shape == (4, 2)
    with pytest.raises(EffbenchError, match="another model"):
        ScoreFolder.create(tmp_path / "scores", CLASSES, {"model": "fmn06"})


@pytest.mark.parametrize("kind", ["missing", "empty", "garbage", "columns", "classes"])
def test_bad_scores_are_refused_by_name(tmp_path, kind):
    folder = tmp_path / "scores"
    if kind != "missing":
        folder.mkdir()
    if kind == "garbage":
        (folder / "a.parquet").write_bytes(b"PAR1 nonsense")
    if kind == "columns":
        table(3).drop(columns="onset").to_csv(folder / "a.tsv", sep="\t", index=False)
    if kind == "classes":
        table(3).to_csv(folder / "a.tsv", sep="\t", index=False)
        table(3).rename(columns={"Speech": "Music"}).to_csv(folder / "b.tsv", sep="\t", index=False)
    with pytest.raises((UsageError, EffbenchError), match=r"scores|a\.parquet|a\.tsv|b\.tsv"):
        _ = read_scores(folder).scores["b"]


def test_ground_truth_in_both_layouts(tmp_path):
    desed = tmp_path / "desed.tsv"
    desed.write_text(
        "filename\tonset\toffset\tevent_label\n"
        "x/a.wav\t0.0\t1.0\tSpeech\na.wav\t0.5\t2.0\tSpeech\nb.wav\t\t\t\na.wav\t3\t4\tDog\n"
    )
    assert read_ground_truth(desed) == {"a": [(0.0, 2.0, "Speech"), (3.0, 4.0, "Dog")], "b": []}
    audioset = tmp_path / "audioset.tsv"
    audioset.write_text(
        "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\nabc_def_30000\t0.1\t0.5\t/m/09x0r\n"
    )
    assert read_ground_truth(audioset) == {"Yabc_def": [(0.1, 0.5, "Speech")]}


@pytest.mark.parametrize("text", ["a\tb\n1\t2\n", "filename\tonset\toffset\tevent_label\na\t2\t1\tDog\n", ""])
def test_bad_ground_truth_is_refused(tmp_path, text):
    path = tmp_path / "truth.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"truth\.tsv"):
        read_ground_truth(path)
