# Needs Python 3.11 to 3.13 and make; everything else goes into .venv. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup run test types test-ray nightly proof format bench benchmarks-document scaling-document clean

help:
	@echo "make setup   create $(VENV) with the locked dependencies and this project"
	@echo "make run     run the quick start (SCENARIO=file.toml and ARGS=... change that)"
	@echo "make test    format, lint, types, import directions, tests"
	@echo "make nightly the property tests with many more examples"
	@echo "make proof   check the model of the update protocol (needs spin and a C compiler)"
	@echo "make format  rewrite the sources in the project's format"
	@echo "make bench   measure this machine (ARGS=--quick for less; see vmmq bench --help)"
	@echo "make benchmarks-document   measure all of it and write docs/benchmarks.md with its plots"
	@echo "make scaling-document      measure what docs/scaling.md says, and write its tables and plots"
	@echo "make clean   remove everything that can be made again, $(VENV) included"

setup: $(INSTALLED)

# The stamp is newer than the lock and pyproject.toml when what is installed is what they say.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m compileall -q cli.py dataplane actors  # not at the first start, nor at each where nothing may be kept
	touch $@

# Without a SCENARIO: the quick start, then a capture of real sockets through the same kind of NIC.
run: $(INSTALLED)
	$(BIN)/vmmq run $(SCENARIO) $(ARGS)
	$(if $(SCENARIO),,$(BIN)/vmmq run configs/real-traffic.toml)

test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto -m "not ray"
	$(MAKE) --jobs=2 --output-sync types test-ray

# Tests on Ray wait for processes most of the time: a core is free to check types.
types: $(INSTALLED)
	$(BIN)/mypy

test-ray: $(INSTALLED)
	$(BIN)/pytest -m ray

# Hypothesis with many more examples, drawn anew each time: an hour or more.
nightly: $(INSTALLED)
	HYPOTHESIS_PROFILE=nightly $(BIN)/pytest -n auto -m "not ray"

# The protocol of updates, searched state by state: some three minutes.
proof:
	docs/proofs/check.sh

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED)
	$(BIN)/vmmq bench $(ARGS)

# Some ten minutes, in which nothing else should run.
benchmarks-document: $(INSTALLED)
	$(BIN)/vmmq bench --output build/figures.json --overwrite
	$(BIN)/python -m benchmarks.document build/figures.json

# Some nine minutes on a quiet machine; goes on where it stopped.
scaling-document: $(INSTALLED)
	$(BIN)/python -m benchmarks.scaling

clean:
	rm -rf $(VENV) build dist runs .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache .numba_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
