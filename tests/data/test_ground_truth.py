"""Tables of events: the same reader for data sets and for ground truth alone."""

import pytest

from effbench.data.datasets import open_dataset
from effbench.data.ground_truth import read_ground_truth
from effbench.errors import DataError

DESED = "filename\tonset\toffset\tevent_label\n"
AUDIOSET = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "truth.tsv"
        path.write_text(text)
        return path

    return write


def test_ground_truth_in_both_layouts(written):
    desed = written(
        DESED + "x/a.wav\t0.0\t1.0\tSpeech\na.wav\t0.5\t2.0\tSpeech\nb.wav\t\t\t\na.wav\t3\t4\tDog\n"
    )
    speech = [(0.0, 1.0, "Speech"), (0.5, 2.0, "Speech")]
    assert read_ground_truth(desed) == {"a": [*speech, (3.0, 4.0, "Dog")], "b": []}
    audioset = written(AUDIOSET + "abc_def_30000\t0.1\t0.5\t/m/09x0r\n")
    assert read_ground_truth(audioset) == {"Yabc_def": [(0.1, 0.5, "Speech")]}


@pytest.mark.parametrize(
    "text",
    [
        "a\tb\n1\t2\n",
        DESED + "a\t2\t1\tDog\n",
        DESED + "a\t\t\tDog\n",
        DESED + "a\t1\t2\t\n",
        AUDIOSET + "a_0\tsoon\t2\t/m/09x0r\n",
        "",
    ],
)
def test_bad_ground_truth_is_refused(written, text):
    with pytest.raises(DataError, match=r"truth\.tsv"):
        read_ground_truth(written(text))


@pytest.mark.parametrize("nothing", ["nan\tnan\tnan", "\t\tNaN", "\t\t"])
def test_what_pandas_writes_for_no_event_is_a_clip_without_events(written, nothing):
    assert read_ground_truth(written(DESED + f"a.wav\t{nothing}\n")) == {"a": []}


@pytest.mark.parametrize(
    ("mid", "name"),
    [
        ("/m/0912c9", "Vehicle horn, car horn, honking, toot"),  # the weak list says it without "toot"
        ("/m/01jg1z", "Heart murmur"),  # in the weak list alone
        ("/t/dd99998", "Rustle of tests"),  # in a table beside the labels
        ("/t/dd99999", "/t/dd99999"),  # nowhere
    ],
)
def test_labels_of_audioset_have_the_same_names_with_and_without_the_audio(written, mid, name):
    path = written(AUDIOSET + f"abc_30000\t0.1\t0.5\t{mid}\n")
    (path.parent / "mid_to_display_name.tsv").write_text("/t/dd99998\tRustle of tests\n")
    (path.parent / "Yabc.wav").touch()
    assert read_ground_truth(path) == {"Yabc": [(0.1, 0.5, name)]}
    assert open_dataset(path).ground_truth() == read_ground_truth(path)
