# `make check` is what CI runs. PYTHON picks the interpreter the environment is made with (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# How many processes the tests are shared out to.
WORKERS ?= 2

.PHONY: help venv install demo test test-all lint types contracts wheel check clean

help:  ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

venv: $(STAMP)  ## make the environment, with what development needs

install: $(STAMP)  ## the same

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(STAMP)  ## train two small models on built-in data, attack both, print what came of it
	$(BIN)/aat-workbench demo --headless

test: $(STAMP)  ## the tests that take seconds
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-all: $(STAMP)  ## all tests, those on real data too
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(STAMP)  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## types
	$(BIN)/pyright

contracts: $(STAMP)  ## who may import whom
	$(BIN)/lint-imports

wheel: $(STAMP)  ## build the wheel and look at what it holds
	rm -rf build dist
	$(BIN)/python -m build --wheel
	$(BIN)/python tests/check_wheel.py dist/*.whl

check: lint types contracts test wheel  ## all of it

clean:  ## remove what was built, not the environment
	rm -rf build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
