"""Events in other files than tables: the same events as in a table, or a refusal by place."""

import json

import pytest

from effbench.data.ground_truth import read_ground_truth
from effbench.errors import DataError

TRUTH = {"a": [(0.5, 2.0, "Dog"), (3.0, 4.0, "Cat")], "b": []}


def jams(*observations, namespace="segment_open"):
    return {"annotations": [{"namespace": namespace, "data": list(observations)}], "file_metadata": {}}


def seen(onset, duration, label):
    return {"time": onset, "duration": duration, "value": label, "confidence": None}


def scaper(label, role="foreground"):
    return {"label": label, "role": role}


FORMS = {
    "hear.json": {
        "hear.json": {
            "a.wav": [
                {"label": "Dog", "start": 500, "end": 2000},
                {"label": "Cat", "start": 3e3, "end": 4e3},
            ],
            "b.wav": [],
        }
    },
    "tracks": {"tracks/a.txt": "0.5\t2.0\tDog\n\\\t100\t200\n3\t4\tCat\n", "tracks/b.txt": ""},
    "jams": {"jams/a.jams": jams(seen(0.5, 1.5, "Dog"), seen(3, 1, "Cat")), "jams/b.jams": jams()},
    "scaper": {
        "scaper/a.jams": jams(
            seen(0, 10, scaper("street", "background")),
            seen(0.5, 1.5, scaper("Dog")),
            seen(3, 1, scaper("Cat")),
            namespace="scaper",
        ),
        "scaper/b.jams": jams(seen(0, 10, scaper("street", "background")), namespace="scaper"),
    },
}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else "\ufeff" + json.dumps(content))


@pytest.mark.parametrize("place", FORMS)
def test_every_form_gives_the_same_events(tmp_path, place):
    write(tmp_path, FORMS[place])
    assert read_ground_truth(tmp_path / place) == TRUTH


def test_tables_without_heads_are_read_by_those_that_are_given(tmp_path):
    path = tmp_path / "truth.txt"
    path.write_text("a.wav\t1\t0.5\t2\tDog\na.wav\t2\t3\t4\tCat\nb.wav\t3\t\t\t\n")
    heads = ("filename", "number", "onset", "offset", "event_label")
    assert read_ground_truth(path, columns=heads) == TRUTH
    with pytest.raises(DataError, match="5 cells under 4 heads"):
        read_ground_truth(path, columns=("filename", "onset", "offset", "event_label"))


@pytest.mark.parametrize(
    ("files", "place", "told"),
    [
        ({"x/a.txt": "0.5\t2.0\tDog\n3\t1\tCat\n"}, "x", "a.txt, line 2: 3 to 1: onset is not before offset"),
        ({"x/a.txt": "0.5 2.0 Dog\n"}, "x", "a.txt, line 1: 1 cells"),
        ({"x/a.txt": "0.5\t2.0\n"}, "x", "a.txt, line 1: event without a label"),
        ({"x/a.txt": "", "x/b.jams": jams()}, "x", "and this both"),
        ({"x/a.md": ""}, "x", "and this neither"),
        ({"h.json": {"a.wav": [{"label": "Dog"}]}}, "h.json", "event 1 of 'a.wav'.*time is not a number"),
        (
            {"h.json": {"a.wav": ["Dog"]}},
            "h.json",
            "h.json is not an object of file names",
        ),
        ({"a.jams": {"annotations": []}}, "a.jams", "a.jams: which annotation"),
        ({"a.jams": jams({"value": "Dog"})}, "a.jams", "observation 1: no time and duration"),
    ],
)
def test_what_is_not_understood_is_refused_by_place(tmp_path, files, place, told):
    write(tmp_path, files)
    with pytest.raises(DataError, match=told):
        read_ground_truth(tmp_path / place)
