# Everything happens in .venv, made from requirements with exact versions (constraints.txt).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Every process would compile all modules again, since the packages are installed without.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test bench lint types regress wheel check clean

QUICK := results/studies/quick

demo: $(STAMP)  ## count, time, train and score three small models from nothing; detect events, draw, report
	$(BIN)/effbench study run quick
	$(BIN)/effbench detect $(QUICK)/data/synthetic/audio/eval --model fmn04 \
		--checkpoint $(QUICK)/runs/synthetic-cpu_fmn04_seed0 --out $(QUICK)/events
	$(BIN)/effbench plot synthetic-cpu
	$(BIN)/effbench report quick

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

regress: $(STAMP)  ## models count what they did in the baseline
	$(BIN)/effbench regress check

check: test lint types regress wheel

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev,reference]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) dist build results
