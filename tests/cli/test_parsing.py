"""What a user may write: classes, windows, files."""

import pytest

from effbench.cli.detect import median_frames
from effbench.cli.options import naming
from effbench.data.vocabulary import strong_classes
from effbench.detect.event_decoding import Decoding, check_thresholds, select_classes
from effbench.detect.inputs import find
from effbench.errors import UsageError
from tests.detect import heard

NAMES = strong_classes().names


@pytest.mark.parametrize(
    ("text", "frames"),
    [("9", 9), (" 1 ", 1), ("0.36s", 9), ("360 ms", 9), ("1s", 25), ("0.01s", 1), (".1S", 2), ("40ms", 1)],
)
def test_median_window_in_frames_and_in_time(text, frames):
    assert median_frames(text) == frames


@pytest.mark.parametrize("text", ["", "nine", "0", "-3", "9.5", "0s", "1 min", "99999", "s"])
def test_median_window_that_is_none(text):
    with pytest.raises(UsageError, match="--median-window"):
        median_frames(text)


def test_classes_by_name_and_glob():
    assert select_classes([], NAMES) is None
    assert select_classes(["accelerating, revving, vroom"], NAMES) == (NAMES[0],)
    whistles = select_classes(["*whistle", "SPEECH"], NAMES)
    assert set(whistles) == {name for name in NAMES if name.lower().endswith("whistle")} | {"Speech"}
    assert list(whistles) == sorted(whistles, key=NAMES.index)


def test_unknown_class_suggests():
    with pytest.raises(UsageError, match="did you mean 'Speech'"):
        select_classes(["speach"], NAMES)
    with pytest.raises(UsageError, match="Steam whistle"):
        select_classes(["whistl"], NAMES)


def test_thresholds_are_sorted_probabilities():
    assert check_thresholds([0.5, 0.1, 0.5]) == Decoding((0.5, 0.1, 0.5)).thresholds == (0.1, 0.5)
    for wrong in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match=r"^--threshold: a threshold must be"), naming("--threshold"):
            check_thresholds([wrong])
        with pytest.raises(UsageError, match=r"^a threshold must be"):
            Decoding((wrong,))


@pytest.mark.parametrize(
    "options",
    [{"thresholds": ()}, {"median_window": 0}, {"top": 0}, {"min_duration": -1.0}, {"classes": ("Speach",)}],
)
def test_decoding_that_can_t_be_is_refused_where_it_is_made(options):
    with pytest.raises(UsageError):
        Decoding(**options)


def test_files_of_one_name_are_told_apart(tmp_path):
    for folder in ("a", "b"):
        heard.write(tmp_path / folder / "x.wav", 0.1)
    heard.write(tmp_path / "y.wav", 0.1)
    (tmp_path / ".hidden.wav").touch()
    names = [source.name for source in find([str(tmp_path / "a"), str(tmp_path / "b" / "x.wav")]).sources]
    assert names == ["a/x.wav", "b/x.wav"]
    again = find([str(tmp_path), str(tmp_path / "y.wav"), str(tmp_path / "*" / "x.wav")])
    assert [source.name for source in again.sources] == ["y.wav", "a/x.wav", "b/x.wav"]
