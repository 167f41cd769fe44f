import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from effbench.data.datasets import open_dataset, recognise
from effbench.data.labels import Event
from effbench.data.prepare import prepare
from effbench.data.synth import synthesise
from effbench.data.vocabulary import strong_classes
from effbench.errors import DataError, UsageError

BEFORE = Path(__file__).parents[1] / "fixtures" / "before"


@pytest.fixture
def source(tmp_path):
    folder = synthesise(tmp_path / "source", clips=5, eval_clips=2, seconds=1)
    return open_dataset(folder, split="train")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "prepared"


def test_a_prepared_set_is_the_same_set(source, out):
    prepare(source, out, shard_clips=2)
    copy = open_dataset(out)
    assert (copy.layout, copy.split, copy.ids, copy.classes) == (
        "prepared",
        "train",
        source.ids,
        source.classes,
    )
    for theirs, ours in zip(copy, source, strict=True):
        assert theirs.events == ours.events
        assert theirs.seconds == ours.seconds
        np.testing.assert_array_equal(theirs.waveform(), ours.waveform())


def test_shards_are_plain_arrow_streams(source, out):
    prepare(source, out, shard_clips=2)
    shards = [
        pa.ipc.open_stream(path.read_bytes()).read_all() for path in sorted((out / "train").glob("*.arrow"))
    ]
    assert [len(shard) for shard in shards] == [2, 2, 1]
    (row,) = shards[2].to_pylist()
    assert row["filename"] == f"{source[4].id}.flac"
    assert row["audio_bytes"] == source[4].audio.source().read_bytes()
    assert [event["event_label"] for event in row["events"]] == [event.label for event in source[4].events]
    assert all(event["event_label_id"].startswith("/") for event in row["events"])


def test_splits_are_added_to_the_same_folder(source, out):
    prepare(source, out)
    prepare(open_dataset(source.path, split="eval"), out)
    assert recognise(out)[0] == "prepared"
    assert [len(open_dataset(out, split=split)) for split in ("eval", "train")] == [2, 5]
    assert open_dataset(out / "eval").ids == open_dataset(out, split="eval").ids


def test_a_stopped_conversion_continues_with_the_missing_shards(source, out):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done >= 3:
            raise Stop

    with pytest.raises(Stop):
        prepare(source, out, shard_clips=2, progress=stop)
    with pytest.raises(DataError, match="is not a data set"):
        open_dataset(out)
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.arrow")}
    assert [path.name for path in made] == ["data-00000-of-00003.arrow"]
    prepare(source, out, shard_clips=2)
    assert len(open_dataset(out)) == 5
    assert all(path.stat().st_mtime_ns == time for path, time in made.items())
    assert not list(out.rglob(".*"))


def test_another_data_set_is_not_mixed_in(source, out, tmp_path):
    prepare(source, out)
    other = open_dataset(
        synthesise(tmp_path / "other", clips=5, eval_clips=1, seconds=1, seed=1), split="train"
    )
    with pytest.raises(UsageError, match="is of another data set"):
        prepare(other, out)


def test_a_source_that_has_changed_since_is_refused(source, out):
    prepare(source, out, shard_clips=2)
    prepare(open_dataset(source.path, split="train"), out, shard_clips=2)
    path, other = source[3].audio.path, source[4].audio.path
    before = path.read_bytes()
    path.write_bytes(other.read_bytes())
    with pytest.raises(UsageError, match=f"has other audio of '{source[3].id}' than {path} has now"):
        prepare(open_dataset(source.path, split="train"), out, shard_clips=2)
    path.write_bytes(before)
    table = source.path / "audioset_train_strong.tsv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UsageError, match="or of this one before it changed"):
        prepare(open_dataset(source.path, split="train"), out, shard_clips=2)


def test_what_killed_runs_left_is_removed_and_records_that_noted_less_are_gone_on_with(source, out):
    prepare(source, out, shard_clips=2)
    (out / "train" / "data-00002-of-00003.arrow").unlink()
    stray = out / "train" / ".effbench-0123abcd.arrow"
    stray.write_bytes(b"half")
    os.utime(stray, (0, 0))
    record = out / "train" / "effbench.json"
    noted = json.loads(record.read_text())
    del noted["tables"]
    record.write_text(json.dumps(noted))
    prepare(source, out, shard_clips=2)
    assert len(open_dataset(out)) == 5
    assert not stray.exists()


def test_folders_of_the_first_version_open_too():
    train, evaluation = (open_dataset(BEFORE / "prepared", split=split) for split in ("train", "eval"))
    assert [clip.events for clip in train] == [(Event(0.037, 0.899, "Bell"),), (Event(0.039, 0.939, "Rain"),)]
    assert evaluation.ground_truth() == {"Yeval0000000": [(0.062, 0.951, "Bell")]}
    assert train.classes == evaluation.classes == strong_classes()
    assert np.abs(evaluation[0].waveform()).sum() == pytest.approx(1053.834, rel=1e-5)


def test_a_split_that_lacks_a_shard_is_not_there(source, out):
    prepare(source, out, shard_clips=2)
    (out / "train" / "data-00001-of-00003.arrow").unlink()
    with pytest.raises(DataError, match="is not a data set"):
        open_dataset(out)


def test_folders_that_others_saved_open_too():
    dataset = open_dataset(BEFORE / "saved_by_datasets")
    assert dataset.ground_truth() == {"Yabc": [(0.5, 1.0, "Bell")]}
    assert dataset[0].audio.source() == b"no mp3"
