"""Any form of the same tables gives the value of the plain ones, or a refusal that names file and line."""

import csv
import gzip
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import effbench
from effbench.errors import EffbenchError

SCORES = [("onset", "offset", "Dog", "Cat, small")] + [
    (str(n), str(n + 1), "0.9" if 2 <= n < 4 else "0.1", "0.8" if n == 6 else "0.1") for n in range(8)
]
TRUTH = [
    ("filename", "onset", "offset", "event_label"),
    ("one.wav", "2.1", "4", "Dog"),
    ("one.wav", "6", "7", "Cat, small"),
    ("tw\u00f6.wav", "3", "4.5", "Dog"),
    ("tw\u00f6.wav", "6", "7.5", "Cat, small"),
    ("none.wav", "", "", ""),
]
DURATIONS = [("filename", "duration"), ("one.wav", "8"), ("tw\u00f6.wav", "8.5"), ("none.wav", "8")]
#: How errors name the tables.
FILES = {
    "scores": r"(one|tw.*|none)\.(wav\.)?tsv",
    "truth": r"truth\.tsv",
    "durations": r"durations\.csv",
}
CLIPS = ("one", "tw\u00f6", "none")

FORMS = st.fixed_dictionaries(
    {
        "separator": st.sampled_from("\t,;"),
        "ending": st.sampled_from(["\n", "\r\n", "\r"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]),
        "head": st.sampled_from([str, str.upper, lambda head: f" {head} "]),
        "index": st.sampled_from([None, "", "Unnamed: 0"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "packed": st.booleans(),
        "blank": st.booleans(),
        "more": st.sampled_from([None, None, "sample_rate", "onset", "duration"]),
        "damage": st.sampled_from([None, None, None, None, "comma", "text", "empty", "long"]),
    }
)


def write(path, rows, form, names=4):
    """Writes a table in a form; the heads of the first ``names`` columns are not case-sensitive."""
    heads = [form["head"](head) if n < names else head for n, head in enumerate(rows[0])]
    table = [heads, *map(list, rows[1:])]
    if form["damage"]:
        column = max(n for n, head in enumerate(rows[0]) if head in ("onset", "offset", "duration"))
        cell = table[1][column]
        table[1][column] = {"comma": f"{cell},5", "text": "x", "empty": "", "long": cell}[form["damage"]]
        table[1] += ["more"] if form["damage"] == "long" else []
    if form["more"] and form["more"] not in rows[0]:
        table = [[row[0], form["more"] if n == 0 else "16000", *row[1:]] for n, row in enumerate(table)]
    if form["index"] is not None:
        table = [[form["index"] if n == 0 else str(n - 1), *row] for n, row in enumerate(table)]
    text = io.StringIO()
    csv.writer(
        text, delimiter=form["separator"], lineterminator=form["ending"], quoting=form["quoting"]
    ).writerows(table)
    content = (text.getvalue() + form["ending"] * form["blank"]).encode(form["encoding"])
    if form["packed"]:
        path = path.with_name(f"{path.name}.gz")
        content = gzip.compress(content)
    path.write_bytes(content)
    return path


PLAIN = {
    "separator": "\t", "ending": "\n", "encoding": "utf-8", "head": str, "index": None,
    "quoting": csv.QUOTE_MINIMAL, "packed": False, "blank": False, "more": None, "damage": None,
}  # fmt: skip


def evaluated(folder, scores, truth, durations, named):
    """Values of the tables in these forms, written into an empty folder."""
    (folder / "scores").mkdir(parents=True)
    for clip in CLIPS:
        write(folder / "scores" / f"{named.format(clip)}.tsv", SCORES, {**scores, "more": None}, names=2)
    found = effbench.evaluate(
        scores=folder / "scores",
        ground_truth=write(folder / "truth.tsv", TRUTH, truth),
        durations=write(folder / "durations.csv", DURATIONS, durations),
        metrics=["psds1", "segment"],
        median_window=1,
    )
    return found.to_dict()["values"]


#: Encodings in which a table may be refused: without a mark at its beginning they can't be told for sure.
UNSURE = ("utf-16-le", "latin-1")


@pytest.mark.filterwarnings("ignore::effbench.errors.EffbenchWarning")
@settings(max_examples=100, deadline=None)
@given(
    changed=st.sets(st.sampled_from(["scores", "truth", "durations"]), min_size=1),
    drawn=st.fixed_dictionaries(dict.fromkeys(("scores", "truth", "durations"), FORMS)),
    named=st.sampled_from(["{}", "{}.wav"]),
)
def test_tables_give_the_plain_value_or_one_is_refused_by_name(tmp_path_factory, changed, drawn, named):
    plain = dict.fromkeys(drawn, PLAIN)
    forms = plain | {name: drawn[name] for name in changed}
    folder = tmp_path_factory.mktemp("forms")
    try:
        values = evaluated(folder, **forms, named=named)
    except EffbenchError as error:
        told = str(error)
        refused = [name for name, file in FILES.items() if re.search(file, told)]
        assert refused
        bad = [forms[name] for name in refused if forms[name]["damage"] or forms[name]["encoding"] in UNSURE]
        assert bad
        if all(form["encoding"].startswith("utf-8") for form in bad):
            assert re.search(r"line \d+", told)
        return
    assert not any(form["damage"] for form in forms.values())
    assert values == evaluated(folder / "plain", **plain, named="{}")
