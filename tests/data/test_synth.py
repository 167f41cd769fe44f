import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import psutil
import pytest
import soundfile

from effbench.data.audio import read_audio
from effbench.data.synth import SOUNDS, synthesise
from effbench.data.synth.scene import plan_scene, render_scene
from effbench.data.vocabulary import strong_classes
from effbench.errors import UsageError
from effbench.grid import SAMPLE_RATE

SMALL = {"clips": 6, "eval_clips": 3, "seconds": 4}


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_there_are_at_least_ten_scored_audioset_strong_classes():
    assert len(SOUNDS) >= 10
    assert set(SOUNDS) <= strong_classes().scored


@pytest.mark.parametrize("layout", ["audioset", "hear"])
def test_the_same_options_give_the_same_bytes_whatever_the_number_of_processes(tmp_path, layout):
    options = {"clips": 17, "eval_clips": 2, "seconds": 2, "layout": layout}
    one = synthesise(tmp_path / "one", **options)
    two = synthesise(tmp_path / "two", processes=2, **options)
    other = synthesise(tmp_path / "other", seed=1, **options)
    assert digest(one) == digest(two)
    assert len(set(digest(one).values()) & set(digest(other).values())) <= 3  # durations, vocabulary


def test_audioset_layout(tmp_path):
    folder = synthesise(tmp_path, **SMALL)
    header, *rows = (folder / "audioset_train_strong.tsv").read_text().splitlines()
    assert header == "segment_id\tstart_time_seconds\tend_time_seconds\tlabel"
    names = {strong_classes().by_mid[row.split("\t")[3]] for row in rows}
    assert names <= set(SOUNDS)
    durations = (folder / "eval_durations.csv").read_text().splitlines()
    assert durations[0] == "Yeval0000000,4.0"
    assert len(durations) == 3
    for name, seconds in (line.split(",") for line in durations):
        info = soundfile.info(folder / "audio" / "eval" / f"{name}.flac")
        assert (info.samplerate, info.channels, info.duration) == (16_000, 1, float(seconds))
    for row in rows:
        segment, onset, offset, _ = row.split("\t")
        assert (folder / "audio" / "train" / f"Y{segment.rsplit('_', 1)[0]}.flac").exists()
        assert 0 <= float(onset) < float(offset) <= 4


def test_hear_layout(tmp_path):
    folder = synthesise(tmp_path, layout="hear", clips=2, eval_clips=1, seconds=12)
    assert (folder / "labelvocabulary.csv").read_text().startswith('idx,label\n0,"Beep, bleep"\n')
    for split, count in (("train", 2), ("valid", 1), ("test", 1)):
        labels = json.loads((folder / f"{split}.json").read_text())
        assert len(labels) == count
        for name, events in labels.items():
            assert soundfile.info(folder / "16000" / split / name).duration == 12
            assert all(0 <= event["start"] < event["end"] <= 12_000 for event in events)


def test_a_stopped_run_continues_and_makes_nothing_twice(tmp_path):
    whole = digest(synthesise(tmp_path / "whole", **SMALL))

    class Stop(Exception):
        pass

    def stop_after_four(done, total):
        assert total == 9
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        synthesise(tmp_path / "cut", progress=stop_after_four, **SMALL)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").rglob("*.flac")}
    assert len(made) == 4
    half_written = tmp_path / "cut" / "audio" / "train" / ".effbench-00000000-1-ab.flac"
    half_written.touch()
    os.utime(half_written, (0, 0))
    calls = []
    synthesise(tmp_path / "cut", progress=lambda done, total: calls.append(done), **SMALL)
    assert calls == [4, 5, 6, 7, 8, 9]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert digest(tmp_path / "cut") == whole


def test_a_folder_with_anything_else_is_refused(tmp_path):
    synthesise(tmp_path / "set", **SMALL)
    with pytest.raises(UsageError, match="made with other options"):
        synthesise(tmp_path / "set", seed=3, **SMALL)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="neither empty"):
        synthesise(tmp_path / "mine", **SMALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ["Sirene"]}, "no sound for the class 'Sirene'; did you mean 'Siren'"),
        ({"classes": []}, "at least one class"),
        ({"classes": ["Bell", "Bell"]}, "named twice"),
        ({"snr": (10, 0)}, "SNR range"),
        ({"snr": (float("nan"), 0)}, "SNR range"),
        ({"seed": -1}, "seed"),
        ({"clips": 0, "eval_clips": 0}, "clips must be"),
        ({"seconds": 0.1}, "seconds must be"),
        ({"layout": "wsj"}, "unknown layout 'wsj'"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        synthesise(tmp_path / "set", **options)
    assert not (tmp_path / "set").exists()


def test_only_the_chosen_classes_occur(tmp_path):
    folder = synthesise(tmp_path, classes=["Bell", "Rain"], **SMALL)
    rows = (folder / "audioset_train_strong.tsv").read_text().splitlines()[1:]
    assert {strong_classes().by_mid[row.split("\t")[3]] for row in rows} == {"Bell", "Rain"}


def test_scenes_vary_and_keep_their_rules():
    scenes = [plan_scene((0, 0, index), 10.0, tuple(SOUNDS), (-5, 15)) for index in range(300)]
    events = [event for scene in scenes for event in scene.events]
    assert {event.label for event in events} == set(SOUNDS)
    assert all(0 <= event.onset < event.offset <= 10 for event in events)
    assert all(-5 <= level <= 15 for scene in scenes for level in scene.snr)
    assert len({round(event.onset, 1) for event in events}) > 80
    lengths = np.array([event.offset - event.onset for event in events])
    assert lengths.min() < 0.5 < 5 < lengths.max()
    overlapping = 0
    for scene in scenes:
        for first in scene.events:
            rivals = [e for e in scene.events if e.onset < first.offset and first.onset < e.offset]
            overlapping += len(rivals) > 1
            assert sum(rival.label == first.label for rival in rivals) == 1
    assert overlapping > 100


def level(samples):
    return 10 * np.log10(np.mean(samples.astype(float) ** 2) + 1e-12)


@pytest.mark.parametrize("label", SOUNDS)
def test_an_event_is_heard_when_it_is_labelled_and_only_then(label):
    for index in range(4):
        scene = plan_scene((1, 0, index), 10.0, (label,), (25, 25))
        samples = render_scene(scene)
        silent = np.ones(len(samples), bool)
        for event in scene.events:
            silent[round(event.onset * SAMPLE_RATE) : round(event.offset * SAMPLE_RATE)] = False
        floor = level(samples[silent])
        for event in scene.events:
            first, end = round(event.onset * SAMPLE_RATE), round(event.offset * SAMPLE_RATE)
            assert level(samples[first:end]) > floor + 17
            assert level(samples[first : first + 4800]) > floor + 6
            assert level(samples[max(first, end - 9600) : end]) > floor + 3


def spectrum(samples):
    frames = samples[: len(samples) // 640 * 640].reshape(-1, 640) * np.hanning(640)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2
    bands = np.stack([part.mean(axis=1) for part in np.array_split(power, 40, axis=1)], axis=1)
    return np.log(bands + 1e-10)


def test_classes_can_be_told_apart_but_not_by_one_frame_alone(tmp_path):
    folder = synthesise(tmp_path, clips=96, eval_clips=48, seconds=5)

    def load(split):
        inputs, targets = [], []
        rows = (folder / f"audioset_{split}_strong.tsv").read_text().splitlines()[1:]
        for segment, onset, offset, mid in (row.split("\t") for row in rows):
            samples = read_audio(folder / "audio" / split / f"Y{segment[:-2]}.flac")
            event = samples[round(float(onset) * SAMPLE_RATE) : round(float(offset) * SAMPLE_RATE)]
            bands = spectrum(event)
            inputs.append(
                np.concatenate([bands.mean(0), bands.std(0), np.abs(np.diff(bands, axis=0)).mean(0), [1]])
            )
            targets.append(list(SOUNDS).index(strong_classes().by_mid[mid]))
        return np.array(inputs), np.array(targets)

    inputs, targets = load("train")
    scale = inputs.std(0) + 1e-6
    gram = (inputs / scale).T @ (inputs / scale) + 3 * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, (inputs / scale).T @ np.eye(len(SOUNDS))[targets])
    inputs, targets = load("eval")
    accuracy = np.mean((inputs / scale @ weights).argmax(1) == targets)
    print(f"accuracy {accuracy:.2f}")
    assert 0.5 < accuracy < 0.97


_ENDLESS = """
import sys, time
from effbench.data.pool import in_batches
def work(items):
    print(__import__("os").getpid(), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    list(in_batches(work, [1, 2], size=1, processes=2))
"""


def test_workers_of_a_killed_run_end_too(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(_ENDLESS)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], 10)
    assert not alive
