# Every target sets up what it needs: a virtual environment in .venv with the pinned versions of constraints.txt.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP := $(VENV)/.installed
TORCH := $(shell grep '^torch==' constraints.txt)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test check lint format docs bench torture adapters peers clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(STAMP) ## make .venv and install expunge with its development tools

# torch goes first, alone and pinned, so that nothing else decides which build of it is installed
$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, came '$(PYTHON)'; say make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/pip || { echo "making $(VENV)" && $(PYTHON) -m venv $(VENV); }
	@echo "installing into $(VENV); this takes minutes the first time"
	@$(PIP) $(TORCH)
	@$(PIP) -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## train on drawn faces, erase people, audit, report: under 5 minutes on 2 cores
	$(BIN)/expunge demo --out runs/demo

test: $(STAMP) ## all tests but the long fault tests
	$(BIN)/python -m pytest -n $(WORKERS)

check: lint test ## format, lint, types, import rules, tests: what CI runs

lint: $(STAMP) ## the same without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

format: $(STAMP) ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP) ## write the generated parts of README.md and docs/ anew
	$(BIN)/python docs/generate.py

bench: $(STAMP) ## speed and memory, both sides in one run, against thresholds; raw results in benchmarks/results
	set -e; for script in precision transport speed memory copies preflight shadows; do $(BIN)/python benchmarks/$$script.py; done

torture: $(STAMP) ## long fault tests: many kills at random moments, each resumed to the same end
	$(BIN)/python -m pytest -n $(WORKERS) -m torture

adapters: $(STAMP) ## timm and torchvision, in an environment of their own
	tests/adapters/run.sh

peers: $(STAMP) ## independent implementations of the attacks, in a folder of their own: do they still say the same?
	tests/peers/run.sh

clean: ## remove .venv and caches, not runs
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
