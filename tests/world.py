"""What the pages' commands find where they are run: recordings, data, scores, runs, and rows of a store."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

import effbench
from effbench.data.vocabulary import strong_classes
from effbench.models.checkpoints import save_checkpoint
from effbench.resources import share
from effbench.results.measurement import Measurement
from effbench.results.store import Store
from tests.command import run_here
from tests.evaluate.scoring_jobs import write_scores
from tests.pages import ROOT, blocks
from tests.rows import complexity, timings, transformer_counts

#: The model of all that is trained here.
MODEL = "fmn04"
#: That of ``my.pt``.
MINE = "fmn10+hybrid-512"


def make_world(folder: Path) -> None:
    """Fill a folder with everything that a page uses and does not make itself."""
    _recordings(folder)
    _data(folder)
    _own_sounds(folder)
    _models(folder)
    _scores(folder)
    _own_model(folder)
    _rows(folder)


def _recordings(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * 16_000 + 4_800)
    soundfile.write(folder / "street.flac", noise, 16_000)
    for place in ("recordings", "field", "other-day"):
        (folder / place).mkdir()
    for number in range(3):
        soundfile.write(folder / "recordings" / f"{number}.wav", noise[number:32_000], 16_000)
    (folder / "recordings" / "broken.wav").write_bytes(b"no audio")
    soundfile.write(folder / "other-day" / "0.wav", noise[50_000:80_000], 16_000)
    soundfile.write(folder / "field" / "a.mp3", noise[:32_000], 16_000)


def _data(folder: Path) -> None:
    """A data set, its events in a table, and a copy in which a file is missing and an event ends too soon."""
    effbench.synthesise(folder / "synthetic", clips=8, eval_clips=4, seconds=2.0)
    rows = effbench.open_dataset(folder / "synthetic", split="eval").to_frame()
    rows.columns = ["filename", "onset", "offset", "event_label"]
    for name in ("eval.tsv", "submission.tsv"):
        rows.to_csv(folder / name, sep="\t", index=False)
    damaged = folder / "data" / "damaged"
    shutil.copytree(folder / "synthetic", damaged)
    (damaged / "audio" / "train" / "Ytrain000007.flac").unlink()
    with (damaged / "audioset_train_strong.tsv").open("a") as table:
        table.write("train000003_0\t4.0\t3.0\t/m/06mb1\n")


def _own_sounds(folder: Path) -> None:
    """Recordings and one table of what is heard in them, and that table with columns of other names."""
    names = {"Bell": "doorbell", "Knock": "knock", "Siren": "alarm"}
    effbench.synthesise(folder / "made", clips=12, eval_clips=1, seconds=2.0, classes=list(names))
    data = effbench.open_dataset(folder / "made", split="train")
    own = folder / "mine"
    own.mkdir()
    lines = ["filename,onset,offset,event_label"]
    for clip in data:
        soundfile.write(own / f"{clip.id}.wav", clip.waveform(), 16_000)
        lines += [f"{clip.id}.wav,{e.onset},{e.offset},{names[e.label]}" for e in clip.events]
    (own / "labels.csv").write_text("\n".join(lines) + "\n")
    (folder / "exported.csv").write_text("\n".join(["file,start,length,label", *lines[1:]]) + "\n")
    shutil.copy(own / "Ytrain000000.wav", folder / "hallway.wav")


def _models(folder: Path) -> None:
    for name in ("mine", "base"):
        effbench.train(
            MODEL,
            "synthetic-cpu",
            folder / "synthetic",
            changes=["epochs=1", "data.crop_seconds=1"],
            name=name,
            runs=folder / "runs",
            threads=1,
            loggers=(),
        )
    save_checkpoint(effbench.build_model(MINE, seed=0), folder / "my.pt", MINE)
    # In the place of a published file, that no page's command may download.
    (folder / "cache").mkdir()
    published = effbench.build_model("fmn10", seed=0)
    save_checkpoint(published, folder / "cache" / "fmn10_strong.pt", "fmn10", classes=strong_classes().names)


def _scores(folder: Path) -> None:
    """Frame scores of the evaluation clips, in a table each and in one for all, and of two systems."""
    for place in ("predictions", "scores.parquet"):
        options = ("--model", MODEL, "--threads", "1", "--out", "events.csv", "--scores", place)
        run_here(("detect", "synthetic/audio/eval", *options, "--quiet"), folder, lambda: ("", ""))
    for system, noise in {"before": 0.5, "after": 0.4}.items():
        write_scores(folder / "synthetic", folder / system, noise)


def _own_model(folder: Path) -> None:
    """The first file of the page about models of one's own, and the cards that the page shows."""
    page = blocks(ROOT / "docs" / "own-models.md")
    (folder / "mynet.py").write_text(next(block.text for block in page if block.language == "python"))
    parts = next(block.text for block in page if block.text.startswith("# parts.py"))
    (folder / "parts.py").write_text(parts)
    (folder / "cards").mkdir()
    card = next(block.text for block in page if block.language == "yaml" and "backbones" in block.text)
    (folder / "cards" / "mine.yaml").write_text(card)


def _rows(folder: Path) -> None:
    """Rows as after the studies, of one model with the values of a page, and scores on two data sets."""
    scored = [
        Measurement(
            spec=spec,
            quantity="psds1",
            value=40.0,
            provenance="measured",
            source="effbench 0.1.0",
            conditions={
                "recipe": "synthetic-cpu",
                "data": "synthetic",
                "split": "eval",
                "protocol": "paper",
                "fingerprint": fingerprint,
            },
        )
        for spec, fingerprint in (
            ("fmn04", "5b1e02c7d2f4a816"),
            ("fmn04+hybrid-104", "5b1e02c7d2f4a816"),
            ("fmn04+gru-104", "9f0c44aa01234567"),
        )
    ]
    (like,) = timings("AMD EPYC", specs=["fmn04"], batch_sizes=[1])
    timed = [
        replace(
            like,
            spec="fmn01+gru-16",
            quantity=quantity,
            conditions={**like.conditions, "part": part},
            value=value,
            low=low,
            high=high,
        )
        for quantity, part, value, low, high in (
            ("throughput", "network", 62.151576, 59.943022, 63.572474),
            ("throughput", "frontend", 443.202296, 437.789054, 447.473542),
            ("throughput", "both", 36.096439, 35.592920, 36.533640),
            ("latency_p50", "network", 0.022433, 0.015595, 0.023599),
        )
    ]
    (folder / "mine.yaml").write_text((share("plots") / "synthetic-cpu.yaml").read_text())
    (folder / "edge.yaml").write_text("title: One\nmodels: [fmn01+gru-16]\ntasks: {throughput: {}}\n")
    (folder / "results").mkdir(exist_ok=True)
    (folder / "models.csv").write_text(
        "model,psds1,parameters (M),macs_exact (G),throughput,device,batch_size,source\n"
        'our-net,44.9,4.01,1.2,80.5,Our CPU,1,"our paper, table 2"\n'
        'fmn10+gru-256,43.1,,,,,,"our own training"\n'
    )
    (folder / "slips.csv").write_text(
        "model,psds1,parameters,source\n"
        "our-net,0.449,4010000,us\nfmn1O,44.1,4010000,us\nour-net-2,44.1,4.01,us\n"
    )
    with Store(folder / "theirs.sqlite", create=True) as store:
        store.add(timings("Their box", batch_sizes=(1, 8, 32)))
        store.export(folder / "h100.csv.gz", specs="fmn20")
    with Store(folder / "results" / "effbench.sqlite", create=True) as store:
        store.add([*complexity(), *transformer_counts(), *timings("AMD EPYC"), *timed, *scored])
