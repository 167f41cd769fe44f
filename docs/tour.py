# %% [markdown]
# # effbench in Python, in one sitting
# Every cell is a call that has a command of the same name; together they take about half a minute on two
# cores and write into the current folder. Open this file as a notebook (VS Code, Jupyter with Jupytext), or
# run it as it is. It needs `pip install 'effbench[train]'`.

# %%
from pathlib import Path

import torch

import effbench

# %% [markdown]
# ## What does a model cost?
# Parameters and multiply-accumulates are counted without weights or timing. A result shows itself in a
# notebook or with `rich.print`; `to_frame` and `to_dict` give its numbers.

# %%
counts = effbench.profile("fmn10+gru-256", throughput=False)
macs = counts.complexity.macs
print(counts, f"{macs.exact:,} MACs counted exactly, {macs.paper:,} as published", sep="\n")

# %% [markdown]
# Any other network is counted on the inputs that it gets.

# %%
network = torch.nn.Sequential(torch.nn.Conv1d(1, 8, 5), torch.nn.ReLU(), torch.nn.Conv1d(8, 4, 3))
print(effbench.profile(network, inputs=(torch.zeros(1, 1, 100),), throughput=False))

# %% [markdown]
# Timings keep every sample and the environment.

# %%
timed = effbench.profile("fmn01", batch_sizes=[1], parts=["network"], threads=1)
print(timed.to_frame().T)

# %% [markdown]
# ## Data, a training and its scores
# A small synthetic set in the layout of AudioSet-strong; `effbench.open_dataset` reads AudioSet, DESED and
# HEAR sets in the same way.

# %%
effbench.synthesise("tour/data", clips=8, eval_clips=4, classes=["Bell", "Siren"])
dataset = effbench.open_dataset("tour/data", split="eval")
print(dataset, dataset.to_frame().head(), sep="\n")

# %%
trained = effbench.train(
    "fmn01",
    "synthetic-cpu",
    "tour/data",
    changes=["epochs=1", "validation.every=1", "batch.size=4", "batch.effective=4"],
    runs="tour/runs",
    name="first",
    loggers=(),
    store="tour/results.sqlite",
)
print(trained)

# %%
evaluation = effbench.evaluate(
    "fmn01",
    checkpoint=trained.folder,
    data="tour/data",
    split="eval",
    work="tour/scores",
    store="tour/results.sqlite",
)
print(evaluation.to_frame())

# %% [markdown]
# ## Events in recordings
# Files of any length, one result for each, as soon as it is done.

# %%
for file in effbench.detect("tour/data/audio/eval", model="fmn01", checkpoint=trained.folder, thresholds=0.3):
    print(file.name, len(file.events), "events")

# %% [markdown]
# ## Which model?
# From what ships with effbench, or from your own store: the best model within limits, and the models that no
# other one beats in all metrics.

# %%
choice = effbench.recommend(max_params=5e6, max_macs=1.2e9)
print(choice, choice.reason(choice.ranked[1]))
front = effbench.pareto(metrics=("psds1", "macs"))
print(front, front.knee)

# %% [markdown]
# ## Rows and figures
# Everything that was measured lies in a store, with its unit, conditions and source.

# %%
with effbench.Store("tour/results.sqlite") as store:
    store.add(counts.measurements())
    store.add(effbench.profile("fmn10", throughput=False).measurements())
    print(store.read(quantities=["psds1", "macs_exact"])[["spec", "quantity", "value", "unit", "source"]])

# %% [markdown]
# `effbench.plot("paper-1")` draws a figure from such a store, once it holds what the figure shows
# (`effbench study run paper`). Here is a figure of our own, a YAML file: published scores, which ship with
# effbench, against the MACs that were just counted.

# %%
Path("tour/bigru.yaml").write_text(
    """
title: What a BiGRU adds to fmn10
height: 4.8
y: {quantity: psds1, provenance: published, label: PSDS1 (%)}
panels:
  - {quantity: macs, label: MACs per clip}
series:
  - {label: fmn10, colour: "#444444", marker: h, specs: [fmn10]}
  - {label: + BiGRU, colour: "#D55E00", marker: s, specs: [fmn10+gru-256]}
"""
)
figure = effbench.plot("tour/bigru.yaml", store="tour/results.sqlite", out="tour", formats=["svg"])
print(figure)
