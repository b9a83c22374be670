# Everything a fresh machine with Python and make needs; `make demo` and `make test` set up what is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check bench torture adapters docs format setup clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# torch first and pinned: a range would pull the build for GPUs, gigabytes of it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## train a small model on invented faces, erase people from it, write the report
	$(BIN)/expunge demo --out runs/demo

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest -n 2 -m 'not torture'

check: $(STAMP)  ## format, lint, types, import rules, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 -m 'not torture'

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## speed and memory against their thresholds; raw results in benchmarks/results
	set -e; for script in precision transport speed memory copies; do $(BIN)/python benchmarks/$$script.py; done

torture: $(STAMP)  ## long fault tests
	$(BIN)/python -m pytest -m torture

adapters:  ## timm and torchvision, in an environment of their own
	tests/adapters/run.sh

docs: $(STAMP)  ## regenerate what the docs say about the code
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
