# Everything happens in .venv, made from requirements with exact versions (constraints.txt).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo demo-train test bench lint types regress wheel check clean

DEMO := results/synthetic
TRAINED := results/trained

demo: $(STAMP)  ## count and time models, draw both figures, write the report; then detect (untrained: ten events of noise) and score
	$(BIN)/effbench study run paper
	$(BIN)/effbench plot paper-1
	$(BIN)/effbench plot paper-2
	$(BIN)/effbench report paper
	$(BIN)/effbench data synth $(DEMO) --clips 20 --eval-clips 20
	$(BIN)/effbench detect '$(DEMO)/audio/eval/*000[0-9].flac' --model fmn04 --top 1
	$(BIN)/effbench evaluate --model fmn04 --data $(DEMO) --split eval

demo-train: $(STAMP)  ## train three small models from nothing, score and draw them; detect events with one
	$(BIN)/effbench study run quick --work $(TRAINED)
	$(BIN)/effbench evaluate --model fmn04 --data $(TRAINED)/data/synthetic --split eval \
		--work $(TRAINED)/untrained --no-store
	$(BIN)/effbench plot synthetic-cpu
	$(BIN)/effbench detect $(TRAINED)/data/synthetic/audio/eval --model fmn04 \
		--checkpoint $(TRAINED)/runs/synthetic-cpu_fmn04_seed0 --out $(TRAINED)/events

test: $(STAMP)  ## all tests: most of them one process a core, then those that time code
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not alone" --numprocesses=logical --maxprocesses=8 --dist=worksteal
	$(BIN)/python -m pytest -m alone

bench: $(STAMP)  ## benchmarks of effbench itself
	$(BIN)/python -m pytest benchmarks/suites --benchmark-only --benchmark-autosave \
		--benchmark-storage=file://benchmarks/baselines --benchmark-columns=median,iqr,rounds

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

wheel: $(STAMP)  ## build the wheel and try it in an empty folder and a fresh environment
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
	PYTHON=$(PYTHON) sh tests/wheel_smoke.sh

regress: $(STAMP)  ## parameters and MACs are those of the baseline
	$(BIN)/effbench regress check --complexity-only

check: test lint types regress wheel

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev,reference]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) dist build results
