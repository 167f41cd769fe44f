"""Frame scores and ground truth from files, in every form that is understood."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from effbench.errors import DataError, EffbenchError, UsageError
from effbench.files import replacing
from effbench.infer.score_files import read_scores
from effbench.infer.score_folder import OtherScores, ScoreFolder, pack, unpack

CLASSES = ("Speech", "Dog, bark")
NAMES = np.array(CLASSES)
CLIPS = {"a": 5, "b.c": 3}


def table(frames, seed=0):
    scores = np.random.default_rng(seed).random((frames, 2)).astype(np.float32)
    bounds = np.arange(frames + 1) * 0.04
    columns = {"onset": bounds[:-1], "offset": bounds[1:]}
    return pd.DataFrame(columns | dict(zip(CLASSES, scores.T, strict=True)))


def check(found, suffix=""):
    assert found.classes == CLASSES
    assert found.values is None
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


@pytest.mark.parametrize(("moved", "told"), [(0.04, "a gap between frame 3"), (-0.02, "an overlap")])
def test_frames_that_do_not_follow_one_another_are_refused(tmp_path, moved, told):
    frames = table(5)
    frames.loc[3:, ["onset", "offset"]] += moved
    frames.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(EffbenchError, match=f"a.csv: {told}"):
        read_scores(tmp_path).timestamps["a"]
    frames.assign(filename="a.wav").to_csv(tmp_path / "all.csv", index=False)
    with pytest.raises(EffbenchError, match=f"all.csv, clip 'a': {told}"):
        read_scores(tmp_path / "all.csv")


def test_gaps_are_filled_where_that_is_asked_for(tmp_path):
    frames = table(9).drop(index=[2, 5, 6])
    frames.to_csv(tmp_path / "a.csv", index=False)
    frames.assign(filename="a.wav").to_csv(tmp_path / "all.tsv", sep="\t", index=False)
    for path in (tmp_path / "a.csv", tmp_path / "all.tsv"):
        found = read_scores(path, fill_gaps=True)
        expected = table(9)[list(CLASSES)].to_numpy()
        expected[[2, 5, 6]] = -np.inf
        np.testing.assert_allclose(found.scores["a"], expected, rtol=1e-6)
        np.testing.assert_allclose(found.timestamps["a"], np.arange(10) * 0.04)
        assert [*found.filled.notes(1)] == [
            "gaps between frames were filled with -inf, nothing detected, in 1 of 1 clips (0.12 s in all)"
        ]
    frames.loc[8, "onset"] = 0.2
    frames.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match="an overlap or another order between frame 5"):
        read_scores(tmp_path / "a.csv", fill_gaps=True)


def test_score_folder_goes_on_and_refuses_other_models(tmp_path):
    folder = ScoreFolder.create(tmp_path / "scores", CLASSES, {"model": "fmn04"})
    folder.add("a", np.ones((4, 2), np.float32), "0123")
    again = ScoreFolder.create(tmp_path / "scores", CLASSES, {"model": "fmn04"})
    assert again.keep_only({"a": "0123", "b": "4567"}) == {"a"}
    again.add("b", np.zeros((4, 2), np.float32), "4567")
    found = read_scores(tmp_path / "scores")
    assert list(found.scores) == ["a", "b"]
    assert found.values == "logits"
    assert found.scores["a"].shape == (4, 2)
    with pytest.raises(OtherScores, match=r"model 'fmn04', now 'fmn06'"):
        ScoreFolder.create(tmp_path / "scores", CLASSES, {"model": "fmn06"})


def test_clips_of_several_folders_have_a_file_each(tmp_path):
    folder = ScoreFolder.create(tmp_path / "scores", CLASSES, {})
    for value, clip in enumerate(("x/a", "y/a")):
        folder.add(clip, np.full((4, 2), value, np.float32), clip)
    assert list(folder) == ["x/a", "y/a"]
    assert [folder[clip].max() for clip in folder] == [0, 1]
    assert folder.keep_only({"x/a": "x/a", "y/a": "other"}) == {"x/a"}


def test_scores_of_other_audio_other_clips_and_killed_runs_are_removed(tmp_path):
    folder = ScoreFolder.create(tmp_path / "scores", CLASSES, {})
    for clip in "abcd":
        folder.add(clip, np.ones((4, 2), np.float32), f"audio of {clip}")
    (folder.path / "d.npz").write_bytes((folder.path / "d.npz").read_bytes()[:-9])
    with replacing(folder.path / "e.npz") as killed:
        pass
    (folder.path / "e.npz").rename(killed)
    assert sorted(folder) == list("abcd")
    audio = {"a": "audio of a", "b": "another recording", "d": "audio of d"}
    assert folder.keep_only(audio) == {"a"}
    assert sorted(path.name for path in folder.path.iterdir()) == ["a.npz", "scores.json"]


@given(
    arrays(
        np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-100, 100, width=32)
    )
)
def test_packed_logits_are_near_and_keep_their_order(logits):
    packed = pack(logits)
    near = unpack(packed)
    steps = np.asarray(packed["step"], float)
    assert (np.abs(near - logits) <= 0.51 * steps + 1e-5).all()
    order = np.argsort(logits, axis=0, kind="stable")
    assert (np.diff(np.take_along_axis(near, order, axis=0), axis=0) >= 0).all()


def test_logits_that_are_not_finite_stay_as_they_are():
    logits = np.array([[0.0, -np.inf], [1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(unpack(pack(logits)), logits)
    assert unpack(pack(np.empty((0, 3), np.float32))).shape == (0, 3)


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


def save(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = [text.encode() for text in array] if name == "classes" else array


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("prefix", ["", "scores/"])
def test_an_archive_of_arrays(tmp_path, suffix, prefix):
    arrays = {f"{prefix}{clip}.wav": table(frames)[list(CLASSES)] for clip, frames in CLIPS.items()}
    path = tmp_path / f"scores{suffix}"
    save(path, {"classes": NAMES, **arrays})
    check(read_scores(path))
    bounds = {f"timestamps/{clip}.wav": np.arange(n + 1) * 0.04 for clip, n in CLIPS.items()}
    save(path, {"classes": NAMES, **arrays, **(bounds if prefix else {"frame_seconds": 0.04})})
    check(read_scores(path))


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"a": np.ones((3, 2))}, "no array 'classes'"),
        ({"classes": NAMES}, "no array of a clip"),
        ({"classes": NAMES, "a": np.ones((2, 3))}, r"'a' has the shape \(2, 3\), not \(frames, 2\)"),
        ({"classes": NAMES, "a.wav": np.ones((3, 2)), "a.mp3": np.ones((3, 2))}, "two arrays of one clip"),
        ({"classes": NAMES, "a": np.ones((3, 2)), "frame_seconds": 0.0}, "'frame_seconds' is not a number"),
    ],
)
def test_archives_that_are_not_clear_are_refused(tmp_path, suffix, arrays, told):
    save(tmp_path / f"scores{suffix}", arrays)
    with pytest.raises(EffbenchError, match=rf"scores\{suffix}: {told}"):
        _ = read_scores(tmp_path / f"scores{suffix}").scores["a"]


def test_names_of_classes_that_are_no_text_are_refused(tmp_path):
    np.savez(tmp_path / "scores.npz", classes=np.array([b"Caf\xe9"]), a=np.ones((3, 1)))
    with pytest.raises(EffbenchError, match="'classes' holds names that are not text"):
        read_scores(tmp_path / "scores.npz")


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_a_damaged_archive_is_named(tmp_path, suffix):
    (tmp_path / f"scores{suffix}").write_bytes(b"nonsense")
    with pytest.raises(EffbenchError, match=rf"scores\{suffix} is not a readable"):
        read_scores(tmp_path / f"scores{suffix}")
