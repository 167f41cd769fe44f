import json
import pickle
import shutil

import numpy as np
import pytest
import soundfile

from effbench.data.datasets import open_dataset, recognise
from effbench.data.labels import Event, EventTable
from effbench.data.prepare import prepare
from effbench.data.pseudo_label_files import PseudoLabels
from effbench.data.synth import synthesise
from effbench.data.vocabulary import strong_classes, weak_classes
from effbench.errors import AudioError, DataError, UsageError

h5py = pytest.importorskip("h5py")

HEADER = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
BELL, SIREN, SILENCE = "/m/0395lw", "/m/03kmc9", "/m/028v0c"


def write_audio(path, seconds=2.0, form=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).standard_normal(round(seconds * 16_000)) * 0.1
    soundfile.write(path, samples, 16_000, format=form)
    return path


@pytest.fixture
def strong(tmp_path):
    """Three annotated clips, one of them without audio; any suffix, with and without the Y."""
    (tmp_path / "audioset_eval_strong.tsv").write_text(
        HEADER
        + f"--aE2O5G5WE_0\t0.500\t1.200\t{BELL}\n"
        + f"--aE2O5G5WE_0\t1.000\t1.800\t{BELL}\n"
        + f"a_b-c_d-e_f_30000\t0.000\t2.000\t{SIREN}\n"
        + f"a_b-c_d-e_f_30000\t0.250\t2.000\t{SILENCE}\n"
        + f"gonegonegon_0\t0.000\t2.000\t{SIREN}\n"
    )
    write_audio(tmp_path / "wavs" / "Y--aE2O5G5WE.wav")
    write_audio(tmp_path / "wavs" / "more" / "a_b-c_d-e_f.flac")
    return tmp_path


def test_audioset_strong_from_the_official_table_and_a_folder(strong):
    dataset = open_dataset(strong)
    assert (dataset.layout, dataset.split, dataset.classes) == ("audioset-strong", "eval", strong_classes())
    assert dataset.ids == ("Y--aE2O5G5WE", "Ya_b-c_d-e_f")
    assert dataset.missing == ("Ygonegonegon",)
    first, second = dataset
    assert first.events == (Event(0.5, 1.2, "Bell"), Event(1.0, 1.8, "Bell"))
    assert {event.label for event in second.events} == {"Siren", "Silence"}
    assert len(first.waveform()) == 32_000
    assert len(first.waveform(0.5)) == 8_000
    assert first.duration is None
    assert first.seconds == 2.0
    assert dataset.ground_truth()["Y--aE2O5G5WE"] == [(0.5, 1.2, "Bell"), (1.0, 1.8, "Bell")]
    assert dataset.durations() == {"Y--aE2O5G5WE": 2.0, "Ya_b-c_d-e_f": 2.0}


def test_the_comma_separated_variant_gives_the_same(strong):
    expected = open_dataset(strong)
    table = strong / "audioset_eval_strong.tsv"
    (strong / "audioset_eval_strong.csv").write_text(table.read_text().replace("\t", ","))
    table.unlink()
    dataset = open_dataset(strong)
    assert [clip.events for clip in dataset] == [clip.events for clip in expected]
    assert dataset.split == "eval"


def test_durations_files_count_and_add_clips_without_events(strong):
    write_audio(strong / "wavs" / "Yquietquiet1.ogg")
    (strong / "eval_durations.csv").write_text("Y--aE2O5G5WE,1.99\nYquietquiet1,2.0\n")
    dataset = open_dataset(strong)
    assert dataset.clip("Y--aE2O5G5WE").seconds == 1.99
    assert dataset.clip("Yquietquiet1").events == ()


def test_names_of_further_classes_come_from_a_table_beside_the_labels(strong):
    (strong / "mid_to_display_name.tsv").write_text("/t/dd99999\tStudio recording\n")
    with (strong / "audioset_eval_strong.tsv").open("a") as table:
        table.write("--aE2O5G5WE_0\t0\t1\t/t/dd99999\n")
    assert "Studio recording" in open_dataset(strong).events.labels


def test_rows_with_unusable_times_are_problems_and_no_events(strong):
    with (strong / "audioset_eval_strong.tsv").open("a") as table:
        table.write(
            f"--aE2O5G5WE_0\t1.5\t1.5\t{BELL}\n"
            f"--aE2O5G5WE_0\tx\t1.5\t{BELL}\n"
            f"--aE2O5G5WE_0\tnan\t1.5\t{BELL}\n"
            f"--aE2O5G5WE_0\t-1\t1.5\t{BELL}\n"
            "--aE2O5G5WE_0\t1\t1.5\t\n"
            "\n"
            "--aE2O5G5WE_0\t1\n"
        )
    dataset = open_dataset(strong)
    assert len(dataset.clip("Y--aE2O5G5WE").events) == 2
    assert [(problem.kind, problem.fatal) for problem in dataset.problems] == [
        ("onset is not before offset", True),
        ("time is not a number", True),
        ("time is not a number", True),
        ("event starts before the clip", True),
        ("time is not a number", True),
        ("event without a label", True),
    ]
    assert "line 7: 1.5 to 1.5" in dataset.problems[0].detail


def write_pack(path, names, folder=""):
    rng = np.random.default_rng(1)
    targets = rng.uniform(size=(len(names), 527)) < 0.01
    with h5py.File(path, "w") as pack:
        pack["audio_name"] = np.array([f"{folder}{name}.mp3".encode() for name in names], "S20")
        mp3 = pack.create_dataset("mp3", len(names), h5py.vlen_dtype(np.uint8))
        for row in range(len(names)):
            file = write_audio(path.parent / "tmp.mp3", 2.0 + row)
            mp3[row] = np.frombuffer(file.read_bytes(), np.uint8)
            file.unlink()
        pack["target"] = np.packbits(targets, axis=1)
    return targets


def test_audio_comes_from_packs_where_there_are_any(strong):
    names = ["Y--aE2O5G5WE", "Yunlabelled1"]
    write_pack(strong / "eval_segments_mp3.hdf", names)
    write_pack(strong / "unbalanced_train_segments_mp3.hdf", ["Ya_b-c_d-e_f"], "7/")
    dataset = open_dataset(strong, "audioset-strong")
    assert dataset.ids == ("Y--aE2O5G5WE", "Ya_b-c_d-e_f")
    clip = pickle.loads(pickle.dumps(dataset[0]))
    assert abs(len(clip.waveform()) - 32_000) < 20
    assert "Y--aE2O5G5WE" in clip.audio.name


def test_packs_are_prepared_like_files(strong, tmp_path):
    write_pack(strong / "eval_segments_mp3.hdf", ["Y--aE2O5G5WE", "Ya_b-c_d-e_f"])
    dataset = open_dataset(strong)
    copy = open_dataset(prepare(dataset, tmp_path / "prepared"))
    assert copy.ids == dataset.ids
    assert [clip.audio.source() for clip in copy] == [clip.audio.source() for clip in dataset]
    assert [clip.events for clip in copy] == [clip.events for clip in dataset]


def test_audioset_weak_from_packs_reads_the_targets_in_index_order(tmp_path):
    names = [f"Yclip{number:07d}" for number in range(3)]
    targets = write_pack(tmp_path / "balanced_train_segments_mp3.hdf", names)
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.split, len(dataset.classes)) == ("audioset-weak", "balanced_train", 527)
    for clip, row in zip(dataset, targets, strict=True):
        assert clip.weak == tuple(np.array(weak_classes().names)[row])
    assert [round(clip.seconds) for clip in dataset] == [2, 3, 4]


def test_audioset_weak_from_the_official_table_and_a_folder(tmp_path):
    (tmp_path / "eval_segments.csv").write_text(
        "# Segments csv created Sun Mar  5 10:54:25 2017\n# num_ytids=2\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
        f'--4gqARaEJE, 0.000, 10.000, "{BELL},{SIREN}"\n'
        f'--BfvyPmVMo, 20.000, 30.000, "{SIREN}"\n'
    )
    write_audio(tmp_path / "audio" / "eval" / "Y--4gqARaEJE.mp3")
    dataset = open_dataset(tmp_path)
    assert [(clip.id, clip.weak) for clip in dataset] == [("Y--4gqARaEJE", ("Bell", "Siren"))]
    assert dataset.missing == ("Y--BfvyPmVMo",)


def test_desed_style_tables(tmp_path):
    (tmp_path / "validation.tsv").write_text(
        "filename\tonset\toffset\tevent_label\n"
        "Yabc_30.000_40.000.wav\t0.1\t0.9\tSpeech\n"
        "Yabc_30.000_40.000.wav\t1.1\t1.9\tDog\n"
        "empty.wav\t\t\t\n"
        "gone.wav\t0\t1\tCat\n"
    )
    (tmp_path / "validation_durations.tsv").write_text("filename\tduration\nYabc_30.000_40.000.wav\t1.95\n")
    write_audio(tmp_path / "audio" / "validation" / "Yabc_30.000_40.000.wav")
    write_audio(tmp_path / "audio" / "validation" / "empty.wav")
    dataset = open_dataset(tmp_path, split="validation")
    assert (dataset.layout, dataset.classes.names) == ("desed", ("Cat", "Dog", "Speech"))
    assert [(clip.id, len(clip.events), clip.duration) for clip in dataset] == [
        ("Yabc_30.000_40.000", 2, 1.95),
        ("empty", 0, None),
    ]
    assert dataset.missing == ("gone",)
    assert not dataset.problems
    assert open_dataset(tmp_path / "validation.tsv").ids == dataset.ids


def test_desed_style_weak_tables(tmp_path):
    (tmp_path / "weak.tsv").write_text("filename\tevent_labels\na.wav\tSpeech,Dog\n")
    write_audio(tmp_path / "weak" / "a.wav")
    dataset = open_dataset(tmp_path)
    assert dataset[0].weak == ("Speech", "Dog")
    assert dataset.classes.names == ("Dog", "Speech")


def test_hear_tasks(tmp_path):
    folder = tmp_path / "dcase2016_task2"
    folder.mkdir()
    (folder / "labelvocabulary.csv").write_text("idx,label\n1,laughter\n0,cough\n")
    labels = {"a.wav": [{"label": "cough", "start": 250.0, "end": 1250.0}], "b.wav": [], "gone.wav": []}
    (folder / "train.json").write_text(json.dumps(labels))
    for name in ("a", "b"):
        write_audio(folder / "16000" / "train" / f"{name}.wav")
        write_audio(folder / "48000" / "train" / f"{name}.wav", 1.0)
    dataset = open_dataset(folder)
    assert (dataset.layout, dataset.split, dataset.classes.names) == ("hear", "train", ("cough", "laughter"))
    assert dataset[0].events == (Event(0.25, 1.25, "cough"),)
    assert dataset[1].events == ()
    assert dataset[0].seconds == 2.0
    assert dataset.missing == ("gone",)


def test_hear_scene_labels_are_weak_and_bad_events_are_problems(tmp_path):
    (tmp_path / "labelvocabulary.csv").write_text("idx,label\n0,cough\n")
    (tmp_path / "test.json").write_text(json.dumps({"a.wav": ["cough", {"label": "cough", "start": 9}]}))
    write_audio(tmp_path / "16000" / "test" / "a.wav")
    dataset = open_dataset(tmp_path)
    assert dataset[0].weak == ("cough",)
    assert [problem.fatal for problem in dataset.problems] == [True]


def test_splits_must_be_named_where_there_are_several(tmp_path):
    synthesise(tmp_path, clips=2, eval_clips=1, seconds=1)
    name, splits = recognise(tmp_path)
    assert (name, set(splits)) == ("audioset-strong", {"train", "eval"})
    assert len(open_dataset(tmp_path, split="train")) == 2
    with pytest.raises(UsageError, match="several splits: eval, train"):
        open_dataset(tmp_path)
    with pytest.raises(UsageError, match="no split 'test'"):
        open_dataset(tmp_path, split="test")
    with pytest.raises(UsageError, match="unknown layout 'desd'; did you mean 'desed'"):
        open_dataset(tmp_path, "desd")
    with pytest.raises(DataError, match="is not a data set of a known layout\nhear: "):
        open_dataset(tmp_path, "hear")


def test_audio_may_lie_elsewhere(tmp_path, strong):
    elsewhere = tmp_path / "elsewhere"
    write_audio(elsewhere / "Ygonegonegon.wav")
    assert open_dataset(strong, audio=elsewhere).ids == ("Ygonegonegon",)


def test_two_files_of_one_clip_are_a_problem(strong):
    write_audio(strong / "wavs" / "Y--aE2O5G5WE.mp3")
    problems = open_dataset(strong).problems
    assert [(problem.kind, problem.clip) for problem in problems] == [
        ("several audio files of one clip", "Y--aE2O5G5WE")
    ]


@pytest.mark.parametrize("above", ["", "audio/"])
def test_folders_tell_clips_of_one_name_apart(tmp_path, above):
    rows = [f"{above}{folder}/a.wav\t0\t1\t{folder}\n" for folder in ("cat", "dog")]
    (tmp_path / "eval.tsv").write_text("filename\tonset\toffset\tevent_label\n" + "".join(rows))
    for seconds, folder in enumerate(("cat", "dog"), 1):
        write_audio(tmp_path / "audio" / folder / "a.wav", seconds)
    dataset = open_dataset(tmp_path)
    assert dataset.ids == (f"{above}cat/a", f"{above}dog/a")
    assert [clip.seconds for clip in dataset] == [1, 2]
    assert [clip.events[0].label for clip in dataset] == ["cat", "dog"]
    copy = open_dataset(prepare(dataset, tmp_path / "prepared"))
    assert [(clip.id, clip.events) for clip in copy] == [(clip.id, clip.events) for clip in dataset]


def test_pseudo_labels_are_looked_up_by_name_and_squashed(tmp_path, strong):
    path = tmp_path / "pseudo.hdf5"
    logits = np.random.default_rng(0).normal(size=(2, 447, 250)).astype(np.float16)
    with h5py.File(path, "w") as file:
        file["filenames"] = [b"Ya_b-c_d-e_f.mp3", b"Y--aE2O5G5WE.mp3"]
        file["strong_logits"] = logits
    dataset = open_dataset(strong, pseudo_labels=path)
    first = pickle.loads(pickle.dumps(dataset[0])).pseudo()
    np.testing.assert_allclose(first, 1 / (1 + np.exp(-logits[1].astype(np.float64))), rtol=1e-6)
    assert first.dtype == np.float32
    with pytest.raises(DataError, match="no pseudo labels for 'Ynone'"):
        PseudoLabels(path)("Ynone")
    assert open_dataset(strong)[0].pseudo() is None


def test_event_tables_keep_every_event_in_order_of_onset():
    table = EventTable(["b", "a", "b"], np.array([2.0, 1.0, 0.5]), np.array([3.0, 2.0, 1.0]), ["x", "y", "x"])
    assert table.of("b") == (Event(0.5, 1.0, "x"), Event(2.0, 3.0, "x"))
    assert table.of("none") == ()
    assert (len(table), table.count(["a"]), table.count(["b", "none"])) == (3, 1, 2)
    frame = table.to_frame(["b", "none", "a"])
    assert list(frame.itertuples(index=False, name=None)) == [
        ("b", 0.5, 1.0, "x"),
        ("b", 2.0, 3.0, "x"),
        ("a", 1.0, 2.0, "y"),
    ]
    assert list(table.to_frame([]).columns) == ["clip", "onset", "offset", "label"]


def test_a_data_set_shows_itself(strong):
    (strong / "eval_durations.csv").write_text("Y--aE2O5G5WE,1.99\n")
    dataset = open_dataset(strong)
    assert str(dataset) == (f"'{strong}' (audioset-strong), split 'eval': 2 clips, 4 events, 447 classes")
    events = dataset.to_frame()
    assert [*events.columns] == ["clip", "onset", "offset", "label"]
    assert events.to_dict("records") == dataset.rows()
    assert set(events["clip"]) == {"Y--aE2O5G5WE", "Ya_b-c_d-e_f"}
    clips = dataset.to_frame("clips")
    assert clips[["clip", "events", "labels"]].to_dict("list") == {
        "clip": ["Y--aE2O5G5WE", "Ya_b-c_d-e_f"],
        "events": [2, 2],
        "labels": [(), ()],
    }
    assert clips["duration"][0] == 1.99
    assert np.isnan(clips["duration"][1])
    everything = json.loads(json.dumps(dataset.to_dict()))
    assert everything["clips"][0]["events"][0] == {"onset": 0.5, "offset": 1.2, "label": "Bell"}
    assert everything["missing"] == ["Ygonegonegon"]
    page = dataset._repr_html_()
    assert "<caption>" in page
    assert ">447</td>" in page


@pytest.mark.parametrize("content", ["{", "[]", '{"a.wav": 3}'])
def test_damaged_hear_files_are_refused(tmp_path, content):
    (tmp_path / "labelvocabulary.csv").write_text("idx,label\n0,cough\n")
    (tmp_path / "test.json").write_text(content)
    (tmp_path / "16000" / "test").mkdir(parents=True)
    with pytest.raises(DataError, match=r"test\.json is not"):
        open_dataset(tmp_path)


def test_a_fingerprint_is_that_of_the_content(tmp_path):
    first = synthesise(tmp_path / "one", clips=2, eval_clips=3, seconds=2.0)
    shutil.copytree(first, tmp_path / "copy")
    opened = open_dataset(first, split="eval")
    assert opened.fingerprint() == open_dataset(tmp_path / "copy", split="eval").fingerprint()
    prepared = open_dataset(prepare(opened, tmp_path / "prepared"), split="eval")
    assert prepared.fingerprint() == opened.fingerprint()
    found = {opened.fingerprint(), open_dataset(first, split="train").fingerprint()}
    audio = opened[0].audio.source()
    shutil.copy(opened[1].audio.source(), audio)
    found.add(open_dataset(first, split="eval").fingerprint())
    table = next(first.glob("*eval*strong*.tsv"))
    lines = table.read_text().splitlines()
    table.write_text("\n".join(lines[:-1]) + "\n")
    found.add(open_dataset(first, split="eval").fingerprint())
    assert len(found) == 4
    audio.unlink()
    with pytest.raises(AudioError, match=f"{audio}: No such file"):
        opened.fingerprint()


def test_hear_files_may_begin_with_byte_order_marks(tmp_path):
    write_audio(tmp_path / "16000" / "test" / "a.wav", 1)
    (tmp_path / "labelvocabulary.csv").write_text("\ufeffidx,label\r\n0,dog\r\n")
    (tmp_path / "test.json").write_text('\ufeff{"a.wav": [{"label": "dog", "start": 0, "end": 500}]}')
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == ("dog",)
    assert dataset.clip("a").events == (Event(0.0, 0.5, "dog"),)
