"""One reader for every table: what people's tables look like, and what they can't be."""

import gzip

import pytest

from effbench.data.clip_names import match_names, name_clips, stem
from effbench.data.durations import read_durations
from effbench.data.ground_truth import audioset_clip, read_ground_truth
from effbench.errors import DataError

EVENTS = "filename,onset,offset,event_label\na.wav,2.0,4.0,Dog\nb.wav,,,\n"
TRUTH = {"a": [(2.0, 4.0, "Dog")], "b": []}


def write(path, content):
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        EVENTS,
        EVENTS.replace(",", "\t"),
        EVENTS.replace(",", ";"),
        EVENTS.replace("\n", "\r\n"),
        EVENTS.replace("filename,onset", " Filename , ONSET"),
        EVENTS.replace("\n", '"\n').replace(",", '","').replace("\n", '\n"', 2).join('""')[:-1],
        EVENTS.replace("b.wav,,,", "b.wav"),
        EVENTS.replace("b.wav,,,", "b.wav,nan,NaN,NA"),
        EVENTS.replace("\n", "\n\n"),
        EVENTS.replace("\n", ",,\n"),
        EVENTS.encode("utf-8-sig"),
        EVENTS.encode("utf-16"),
        b"\xfe\xff" + EVENTS.encode("utf-16-be"),
        gzip.compress(EVENTS.encode(), mtime=0),
        ",filename,onset,offset,event_label\n0,a.wav,2.0,4.0,Dog\n1,b.wav,,,\n",
        "Unnamed: 0,filename,onset,offset,event_label\n0,a.wav,2.0,4.0,Dog\n1,b.wav,,,\n",
        "file\tevent_onset\tevent_offset\tevent_label\na.wav\t2\t4\tDog\nb.wav\t\t\t\n",
        "File;Start (s);End_Time;Class\na.wav;2;4;Dog\nb.wav;;;\n",
        "path,begin,offset,event_label,label\na.wav,2,4,Dog,x\nb.wav,,,,x\n",
        EVENTS.replace("\n", ',"x, y"\n').replace('label,"x, y"', "label,remark"),
    ],
)
def test_every_form_of_a_table_gives_the_same_events(tmp_path, content):
    assert read_ground_truth(write(tmp_path / "truth.csv", content)) == TRUTH


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (EVENTS.replace("b.wav", ""), None),
        (EVENTS + ",1,2,Dog\n", "line 4: row without a file name"),
        (EVENTS.replace("2.0,4.0", "2,0,4,0"), "line 2: 6 cells under 4 heads"),
        (EVENTS.replace(",", ";").replace("2.0", "2,0"), "line 2.*written with a point"),
        (EVENTS.replace("2.0,4.0,Dog", "2.0,4.0,NA"), "line 2: event without a label"),
        (EVENTS.replace("offset", "onset", 1), "add offset"),
        (EVENTS.replace("onset", "start_ms"), "add onset"),
        (EVENTS.replace("onset", "start,start_s"), "is nearly a table of events"),
        (EVENTS.replace("event_label", "event_label,onset"), "line 1: the column 'onset' is there twice"),
        (EVENTS.replace("Dog", '"Dog'), "line 2: "),
        (EVENTS.replace("Dog", "Hündchen").encode("latin-1"), "line 2: not text in UTF-8"),
        (EVENTS.encode("utf-16-le"), "truth"),
        (gzip.compress(EVENTS.encode(), mtime=0)[:-12], "truth"),
        ("", "truth"),
    ],
)
def test_what_is_not_understood_is_refused_by_file_and_line(tmp_path, content, told):
    path = write(tmp_path / "truth.csv", content)
    if told is None:
        assert read_ground_truth(path) == {"a": TRUTH["a"]}
        return
    with pytest.raises(DataError, match=rf"truth\.csv.*{told}|{told}"):
        read_ground_truth(path)


@pytest.mark.parametrize(
    "content",
    [
        "a.wav,10\nb.wav,8.5\n",
        "\ufefffilename,duration\na.wav,10\nb.wav,8.5\n",
        "filename,sample_rate,duration\na.wav,16000,10\nb.wav,16000,8.5\n",
        "Length (s);File\n10;a.wav\n8.5;b.wav\n",
        ",filename,duration\n0,a.wav,10\n1,b.wav,8.5\n",
        "a.wav,10\na.wav,10.0\nb.wav,8.5\n",
    ],
)
def test_durations_are_found_by_name(tmp_path, content):
    assert read_durations(write(tmp_path / "durations.csv", content)) == {"a": 10.0, "b": 8.5}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("filename,sample_rate\na.wav,16000\n", "which column has the seconds"),
        ("filename,duration_ms\na.wav,10000\n", "which column has the seconds"),
        ("filename,length,duration\na.wav,160000,10\n", "which column has the seconds"),
        ("a.wav,10\na.wav,11\n", "line 2: 'a.wav' lasts 11 s here, and 10 s in line 1"),
        ("a.wav,10\na.mp3,11\n", "line 2: clip 'a' lasts 11 s"),
        ("filename;duration\na.wav;1,5\n", "line 2: .*\nDecimals are written with a point"),
        ("a.wav,1,5\n", "which column"),
        ("filename,duration\na.wav,1,5\n", "line 2: .*\nDecimals are written with a point"),
        ("filename,duration\n,5\n", "line 2: a duration without a file name"),
        ("filename,duration\na.wav,-1\n", "line 2: a duration of '-1'"),
        ("filename,duration\na.wav,long\n", "line 2: a duration of 'long'"),
    ],
)
def test_durations_that_are_not_clear_are_refused(tmp_path, content, told):
    with pytest.raises(DataError, match=told):
        read_durations(write(tmp_path / "durations.csv", content))


def test_only_known_suffixes_are_stripped_and_once():
    names = ["x/mix_snr-5.5dB.wav", "mix_snr-5.5dB", "a.WAV.tsv", "a.wav", "Y1_30.000", ".wav", "a\\b.flac"]
    assert [stem(name) for name in names] == [
        *("mix_snr-5.5dB", "mix_snr-5.5dB", "a.WAV", "a", "Y1_30.000", ".wav", "b"),
    ]


def test_folders_are_part_of_a_name_where_they_tell_clips_apart():
    names = ["x/a.wav", "y/a.wav", "x/b.wav", "b.wav"]
    assert name_clips(names) == {"x/a.wav": "x/a", "y/a.wav": "y/a", "x/b.wav": "b", "b.wav": "b"}


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("Cafe\u0301", "Caf\u00e9"),
        ("audio/x/a", "x/a"),
        ("abcdefghijk", "Yabcdefghijk"),
        ("abcdefghijk_30000", "Yabcdefghijk_30.000_40.000"),
        ("Yabcdefghijk", "abcdefghijk_30000"),
    ],
)
def test_names_match_by_rules_that_are_said(name, clip):
    matched = match_names([name], ["other", clip])
    assert matched.clip_of == {name: clip}
    assert f"('{name}' is '{clip}')" in matched.rules[0]


@pytest.mark.parametrize(
    ("name", "clips", "ambiguous"),
    [
        ("abcdefghijk_30000", ["Yabcdefghijk_40.000_50.000"], False),
        ("a_1", ["a_2", "a"], False),
        ("a", ["x/a", "y/a"], True),
        ("abcdefghijk", ["abcdefghijk_0", "abcdefghijk_30000"], True),
    ],
)
def test_names_that_are_not_clearly_one_clip_match_none(name, clips, ambiguous):
    matched = match_names([name], clips)
    assert not matched.clip_of
    assert (matched.ambiguous if ambiguous else matched.unmatched) == (name,)


@pytest.mark.parametrize(
    ("segment", "clip"),
    [
        ("abc_def_30000", "Yabc_def"),
        ("abc_def_30000_30000", "Yabc_def_30000"),
        ("Yabcdefghijk_30.000_40.000", "Yabcdefghijk"),
        ("Yabcdefghijk", "Yabcdefghijk"),
        ("abcdefghijk", "Yabcdefghijk"),
    ],
)
def test_segments_of_audioset_are_named_by_their_recording(segment, clip):
    assert audioset_clip(segment) == clip
