"""Data sets as they are published, and folders with a table: every split, clip and event, or a refusal."""

import json
import math

import numpy as np
import pytest
import soundfile
import torch

from effbench.data.datasets import open_dataset, recognise
from effbench.data.labels import Event
from effbench.errors import DataError
from effbench.evaluate.api import evaluate
from effbench.models.build import build_model
from effbench.models.checkpoints import save_checkpoint

HEAD = "filename\tonset\toffset\tevent_label\n"


def lay(top, tree, seconds=3.0):
    """Write files by path: text, or for ``None`` noise of some seconds."""
    for name, content in tree.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            noise = np.random.default_rng(len(name)).standard_normal(int(seconds * 16_000)) * 0.1
            soundfile.write(path, noise, 16_000)
        else:
            path.write_text(content)
    return top


DESED = {
    "audio/train/weak/Yw_1.wav": None,
    "audio/train/strong_label_real/Ys.wav": None,
    "audio/train/synthetic21_train/soundscapes/7.wav": None,
    "audio/validation/validation/Yv_30.000_40.000.wav": None,
    "audio/validation/validation/Yquiet.wav": None,
    "audio/eval/public/Yp.wav": None,
    "metadata/train/weak.tsv": "filename\tevent_labels\nYw_1.wav\tSpeech,Dog\n",
    "metadata/train/audioset_strong.tsv": f"{HEAD}Ys.wav\t0.0\t1.5\tCat\n",
    "metadata/train/synthetic21_train/soundscapes.tsv": f"{HEAD}7.wav\t0.5\t1.0\tDog\n7.wav\t1\t2\tDog\n",
    "metadata/validation/validation.tsv": f"{HEAD}Yv_30.000_40.000.wav\t0.25\t1\tFrying\n",
    "metadata/validation/validation_durations.tsv": "filename\tduration\n"
    "Yv_30.000_40.000.wav\t3.0\nYquiet.wav\t3.0\n",
    "metadata/eval/public.tsv": f"{HEAD}Yp.wav\t0\t1\tSpeech\nYgone.wav\t0\t1\tSpeech\n",
    "metadata/train/unlabel_in_domain.tsv": "filename\nYu.wav\n",
}
FSD50K = {
    "FSD50K.ground_truth/dev.csv": "fname,labels,mids,split\n"
    '64760,"Guitar,Music","/m/0342h,/m/04rlf",train\n16399,Bark,/m/05tny_,val\n',
    "FSD50K.ground_truth/eval.csv": "fname,labels,mids\n37199,Bark,/m/05tny_\n",
    "FSD50K.ground_truth/vocabulary.csv": "0,Music,/m/04rlf\n1,Bark,/m/05tny_\n2,Guitar,/m/0342h\n",
    "FSD50K.dev_audio/64760.wav": None,
    "FSD50K.dev_audio/16399.wav": None,
    "FSD50K.eval_audio/37199.wav": None,
}
URBAN_SED = {
    f"{kind}_{split}/{split}0.{suffix}".replace(f"_{split}", f"/{split}"): content
    for split in ("train", "validate", "test")
    for kind, suffix, content in (
        ("audio", "wav", None),
        ("annotations", "txt", "0.5\t1.25\tsiren\n0.75\t2.0\tdog_bark\n"),
        ("annotations", "jams", json.dumps({"annotations": []})),
    )
} | {"audio/test/quiet.wav": None, "annotations/test/quiet.txt": "", "annotations/test/quiet.jams": "{}"}
MAESTRO = {
    "development_audio/cafe/cafe_00.wav": None,
    "development_audio/street/street_00.wav": None,
    "development_annotation/soft_labels_cafe/cafe_00.txt": "0\t1\tcutlery\t0.5\n0\t1\tpeople\t0.8\n"
    "1\t2\tcutlery\t0.51\n1\t2\tpeople\t1.0\n2\t3\tcutlery\t0.0\n2\t3\tpeople\t0.2\n",
    "development_annotation/soft_labels_street/street_00.txt": "0\t1\tcar\t0.1\n1\t2\tcar\t0.9\n"
    "2\t3\twind\t0\n",
}
TUT_AUDIO = {f"audio/street/a{number}.wav": None for number in (1, 2, 3)}
TUT_FOLDS = {
    "evaluation_setup/street_fold1_train.txt": "audio/street/a1.wav\tstreet\t0.1\t0.5\tcar\n",
    "evaluation_setup/street_fold1_test.txt": "audio/street/a2.wav\naudio/street/a3.wav\n",
    "evaluation_setup/street_fold1_evaluate.txt": "audio/street/a2.wav\tstreet\t1\t2\tchildren\n",
}
TUT_2017 = {
    **TUT_AUDIO,
    **TUT_FOLDS,
    "meta.txt": "audio/street/a1.wav\tstreet\t0.1\t0.5\tcar\tm\naudio/street/a1.wav\tstreet\t1\t2\tcar\tm\n"
    "audio/street/a2.wav\tstreet\t1\t2\tchildren\tm\naudio/street/a3.wav\tstreet\n",
}
TUT_2016 = {
    **TUT_AUDIO,
    "audio/home/a1.wav": None,
    "meta.txt": "".join(f"audio/street/a{number}.wav\tstreet\n" for number in (1, 2, 3))
    + "audio/home/a1.wav\thome\n",
    "meta/street/a1.ann": "0.1\t0.5\tcar\n1\t2\tcar\n",
    "meta/street/a2.ann": "1\t2\tchildren\n",
    "meta/street/a3.ann": "",
    "meta/home/a1.ann": "0\t1\tdishes\n",
}

#: Files; layout; clips, missing clips, events and classes that occur, by split; all classes.
TREES = {
    "desed": (
        DESED,
        "desed-tree",
        {
            "strong_label_real": (1, 0, 1, 1),
            "weak": (1, 0, 0, 2),
            "synthetic21_train": (1, 0, 2, 1),
            "validation": (2, 0, 1, 1),
            "public": (1, 1, 1, 1),
        },
        ("Cat", "Dog", "Frying", "Speech"),
    ),
    "fsd50k": (
        FSD50K,
        "fsd50k",
        {"train": (1, 0, 0, 2), "val": (1, 0, 0, 1), "eval": (1, 0, 0, 1)},
        ("Music", "Bark", "Guitar"),
    ),
    "urban-sed": (
        URBAN_SED,
        "urban-sed",
        {"train": (1, 0, 2, 2), "validate": (1, 0, 2, 2), "test": (2, 0, 2, 2)},
        ("dog_bark", "siren"),
    ),
    "maestro": (
        MAESTRO,
        "maestro-real",
        {"cafe": (1, 0, 2, 2), "street": (1, 0, 1, 1)},
        ("car", "cutlery", "people"),
    ),
    "tut-2017": (
        TUT_2017,
        "tut",
        {"street_fold1_train": (1, 0, 2, 1), "street_fold1_test": (2, 0, 1, 1)},
        ("car", "children"),
    ),
    "tut-2016": (
        TUT_2016,
        "tut",
        {"street": (3, 0, 3, 2), "home": (1, 0, 1, 1)},
        ("car", "children", "dishes"),
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_published_trees_are_recognised_and_counted(effbench, tmp_path, name):
    files, layout, expected, classes = TREES[name]
    lay(tmp_path / "any name", files)
    done = effbench("data", "check", "any name", "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {row["layout"] for row in report["splits"]} == {layout}
    columns = ("clips", "missing", "events", "classes")
    assert {row["split"]: tuple(row[c] for c in columns) for row in report["splits"]} == expected
    assert all(
        open_dataset(tmp_path / "any name", split=split).classes.names == classes for split in expected
    )


def test_a_tree_has_its_events_and_durations(tmp_path):
    lay(tmp_path / "dataset", DESED)
    validation = open_dataset(tmp_path, split="validation")
    assert validation.clip("Yv_30.000_40.000").events == (Event(0.25, 1.0, "Frying"),)
    assert validation.known_durations == {"Yquiet": 3.0, "Yv_30.000_40.000": 3.0}
    assert open_dataset(tmp_path, split="weak")[0].weak == ("Speech", "Dog")
    elsewhere = lay(tmp_path / "other", {"Ygone.wav": None})
    assert open_dataset(tmp_path, split="public", audio=elsewhere).ids == ("Ygone",)


def test_seconds_of_soft_labels_are_events_above_one_half(effbench, tmp_path):
    lay(tmp_path, MAESTRO)
    cafe = open_dataset(tmp_path, split="cafe")
    assert cafe[0].events == (Event(0.0, 2.0, "people"), Event(1.0, 2.0, "cutlery"))
    done = effbench("data", "check", ".")
    assert "soft_labels_cafe has a confidence: 3 of 6 labels above 0.5 are events" in done.stderr


def test_clips_of_one_name_are_told_apart_by_their_scenes(tmp_path):
    lay(tmp_path, TUT_2016)
    assert open_dataset(tmp_path, split="home").ids == ("audio/home/a1",)
    assert open_dataset(tmp_path, split="street").ids == ("a2", "a3", "audio/street/a1")


def test_vocabulary_gives_order_and_ids(tmp_path):
    classes = open_dataset(lay(tmp_path, FSD50K), split="val").classes
    assert classes.by_mid == {"/m/04rlf": "Music", "/m/05tny_": "Bark", "/m/0342h": "Guitar"}


@pytest.mark.parametrize(
    ("files", "changed", "told"),
    [
        (DESED, {"labels.csv": HEAD}, "is a data set of 2 layouts"),
        (DESED, {"metadata/train/validation.tsv": HEAD}, "are both of a split 'validation'"),
        (FSD50K, {"FSD50K.ground_truth/vocabulary.csv": "1,Music\n"}, "expected lines of index, name and id"),
        (URBAN_SED, {"annotations/train/new.jams": "{}"}, "holds label tracks"),
        (URBAN_SED, {"annotations/train/train0.txt": "0 1 siren\n"}, "parted by tabs"),
        (
            TUT_2017,
            {"evaluation_setup/a_train.txt": "audio/street/a9.wav\n"},
            "line 1: 'audio/street/a9.wav'",
        ),
        (TUT_2017, {"meta.txt": "audio/street/a1.wav\tstreet\t1\n"}, "line 1: 3 cells"),
        (TUT_2016, {"meta.txt": "audio/street/a4.wav\tstreet\n"}, "street/a4.ann"),
        ({"audio/a.wav": None, "notes.txt": "hello"}, {}, "not a data set of a known layout"),
    ],
)
def test_what_fits_two_layouts_or_none_is_refused_in_words(effbench, tmp_path, files, changed, told):
    lay(tmp_path / "data", {**files, **changed}, 0.1)
    done = effbench("data", "check", "data")
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


def test_soft_labels_that_are_no_numbers_are_fatal(effbench, tmp_path):
    name = "development_annotation/soft_labels_cafe/cafe_00.txt"
    lay(tmp_path, {**MAESTRO, name: "0\t1\tcutlery\thigh\n1\t2\tcutlery\t0.9\n"})
    done = effbench("data", "check", ".", "--split", "cafe")
    assert done.returncode == 1
    assert "confidence is not a number" in done.stdout


def train(effbench, data, recipe, training, validation, *more, name="run", options=()):
    what = ("--model", "fmn01", "--recipe", recipe, "--data", data, "--name", name, *options)
    splits = (f"data.train_split={training}", f"data.validation_split={validation}")
    changes = (*splits, "epochs=1", "data.crop_seconds=1", "precision=fp32", *more)
    sets = (part for change in changes for part in ("--set", change))
    return effbench("train", *what, "--no-store", "--logger", "none", *sets)


def test_a_tree_is_prepared_trained_on_and_scored(effbench, tmp_path):
    lay(tmp_path / "urban", URBAN_SED)
    done = effbench("data", "prepare", "urban", "--out", "prepared")
    assert done.returncode == 0, done.stderr
    for split in ("train", "test"):
        tree, copy = (open_dataset(tmp_path / data, split=split) for data in ("urban", "prepared"))
        assert (copy.ground_truth(), copy.classes) == (tree.ground_truth(), tree.classes)
    done = train(effbench, "urban", "synthetic-cpu", "train", "validate")
    assert done.returncode == 0, done.stderr
    (tmp_path / "urban" / "labels.csv").write_text(HEAD)
    done = train(effbench, "urban", "synthetic-cpu", "train", "validate", name="other")
    assert (done.returncode, "is a data set of 2 layouts" in done.stderr) == (1, True)
    done = train(
        effbench,
        "urban",
        "synthetic-cpu",
        "train",
        "validate",
        name="other",
        options=["--layout", "urban-sed"],
    )
    assert done.returncode == 0, done.stderr
    done = effbench("train", "--resume", "runs/other", "--no-store")
    assert (done.returncode, "is finished already" in done.stderr) == (0, True)
    (tmp_path / "urban" / "labels.csv").unlink()
    options = ("--split", "test", "--no-store", "--format", "json")
    scored = [
        effbench("evaluate", "--checkpoint", "runs/run", "--data", data, *options).stdout
        for data in ("urban", "prepared")
    ]
    values = [json.loads(text)["values"] for text in scored]
    assert values[0] == values[1]


def test_labels_of_clips_train_the_clip_wise_head_and_score_clips_alone(effbench, tmp_path):
    lay(tmp_path / "fsd", FSD50K)
    done = train(effbench, "fsd", "synthetic-cpu", "train", "val")
    assert (done.returncode, done.stderr.count("'train' has no events to train or score frames with")) == (
        1,
        1,
    )
    done = train(effbench, "fsd", "audioset-weak", "train+val", "eval", "data.epoch_items=2")
    assert done.returncode == 0, done.stderr
    assert "map" in done.stdout
    options = ("--model", "fmn01", "--data", "fsd", "--split", "eval", "--no-store")
    done = effbench("evaluate", *options)
    assert done.returncode == 1
    assert "'eval' has labels of whole clips, and no events to score psds1 with" in done.stderr


def test_frame_scores_of_clips_are_compared_with_their_labels(tmp_path):
    weak = {"metadata/train/weak.tsv": "filename\tevent_labels\nYw_1.wav\tSpeech\nYw_2.wav\tSpeech,Dog\n"}
    data = open_dataset(lay(tmp_path, {**DESED, **weak, "audio/train/weak/Yw_2.wav": None}), split="weak")
    detector = build_model("fmn01", n_classes=4, seed=0)
    found = evaluate(detector, data=data, metrics=["map"], median_window=1)
    assert (found.clips, found.classes, found.events) == (2, 2, 3)
    assert found.values["map"].value in (0.75, 1.0)  # speech is in all clips; dogs are in one of the two


def test_a_table_may_have_any_name_and_lie_anywhere(effbench, tmp_path):
    table = "File;Start (s);End (s);Class\nx/a.wav;0.5;1;Dog\nb;;;\n"
    lay(tmp_path, {"somewhere/Export 3.csv": table, "sounds/x/a.wav": None, "sounds/b.wav": None})
    for place in ("somewhere", "somewhere/Export 3.csv"):
        done = effbench("data", "check", place, "--audio", "sounds", "--format", "json")
        assert done.returncode == 0, done.stderr
        (split,) = json.loads(done.stdout)["splits"]
        assert (split["clips"], split["events"], split["missing"]) == (2, 1, 0)
    assert "start (s) as onset" in done.stderr


def test_recordings_that_no_labels_name_are_said(effbench, tmp_path):
    lay(tmp_path, {**URBAN_SED, "audio/train/new.wav": None, "audio/train/notes.pdf": "x"})
    done = effbench("data", "check", ".", "--format", "json")
    assert done.returncode == 0, done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["split"], problem["problem"], problem["clip"]) == (
        "train",
        "audio that no labels name",
        "new",
    )
    assert problem["detail"] == "1 file, audio/train/new.wav first"


def test_milliseconds_are_refused_where_clips_are_trained_on_or_scored(effbench, tmp_path):
    lay(tmp_path, {"mine.csv": "file,start,end,label\na.wav,500,1000,Dog\n", "a.wav": None})
    detector = build_model("fmn01", n_classes=1, seed=0)
    with pytest.raises(DataError, match="1 of 1 events begin after the end"):
        evaluate(detector, data=tmp_path)
    done = train(effbench, ".", "synthetic-cpu", "mine", "mine")
    assert done.returncode == 1
    assert "1 of 1 events begin after the end of their clip" in done.stderr


def test_a_column_says_which_split_a_clip_is_in(effbench, tmp_path):
    table = "filename,onset,offset,event_label,split\n"
    table += "a.wav,0,1,Dog,train\na.wav,1,2,Cat,train\nb.wav,0,1,Cat,eval\n"
    lay(tmp_path, {"all.csv": table, "a.wav": None, "b.wav": None})
    assert list(recognise(tmp_path)[1]) == ["train", "eval"]
    assert open_dataset(tmp_path, split="train").ground_truth() == {"a": [(0, 1, "Dog"), (1, 2, "Cat")]}
    assert open_dataset(tmp_path, split="eval").classes.names == ("Cat", "Dog")
    done = effbench("data", "split", "all.csv")
    assert (done.returncode, done.stderr.count("splits it already")) == (2, 1)
    for changed, told in (("", "is empty"), ("eval", "line 3: 'a.wav' is in 'eval', too")):
        (tmp_path / "all.csv").write_text(table.replace("train", changed, 1))
        done = effbench("data", "check", ".")
        assert done.returncode == 1
        assert told in done.stderr


@pytest.mark.parametrize(
    ("tree", "split", "protocol", "heard", "expected"),
    [
        # In ten seconds: people in two of ten that are heard, cutlery in one that is not; no cars.
        (
            MAESTRO,
            "cafe",
            "maestro",
            "people",
            {
                "pauroc": 0.0,
                "segment_f1": 4 / (4 + 8 + 1),
                "segment_f1_macro": (4 / (4 + 8) + 0) / 2,
                "segment_error_rate": (8 + 1) / 3,
                "segment_f1_best": (4 / (4 + 8) + 2 / (2 + 9)) / 2,
            },
        ),
        # One car from the beginning on, where there are two: the first 100 ms later.
        (
            TUT_2017,
            "street_fold1_train",
            "dcase2016",
            "car",
            {
                "onset_f1": 2 / (2 + 0 + 1),
                "onset_f1_50ms": 0.0,
                "onset_50ms_error_rate": (2 + 1) / 2,
                "segment_f1": 4 / (4 + 8),
                "segment_error_rate": 8 / 2,
            },
        ),
    ],
)
def test_a_tree_is_scored_by_its_protocol(effbench, tmp_path, tree, split, protocol, heard, expected):
    classes = open_dataset(lay(tmp_path / "tree", tree, seconds=10), split=split).classes.names
    detector = build_model("fmn01", n_classes=len(classes), seed=0)
    with torch.no_grad():
        detector.strong_head.weight.zero_()
        detector.strong_head.bias.copy_(torch.tensor([10.0 if name == heard else -10.0 for name in classes]))
    save_checkpoint(detector, tmp_path / "always.pt", "fmn01", classes=classes)
    options = ("--data", "tree", "--split", split, "--protocol", protocol, "--no-store", "--format", "json")
    done = effbench("evaluate", "--model", "fmn01", "--checkpoint", "always.pt", *options)
    assert done.returncode == 0, done.stderr
    values = {name: given["value"] for name, given in json.loads(done.stdout)["values"].items()}
    assert all(map(math.isfinite, values.values()))
    for name, value in expected.items():
        assert values[name] == pytest.approx(value * (1 if "rate" in name else 100)), name
