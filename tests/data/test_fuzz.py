"""Hostile bytes: libsndfile is C, so they are decoded in a process of their own, whose death is seen."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from effbench.data.datasets import open_dataset
from effbench.errors import EffbenchError

FORMATS = (
    ("WAV", "PCM_16"),
    ("WAV", "FLOAT"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_24"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
    ("CAF", "ALAC_16"),
    ("AU", "ULAW"),
    ("VOC", "PCM_U8"),
    ("W64", "PCM_16"),
    ("MAT5", "PCM_16"),
    ("NIST", "PCM_16"),
)


def encoded(form, subtype):
    file = io.BytesIO()
    samples = np.random.default_rng(0).standard_normal((2400, 1 if form == "VOC" else 2)) * 0.1
    soundfile.write(file, samples, 24_000 if subtype == "OPUS" else 22_050, format=form, subtype=subtype)
    return file.getvalue()


WHOLE = {pair: encoded(*pair) for pair in FORMATS}
MAGIC = [content[:16] for content in WHOLE.values()]


class Worker:
    """The decoding process; its messages go to a file, so that a traceback would be found there."""

    def __init__(self, log):
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("fuzz_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )

    def decode(self, content):
        self.process.stdin.write(struct.pack("<I", len(content)) + content)
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode()
        assert answer, f"the process died: {self.process.wait()}\n{self.log.read_text()}"
        assert answer.startswith("ok"), answer
        assert "Traceback" not in self.log.read_text()
        return answer.strip()


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    running = Worker(tmp_path_factory.mktemp("fuzz") / "stderr")
    yield running
    running.process.stdin.close()
    assert running.process.wait(10) == 0


def fuzzed(examples):
    def decorate(test):
        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
        return settings(max_examples=examples, deadline=None, suppress_health_check=checks)(test)

    return decorate


@pytest.mark.parametrize("pair", FORMATS, ids="-".join)
def test_whole_files_decode_every_way(worker, pair):
    assert 1500 < int(worker.decode(WHOLE[pair]).split()[1]) < 3000  # ADPCM fills its last block


EDIT = st.tuples(st.integers(0, 200), st.binary(min_size=1, max_size=8))
ANYWHERE = st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8))


@fuzzed(400)
@given(pair=st.sampled_from(FORMATS), edits=st.lists(EDIT | ANYWHERE, min_size=1, max_size=6))
def test_mutated_files_never_crash(worker, pair, edits):
    content = bytearray(WHOLE[pair])
    for place, replacement in edits:
        place %= len(content)
        content[place : place + len(replacement)] = replacement
    worker.decode(bytes(content))


@fuzzed(150)
@given(pair=st.sampled_from(FORMATS), share=st.floats(0, 1), junk=st.binary(max_size=64))
def test_truncated_files_never_crash(worker, pair, share, junk):
    content = WHOLE[pair]
    worker.decode(content[: int(share * len(content))] + junk)


@fuzzed(150)
@given(magic=st.sampled_from([b"", *MAGIC]), junk=st.binary(max_size=4096))
def test_random_bytes_never_crash(worker, magic, junk):
    worker.decode(magic + junk)


CELL = st.text(max_size=8) | st.sampled_from(
    ["", "nan", "inf", "-1", "1e400", "Y", "_", '"', "a\tb", "/m/03kmc9"]
)
HEADERS = (
    "segment_id\tstart_time_seconds\tend_time_seconds\tlabel",
    "filename\tonset\toffset\tevent_label",
    "filename,event_labels",
)


@fuzzed(150)
@given(
    head=st.sampled_from(HEADERS),
    rows=st.lists(st.lists(CELL, max_size=5), max_size=5),
    tail=st.binary(max_size=20),
)
def test_odd_tables_open_or_are_refused_readably(tmp_path, head, rows, tail):
    separator = "\t" if "\t" in head else ","
    text = "\n".join([head, *(separator.join(row) for row in rows)])
    (tmp_path / "eval.tsv").write_bytes(text.encode("utf-8", "surrogatepass") + tail)
    try:
        dataset = open_dataset(tmp_path)
    except EffbenchError:
        return
    assert not len(dataset)
    assert all(problem.detail for problem in dataset.problems)
