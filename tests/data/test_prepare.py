import numpy as np
import pytest

from effbench.data.datasets import open_dataset, recognise
from effbench.data.prepare import prepare
from effbench.data.synth import synthesise
from effbench.errors import DataError, UsageError

datasets = pytest.importorskip("datasets")


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


def test_the_datasets_library_opens_it_too(source, out):
    prepare(source, out, shard_clips=2)
    table = datasets.load_from_disk(str(out))["train"]
    assert len(table) == 5
    row = table[4]
    assert row["filename"] == f"{source[4].id}.flac"
    assert row["audio_bytes"] == source[4].audio.source().read_bytes()
    assert [event["event_label"] for event in row["events"]] == [event.label for event in source[4].events]
    assert all(event["event_label_id"].startswith("/") for event in row["events"])


def test_splits_are_added_to_the_same_folder(source, out):
    prepare(source, out)
    prepare(open_dataset(source.path, split="eval"), out)
    assert recognise(out)[0] == "prepared"
    assert len(open_dataset(out, split="eval")) == 2
    assert set(datasets.load_from_disk(str(out))) == {"train", "eval"}


def test_a_stopped_conversion_continues_with_the_missing_shards(source, out):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done >= 3:
            raise Stop

    with pytest.raises(Stop):
        prepare(source, out, shard_clips=2, progress=stop)
    with pytest.raises(DataError, match="no data set"):
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


def test_folders_that_others_saved_open_too(out):
    table = datasets.Dataset.from_dict(
        {
            "filename": ["Yabc.mp3"],
            "mp3_bytes": [b"no mp3"],
            "events": [{"event_label": ["Bell"], "onset": [0.5], "offset": [1.0]}],
        }
    )
    datasets.DatasetDict({"eval": table}).save_to_disk(str(out))
    dataset = open_dataset(out)
    assert dataset.ground_truth() == {"Yabc": [(0.5, 1.0, "Bell")]}
    assert dataset[0].audio.source() == b"no mp3"
