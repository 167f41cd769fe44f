"""Scores, events and durations from files that name clips, classes and times in ways of their own."""

import json

import pytest

SCORES = "onset\toffset\tDog\tCat\n" + "".join(
    f"{second}\t{second + 1}\t{0.9 if 2 <= second < 4 else 0.1}\t0.1\n" for second in range(10)
)
HEAD = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def score(effbench, tmp_path):
    """Writes scores of some clips, a ground truth and durations, and evaluates them."""

    def run(truth, *options, clips=("a",), scores=SCORES, durations=None):
        for clip in clips:
            path = tmp_path / "scores" / f"{clip}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(scores)
        (tmp_path / "truth.tsv").write_text(truth)
        if durations:
            (tmp_path / "durations.csv").write_text(durations)
            options += ("--durations", "durations.csv")
        where = ("--scores", "scores", "--ground-truth", "truth.tsv")
        return effbench(
            "evaluate", *where, "--metric", "event_f1", "--median-window", 1, "--format", "json", *options
        )

    return run


def f1(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["values"]["event_f1"]["value"]


@pytest.mark.parametrize(
    ("truth", "clips", "told"),
    [
        (HEAD + "a.wav\t2\t4\tDog\n", ("a.wav",), ""),
        (HEAD + "x/a.wav\t2\t4\tDog\ny/a.wav\t2\t4\tDog\n", ("x/a", "y/a"), ""),
        (HEAD + "audio/x/a.wav\t2\t4\tDog\naudio/y/a.wav\t2\t4\tDog\n", ("x/a", "y/a"), "folders"),
        (HEAD + "Cafe\u0301.wav\t2\t4\tDog\n", ("Caf\u00e9",), "composed"),
        (HEAD + "abcdefghijk.wav\t2\t4\tDog\n", ("Yabcdefghijk_30.000_40.000",), "'abcdefghijk' is"),
        (HEAD + "a.wav\t2\t4\t/m/0bt9lr\n", ("a",), "('/m/0bt9lr' is 'Dog')"),
        (
            HEAD + "a.wav\t2\t4\tDog\n",
            ("a", "b"),
            "1 of 2 clips with scores are not in the ground truth: 'b'",
        ),
        (
            HEAD + "a.wav\t2\t4\tDog\na.wav\t12\t13\tCat\na.wav\t4\t5\tCow\n",
            ("a",),
            "1 of 3 events begin after",
        ),
        ("\t" + HEAD + "0\ta.wav\t2\t4\tDog\n", ("a",), "only numbers the rows"),
    ],
)
def test_what_is_understood_is_scored_and_said(score, truth, clips, told):
    done = score(truth, clips=clips)
    assert f1(done) == (100 if "Cat" not in truth else pytest.approx(66.67, abs=0.1))
    assert told in done.stderr


def test_soft_labels_above_the_given_confidence_are_events(score):
    truth = HEAD.replace("\n", "\tconfidence\n") + "a.wav\t2\t4\tDog\t0.4\na.wav\t5\t6\tDog\t0.2\n"
    assert f1(score(truth, "--confidence", 0.3)) == 100
    done = score(truth)
    assert done.returncode
    assert "0 of 2 labels above 0.5 are events" in done.stderr
    done = score(truth.replace("0.4", "40"))
    assert "a.wav" not in done.stdout
    assert "line 2: confidence is not a number from 0 to 1" in done.stderr


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        (HEAD + "other.wav\t2\t4\tDog\n", "no clip in common: 'other' here, nearest are 'a' there"),
        (HEAD, "truth.tsv: no clip and no event below the first line"),
        ("\x00\x01\n", "truth.tsv is not a table of events\n       It is not text."),
        (HEAD + "a.wav\t2\t4\tdog\n", "events of 'dog', but 'Dog' there"),
        (HEAD + "a.wav\t2\t4\tDogs\na.wav\t2\t4\tDog\na.wav\t6\t7\tDogs\n", "is 'Dogs' the class 'Dog'?"),
        (HEAD + "a.wav\t2000\t4000\tDog\n", "Times are in seconds, not milliseconds"),
        (HEAD + "a.wav\t2\t4\tDog\nb.wav\t2\t4\tDog\n", "Nearest to 'b': 'a'\n"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(score, truth, told):
    done = score(truth)
    assert done.returncode
    assert told in done.stderr


def moved(factor=1, shift=0):
    """The scores at other times."""
    head, *rows = SCORES.splitlines()
    times = ((float(cell) * factor + shift for cell in row.split("\t")[:2]) for row in rows)
    cells = (
        "\t".join([*map(str, pair), *row.split("\t")[2:]]) for pair, row in zip(times, rows, strict=True)
    )
    return "\n".join([head, *cells]) + "\n"


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        (moved(1000), "all events lie in the first 0.04 % of their clips, as if scores were not in seconds"),
        (moved(1, 30), "1 of 1 events end before the scores of their clip begin: 'Dog' from 2 to 4 s in 'a'"),
        (moved(1 / 60), "1 of 1 events begin after the end of their clip"),
    ],
)
def test_scores_on_another_clock_are_refused(score, scores, told):
    done = score(HEAD + "a.wav\t2\t4\tDog\n", scores=scores)
    assert done.returncode == 1
    assert told in done.stderr


def test_long_clips_with_early_events_are_told_or_have_durations(score):
    truth = HEAD + "a.wav\t2\t4\tDog\n"
    assert "as if scores were not in seconds" in score(truth, scores=moved(20)).stderr
    done = score(truth, scores=moved(1000), durations="filename,duration\na.wav,10000\n")
    assert done.returncode == 0
    assert "as if" not in done.stderr


def test_durations_in_another_unit_are_refused(score):
    done = score(HEAD + "a.wav\t2\t4\tDog\n", durations="filename,duration\na.wav,10000\n")
    assert done.returncode == 1
    assert "clip 'a' lasts 10000 s, and its scores end at 10 s" in done.stderr


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        (SCORES.replace("0.9", "0_9", 1), "a.tsv, line 4: '0_9' is not a number under 'Dog'"),
        (SCORES.replace("0.9", "high", 1), "a.tsv, line 4: 'high' is not a number under 'Dog'"),
        (SCORES.replace("0.9", "0,9", 1), "Decimals are written with a point"),
        (SCORES.replace("0.9", "", 1), "a.tsv, line 4: there is nothing under 'Dog'"),
        (SCORES.replace("\t0.1\n", "\n", 1), "a.tsv, line 2: 3 cells under 4 heads"),
        (SCORES.replace("Cat", "Dog"), "a.tsv, line 1: the column 'Dog' is there twice"),
        (SCORES.replace("Cat", "filename"), "a.tsv, line 1: a column 'filename'"),
        (HEAD + "a.wav\t2\t4\tDog\n", "a.tsv is a list of events (it has a column 'event_label')"),
        ("", "a.tsv is not a table of frame scores: it is empty"),
        ("\x00\x01\x02\n", "no column 'onset'\n       It is empty, or not text."),
        (SCORES.replace("2\t3", "two\t3"), "a.tsv, line 4: 'two' is not a number under 'onset'"),
    ],
)
def test_tables_that_are_no_scores_are_refused_by_line(score, scores, told):
    done = score(HEAD + "a.wav\t2\t4\tDog\n", scores=scores)
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.parametrize("change", [("\n", "\t\t\n"), ("\n", "\n \n"), ("\t0.1\n", " \t 0.1\n")])
def test_tables_of_scores_may_have_more_separators_blank_lines_and_spaces(score, change):
    assert f1(score(HEAD + "a.wav\t2\t4\tDog\n", scores=SCORES.replace(*change))) == 100


def test_two_files_of_one_clip_are_refused(score, tmp_path):
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "a.csv").write_text(SCORES.replace("\t", ","))
    done = score(HEAD + "a.wav\t2\t4\tDog\n")
    assert done.returncode == 1
    assert "two files of one clip, 'a'" in done.stderr


def test_a_list_of_events_is_scored_as_sed_eval_does(effbench, tmp_path):
    sed_eval = pytest.importorskip("sed_eval")
    truth = [("a.wav", 2, 4, "Dog"), ("a.wav", 5, 6.5, "Cat"), ("b.wav", 1, 2, "Dog")]
    detected = [("a.wav", 2.1, 4.1, "Dog"), ("a.wav", 5, 8, "Cow"), ("b.wav", 1.3, 2, "Dog")]
    header = ("filename", "onset", "offset", "event_label")
    for name, rows in (("truth.tsv", [*truth, ("c.wav", "", "", "")]), ("detected.csv", detected)):
        separator = "\t" if name == "truth.tsv" else ","
        lines = (separator.join(map(str, row)) for row in (header, *rows))
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    arguments = ("evaluate", "--events", "detected.csv", "--ground-truth", "truth.tsv", "--format", "json")
    done = effbench(*arguments)
    assert done.returncode == 0, done.stderr
    labels = ["Cat", "Cow", "Dog"]
    metric = sed_eval.sound_event.EventBasedMetrics(labels, t_collar=0.2, percentage_of_length=0.2)
    segment = sed_eval.sound_event.SegmentBasedMetrics(labels, time_resolution=1.0)
    for clip in ("a.wav", "b.wav"):
        of_clip = [
            [dict(zip(header, row, strict=True)) for row in rows if row[0] == clip]
            for rows in (truth, detected)
        ]
        metric.evaluate(*of_clip)
        segment.evaluate(*of_clip)
    values = json.loads(done.stdout)["values"]
    for name, reference in (("event_f1", metric), ("segment_f1", segment)):
        expected = reference.results_overall_metrics()["f_measure"]["f_measure"]
        assert values[name]["value"] == pytest.approx(100 * expected)
    by_desed = effbench(*arguments, "--protocol", "desed")
    assert "a list of events has no scores for psds1, psds2: left out of the protocol" in by_desed.stderr
    assert json.loads(by_desed.stdout)["values"]["event_f1"] == values["event_f1"]
    assert "intersection_f1" in json.loads(by_desed.stdout)["values"]
    for option, value, told in (
        ("--protocol", "dcase2016", "in its own way"),
        ("--metric", "psds1", "no scores for psds1: it can be scored by event_f1"),
        ("--metric", "psds", "did you mean"),
        ("--values", "logits", "known to be probabilities"),
        ("--plot", "roc.png", "which a list of events has not"),
    ):
        refused = effbench(*arguments, option, value)
        assert refused.returncode == 2
        assert told in refused.stderr


@pytest.mark.parametrize(
    ("factor", "shift", "code", "told"),
    [
        (1000, 0, 1, "the last event ends at 4000 s, that of the ground truth at 4 s"),
        (25, 0, 0, "no event overlaps with one of the ground truth"),
        (1, 30, 0, "no event overlaps with one of the ground truth"),
    ],
)
def test_events_on_another_clock_are_refused_or_told(effbench, tmp_path, factor, shift, code, told):
    (tmp_path / "truth.tsv").write_text(HEAD + "a.wav\t2\t4\tDog\n")
    (tmp_path / "found.tsv").write_text(HEAD + f"a.wav\t{2 * factor + shift}\t{4 * factor + shift}\tDog\n")
    done = effbench("evaluate", "--events", "found.tsv", "--ground-truth", "truth.tsv")
    assert (done.returncode, told in done.stderr) == (code, True)


def test_a_list_of_events_is_no_table_of_scores(effbench, tmp_path):
    (tmp_path / "truth.tsv").write_text(HEAD + "a.wav\t2\t4\tDog\n")
    done = effbench("evaluate", "--scores", "truth.tsv", "--ground-truth", "truth.tsv")
    assert done.returncode == 1
    assert "Give it as --events." in done.stderr
    (tmp_path / "detected.tsv").write_text(HEAD + "b.wav\t2\t4\tDog\n")
    done = effbench("evaluate", "--events", "detected.tsv", "--ground-truth", "truth.tsv")
    assert done.returncode == 1
    assert "no clip in common: 'b' here, nearest are 'a' there" in done.stderr


def test_gaps_of_frames_are_an_error_or_filled(score):
    lines = SCORES.splitlines(keepends=True)
    gap = "".join(lines[:4] + lines[5:])
    truth = HEAD + "a.wav\t2\t4\tDog\n"
    done = score(truth, scores=gap)
    assert done.returncode == 1
    assert "a gap between frame 3" in done.stderr
    assert "--fill-gaps" in done.stderr
    done = score(HEAD + "a.wav\t2\t3\tDog\n", "--fill-gaps", scores=gap)
    assert f1(done) == 100
    assert json.loads(done.stdout)["setting"]["gaps"] == "filled"
    assert "in 1 of 1 clips (1 s in all)" in done.stderr
