# Everything happens in .venv, made from requirements with exact versions (constraints.txt).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test bench lint types wheel check clean

demo: $(STAMP)  ## measure both figures' models, draw the figures, write the report
	$(BIN)/effbench study run paper
	$(BIN)/effbench plot paper-1
	$(BIN)/effbench plot paper-2
	$(BIN)/effbench report paper

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest

bench: $(STAMP)  ## benchmarks of effbench itself
	$(BIN)/python -m pytest benchmarks --benchmark-only --benchmark-autosave \
		--benchmark-storage=file://benchmarks/baselines --benchmark-columns=median,iqr,rounds

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

wheel: $(STAMP)  ## build the wheel and try it in an empty folder and a fresh environment
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
	PYTHON=$(PYTHON) sh tests/wheel_smoke.sh

check: test lint types wheel

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) dist build results
