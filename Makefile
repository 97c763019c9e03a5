# Every command of this project, for people and for CI. `make help` lists them.
# Both `make demo` and `make test` start from nothing: they make .venv from .ci/requirements*.txt first.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin/
PY := $(BIN)python
# A coverage file per process; `make coverage` combines them.
COVERED := $(BIN)coverage run -m pytest
JUNIT = --junitxml=build/junit/$@.xml
# What `make test` runs, fast ones first. CI runs the same through .ci/run.
STAGES := lint contracts types unit oracle conformance mutants-sample live fault-sample docs examples wheel coverage

.PHONY: help demo test lint contracts types format unit oracle conformance mutants mutants-sample live fault-sample fault chaos docs docs-serve examples wheel \
	coverage bench thespian-suite clean setup setup-dev

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.made-run: .ci/requirements.txt .ci/setup pyproject.toml
	@.ci/setup run

.venv/.made-dev: .ci/requirements.txt .ci/requirements-dev.txt .ci/setup pyproject.toml
	@.ci/setup dev

setup: .venv/.made-run
setup-dev: .venv/.made-dev

demo: setup ## Two tenants, a few hundred jobs, crashes and a count of what was lost (under 30 s)
	@$(PY) -m roger_actors demo $(ARGS)

test: setup-dev ## All that CI checks, fast ones first (STAGES="lint types" chooses)
	@.ci/stages $(STAGES)

format: setup-dev ## Format the sources
	@$(BIN)ruff format .
	@$(BIN)ruff check --fix --quiet .

lint: setup-dev ## Format and lint rules, docstrings
	@$(BIN)ruff format --check .
	@$(BIN)ruff check .
	@$(BIN)interrogate --quiet roger_actors

contracts: setup-dev ## Who may import whom
	@$(BIN)lint-imports --no-cache

types: setup-dev ## mypy strict on the package, mypy and pyright on tests/typing
	@$(BIN)mypy
	@$(BIN)mypy tests/typing
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)pyright --warnings

unit: setup-dev ## Tests without a broker or real hosts: values, contracts on the twins, OTP, architecture
	@$(COVERED) $(JUNIT) --ignore=tests/conformance -m "not (live or rabbitmq or fault or long or examples)" $(ARGS)

conformance: setup-dev ## The 224 lines of OTP's supervision, in memory and with real hosts; writes the table in docs/
	@$(COVERED) $(JUNIT) tests/conformance $(ARGS)

mutants: setup-dev ## Break the deciding code, one fault at a time: each must turn its line red (ARGS="48 175")
	@$(PY) -m tests.mutants $(ARGS)

mutants-sample: setup-dev ## A quarter of these faults, another one for each commit
	@$(PY) -m tests.mutants one-in 4

oracle: setup-dev ## Play scenarios on Erlang's supervisor and on ours: the recorded, and 500 random for each seed (ARGS="1 2 3")
	@.ci/with-erlang $(PY) -m tests.oracle check
	@.ci/with-erlang $(PY) -m tests.oracle random $(ARGS)

live: setup-dev ## Tests with real processes and a private RabbitMQ
	@.ci/with-rabbitmq $(COVERED) $(JUNIT) --ignore=tests/conformance -m "(live or rabbitmq) and not (fault or long or examples)" $(ARGS)

fault-sample: setup-dev ## A sample of the fault matrix (under 90 s)
	@.ci/with-rabbitmq $(BIN)pytest $(JUNIT) -m "fault and not long" $(ARGS)

fault: setup-dev ## The whole fault matrix: kills, freezes, broker, network, disk, clock; every window (about 15 min)
	@ROGER_FAULT_MATRIX=1 .ci/with-rabbitmq $(BIN)pytest $(JUNIT) -o faulthandler_timeout=0 -m "fault or long" $(ARGS)

chaos: setup-dev ## A random mix of faults for MINUTES=10, by a seed of the commit's hash or SEED=
	@$(PY) -m tests.fault.chaos $(or $(MINUTES),10) $(SEED)

docs: setup-dev ## Build the documentation strictly into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)mkdocs build --strict --config-file docs/mkdocs.yml # --quiet would hide broken links from --strict

docs-serve: setup-dev ## Show the documentation on a local port
	@NO_MKDOCS_2_WARNING=1 $(BIN)mkdocs serve --config-file docs/mkdocs.yml

examples: setup-dev ## Run every program of docs/examples and compare its output
	@$(BIN)pytest $(JUNIT) -m examples tests/architecture/test_examples.py $(ARGS)

wheel: setup-dev ## Build the wheel and try it in a clean environment
	@.ci/try-wheel

coverage: setup-dev ## Combine and report what the stages covered
	@$(BIN)coverage combine --quiet --append 2>/dev/null || true
	@$(BIN)coverage report --skip-covered --sort=cover

bench: setup-dev ## Measure ours and others side by side (ARGS="jobs --quick")
	@.ci/with-rabbitmq $(PY) -m benchmarks $(if $(ARGS),$(ARGS),all --quick)

thespian-suite: setup-dev ## Thespian's own test suite against our system base
	@$(PY) -m tests.thespian_suite $(ARGS)

clean: ## Remove what was built; the virtual environment too
	@rm -rf .venv build dist site .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
