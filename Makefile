# `make demo` and `make test` need nothing but Python >= 3.11: setup does the rest, once.
VENV ?= .venv
PY := $(VENV)/bin/python
# One BLAS thread: more only get in each other's way on shared machines. SSIDS needs OpenMP's
# cancellation, which must be asked for before any library starts OpenMP.
RUN := PYTHONPATH=.:problems:adapters OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 OMP_CANCELLATION=true
JOBS ?= 2
export OPTLAB_VENV := $(VENV)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow lint format types layers suite suite-nojit fuzz bench gallery trajectories lock changelog clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## make .venv ready (idempotent; the other targets call it)
	@scripts/setup.sh

demo: setup  ## solve real problems with live progress
	@$(RUN) $(PY) scripts/demo.py

test: setup  ## lint, types, layers, then the whole fast suite
	@$(MAKE) --no-print-directory lint types layers suite-nojit suite

test-slow: setup  ## the whole suite with the slow tests
	@$(RUN) $(PY) -m pytest -n $(JOBS) -m ""

lint: setup
	@echo "== ruff" && $(VENV)/bin/ruff check --output-format concise . && $(VENV)/bin/ruff format --check .

format: setup  ## rewrite the sources in ruff's format
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

types: setup
	@echo "== mypy (strict)" && $(RUN) $(VENV)/bin/mypy
	@echo "== pyright (strict on optlab/core)" && scripts/pyright_core.sh

layers: setup
	@echo "== import-linter" && $(RUN) $(VENV)/bin/lint-imports --no-cache

# Kernels must mean the same with and without compilation.
suite-nojit: setup
	@echo "== kernels and linear algebra without numba's compiler"
	@NUMBA_DISABLE_JIT=1 $(RUN) $(PY) -m pytest -q -m "not slow" tests/unit/kernels tests/unit/linalg

suite: setup
	@echo "== suite" && $(RUN) $(PY) -m pytest -n $(JOBS) -m "not slow"

RUNS ?= 100000

fuzz: setup  ## feed damaged .nl and .SIF files to the readers (RUNS each; atheris is installed first)
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements/fuzz.txt
	@$(RUN) $(PY) tests/fuzz/readers.py nl -runs=$(RUNS) -rss_limit_mb=2048 -timeout=20
	@$(RUN) $(PY) tests/fuzz/readers.py sif -runs=$(RUNS) -rss_limit_mb=2048 -timeout=20

bench: setup  ## run the benchmarks (minutes; plots and peers are installed first)
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements/bench.txt
	@$(RUN) $(PY) scripts/bench.py $(ARGS)

gallery: setup  ## solve the models of docs/gallery, draw their figures, note the times
	@$(RUN) $(PY) scripts/gallery.py $(ARGS)

trajectories: setup  ## rewrite tests/trajectory/trajectories.jsonl from the solvers as they are now
	@$(RUN) $(PY) tests/plugins/trajectories.py

lock: setup  ## refresh the pins in requirements/*.txt
	@scripts/lock.sh

changelog: setup  ## show what the next release notes would say
	@$(VENV)/bin/towncrier build --draft

clean:  ## remove the environment, caches and build output
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
