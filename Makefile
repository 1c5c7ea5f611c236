# What one runs in this repository; `make` alone lists it. All of it happens in .venv, which is made when first
# needed and brought up to date when pyproject.toml or constraints.txt change.

# The Python that .venv is made with, 3.11 or later.
PYTHON ?= python3
# More arguments for `sluice demo`, for instance DEMO=--json.
DEMO ?=
# More arguments for pytest, for instance TESTS='-k tracker'.
TESTS ?=
# Which benchmarks, for instance BENCH='decide --json'.
BENCH ?= all

VENV := .venv
BIN := $(VENV)/bin
# Constraints by variable also hold for the tools that build the package.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
.PHONY: help demo test check lint bench constraints clean

help:  ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.embedded  ## See it all at once: a broker, simulated providers, real tasks, a summary.
	@$(BIN)/sluice demo $(DEMO)

test: $(VENV)/.dev  ## Run all tests, on the best broker this machine can run.
	@$(BIN)/python -m pytest $(TESTS)

check: lint  ## What one runs while working: lint and the tests that need no broker.
	@$(BIN)/python -m pytest --quiet -m 'not bus and not system' $(TESTS)

lint: $(VENV)/.dev  ## Style, types, one-way imports, fresh generated files.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m topics.generate --check
	$(BIN)/python -m streams.config.reference --check

bench: $(VENV)/.dev  ## Measure, and print the tables that the documentation quotes.
	@$(BIN)/python -m tests.bench $(BENCH)

constraints:  ## Pin the newest versions of all dependencies anew, in constraints.txt.
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "Pins have to hold for the oldest Python: make constraints PYTHON=python3.11" >&2; exit 1; }
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/pip install --quiet --disable-pip-version-check '.[dev]' hatchling editables
	build/constraints/bin/pip freeze --exclude sluice >build/constraints.txt
	@! grep -vE '^[A-Za-z0-9._-]+==[^ ]+$$' build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/constraints

clean:  ## Remove .venv, caches and what was built.
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find streams topics tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so what was interrupted is done again. Nothing here writes to standard output, which
# may be the JSON of a demo.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
		echo "There is no $(PYTHON) on PATH. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Sluice needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
		"Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV), once ..." >&2
	@$(PYTHON) -m venv $(VENV) >&2
	@touch $@

$(VENV)/.embedded: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing Sluice and its dependencies into $(VENV), once ..." >&2
	@$(PIP) install --editable '.[embedded]' >&2
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing Sluice, its dependencies and its tools into $(VENV), once ..." >&2
	@$(PIP) install --editable '.[dev]' >&2
	@touch $(VENV)/.embedded $@
