# Needs only Python >= 3.11, make, coreutils and a package index. Everything goes into .venv.

PYTHON ?= python3
UV ?= uv
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check bench warm lock clean setup

help: ## Show the targets
	@$(PYTHON) -c 'import re, sys; [print(f"{m[1]:8} {m[2]}") for m in re.finditer(r"(?m)^(\w+):.*?## (.*)$$", open(sys.argv[1]).read())]' Makefile

run: $(VENV)/.warm ## Run everything once; options in ARGS
	$(BIN)/health-monitor run $(ARGS)

test: $(VENV)/.installed ## Run the tests; options in ARGS
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed ## Lint, format, types, layers and house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.checks.house_rules

bench: $(VENV)/.installed ## Run the benchmarks; options in ARGS
	$(BIN)/python -m tests.benchmarks $(ARGS)

warm: $(VENV)/.warm ## Record Spark's class archive once (half a minute): later starts take half the time

# Only speed hangs on it: where nothing can be recorded, runs start without it.
$(VENV)/.warm: $(VENV)/.installed
	$(BIN)/python -c 'from framework.stores.local.jvm import warm_up; print("class archive recorded" if warm_up() else "no class archive: starts take longer")'
	@touch $@

lock: ## Resolve requirements.lock anew (needs uv)
	$(UV) pip compile pyproject.toml --universal --python-version 3.11 --fork-strategy fewest --extra local --extra plots --extra dev \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

clean: ## Remove the environment, caches and builds; run results stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

setup: $(VENV)/.installed ## Only install

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.locked: requirements.lock $(VENV)/.created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-build-isolation --no-deps --editable .
	@touch $@
