"""One table of events becomes one to train on and one to score on."""

import os
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effbench.data.splitting import split_table
from effbench.errors import DataError, UsageError

HEAD = "filename,onset,offset,event_label\n"


def write(folder, labels, suffix=".csv"):
    path = folder / f"labels{suffix}"
    rows = [
        f"{clip},{i},{i + 0.5},{name}\n" for clip, names in labels.items() for i, name in enumerate(names)
    ]
    path.write_text(HEAD + "".join(rows))
    return path


def classes_of(part):
    found = defaultdict(set)
    for line in part.path.read_text().splitlines()[1:]:
        clip, _, _, label = line.split(",")
        found[label].add(clip)
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    clips=st.lists(st.sampled_from(["bark", "knock", "siren", "whistle"]), min_size=2, max_size=30),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_a_class_of_two_clips_is_in_both_parts_and_no_clip_is(tmp_path, clips, share, seed):
    table = write(tmp_path, {f"{i}.wav": [label] for i, label in enumerate(clips)})
    for name in ("train", "eval"):
        (tmp_path / f"{name}.csv").unlink(missing_ok=True)
    train, scored = split_table(table, evaluation=share, seed=seed)
    train_clips, scored_clips = classes_of(train), classes_of(scored)
    for label in set(clips):
        assert not train_clips[label] & scored_clips[label]
        assert len(train_clips[label] | scored_clips[label]) == clips.count(label)
        if clips.count(label) > 1:
            assert train_clips[label]
            assert scored_clips[label]
    assert min(train.clips, scored.clips) > 0
    assert train.clips + scored.clips == len(clips)


def test_clips_stay_whole_and_rows_keep_all_their_columns(tmp_path):
    table = tmp_path / "labels.tsv"
    table.write_text(
        "filename\tonset\toffset\tevent_label\tby\na.wav\t0\t1\tx\tme\na.wav\t1\t2\ty\tme\nb.wav\t\t\t\tyou\n"
    )
    train, scored = split_table(table)
    assert [train.path.name, scored.path.name] == ["train.tsv", "eval.tsv"]
    lines = {tuple(part.path.read_text().splitlines()[1:]) for part in (train, scored)}
    assert lines == {("a.wav\t0\t1\tx\tme", "a.wav\t1\t2\ty\tme"), ("b.wav\t\t\t\tyou",)}


def test_tables_that_are_there_stay_and_the_same_again_is_no_error(tmp_path):
    table = write(tmp_path, {f"{i}.wav": ["bark"] for i in range(10)})
    first = split_table(table, evaluation=0.3, seed=1)
    assert split_table(table, evaluation=0.3, seed=1) == first
    kept = first[0].path.read_text()
    with pytest.raises(UsageError, match="never overwritten"):
        split_table(table, evaluation=0.3, seed=2)
    assert first[0].path.read_text() == kept


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("file_name,onset_ms,offset_ms,class", "rename file_name to filename"),
        ("file,path,start,end,label", "rename file to filename, start to onset, end to offset"),
        ("file,start,start_s,end,label", "end to offset, label to event_label"),
        ("filename,onset,ofset,event_label", "rename ofset to offset"),
        ("filename,onset,event_label", "add offset"),
        ("x,y", "It has x, y"),
    ],
)
def test_columns_that_are_nearly_right_are_told_their_names(tmp_path, head, told):
    table = tmp_path / "labels.csv"
    table.write_text(f"{head}\n")
    with pytest.raises(DataError) as caught:
        split_table(table)
    assert "filename, onset, offset, event_label" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"a.wav,0,1,bark"])
def test_what_is_no_table_of_events_is_said_in_words(effbench, tmp_path, content):
    (tmp_path / "labels.csv").write_bytes(content)
    done = effbench("data", "split", "labels.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: labels.csv: expected the columns filename, onset, offset, event_label"
    )


def test_pipes_and_folders_are_neither_read_nor_replaced(effbench, tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert effbench("data", "split", "pipe.csv").stderr == "error: pipe.csv is not a file\n"
    assert effbench("data", "check", "pipe.csv").stderr == "error: pipe.csv is neither a file nor a folder\n"
    (tmp_path / "eval.csv").mkdir()
    write(tmp_path, {"a.wav": ["bark"], "b.wav": ["bark"]})
    assert "eval.csv exists and is never overwritten" in effbench("data", "split", "labels.csv").stderr
    assert not (tmp_path / "train.csv").exists()


def test_what_can_not_be_split_is_said(tmp_path):
    with pytest.raises(DataError, match="rows of 1 clip: two are needed"):
        split_table(write(tmp_path, {"a.wav": ["bark"]}))
    with pytest.raises(UsageError, match="between 0 and 1"):
        split_table(write(tmp_path, {"a.wav": ["bark"], "b.wav": ["bark"]}), evaluation=1.0)
