# Needs only Python >= 3.11, make, coreutils and a package index. Everything goes into .venv.

PYTHON ?= python3
ARGS ?=
CONNECT ?= tests/spark tests/connect
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCK := $(UV) pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check conformance contract jvm connect spark40 floor bench warm lock clean setup

help: ## Show the targets
	@$(PYTHON) -c 'import re, sys; [print(f"{m[1]:11} {m[2]}") for m in re.finditer(r"(?m)^(\w+):.*?## (.*)$$", open(sys.argv[1]).read())]' Makefile

run: $(VENV)/.installed ## Run everything once; options in ARGS
	$(BIN)/health-monitor run $(ARGS)

test: $(VENV)/.installed ## Run the tests; options in ARGS
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed ## Lint, format, types, layers and house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/lint-imports --no-cache --config tests/checks/engines.toml
	$(BIN)/python -m tests.checks.circles
	$(BIN)/python -m tests.checks.rooms
	$(BIN)/python -m tests.checks.house_rules
	$(BIN)/health-monitor bundle --check

conformance: $(VENV)/.installed ## Compare the frames of both engines on a small simulated gold
	$(BIN)/python -m pytest tests/conformance $(ARGS)

jvm: $(VENV)/.installed ## Run the Spark tests on Spark itself instead of the embedded engine
	HEALTH_MONITOR_TEST_SPARK=jvm $(BIN)/python -m pytest tests/spark $(ARGS)

contract: $(VENV)-contract/.installed ## Run the conformance suite on the real client too, and the bundle's gate
	HEALTH_MONITOR_TEST_SPARK=jvm $(VENV)-contract/bin/python -m pytest tests/contract tests/bundle $(ARGS)

connect: $(VENV)/.installed ## Run the Spark tests on Spark Connect, which is what serverless compute speaks
	HEALTH_MONITOR_TEST_SPARK=connect $(BIN)/python -m pytest $(CONNECT) $(ARGS)

spark40: $(VENV)-contract/.installed ## Run the Spark tests, and the client's models, on Spark Connect of pyspark 4.0
	HEALTH_MONITOR_TEST_SPARK=connect $(VENV)-contract/bin/python -m pytest tests/spark tests/contract/test_models.py $(ARGS)

floor: $(VENV)-floor/.installed ## Run what must work on the oldest runtime that is promised
	HEALTH_MONITOR_TEST_SPARK=jvm $(VENV)-floor/bin/python -m pytest tests/unit tests/spark tests/contract $(ARGS)

bench: $(VENV)/.installed ## Run the benchmarks; options in ARGS
	$(BIN)/python -m tests.benchmarks $(ARGS)

warm: $(VENV)/.warm ## Record Spark's class archive once: later starts of Java take half the time

# Only speed hangs on it: where nothing can be recorded, runs start without it.
$(VENV)/.warm: $(VENV)/.installed
	$(BIN)/python -c 'from framework.stores.local.jvm import warm_up; print("class archive recorded" if warm_up() else "no class archive: starts take longer")'
	@touch $@

lock: $(VENV)/.installed ## Resolve the three locks anew
	$(LOCK) --universal --fork-strategy fewest --extra local --extra plots --extra dev --output-file requirements.lock
	$(LOCK) --universal --fork-strategy fewest --extra local --extra dev --extra contract --output-file requirements-contract.lock
	$(LOCK) --extra floor --output-file requirements-floor.lock

clean: ## Remove the environment, caches and builds; run results stay
	rm -rf $(VENV) $(VENV)-contract $(VENV)-floor build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

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

# Environments of the lanes: other versions of Spark, the client, what an old runtime has.
$(VENV)-%/.installed: requirements-%.lock pyproject.toml $(VENV)/.installed
	$(BIN)/python -m venv --clear $(@D) # with pip, which builds wheels in the tests
	$(UV) pip sync --quiet --require-hashes --python $(@D)/bin/python $<
	$(UV) pip install --quiet --no-deps --no-build-isolation --python $(@D)/bin/python --editable .
	@touch $@
