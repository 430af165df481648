# The commands of the project; `make help` lists them. State of the local deployment lies in .groundwork (or
# GROUNDWORK_HOME), packages in .venv. PYTHON=... chooses the interpreter, ARGS=... is handed to the command, JOBS=... says
# how many processes share the tests.

SHELL := /bin/sh
BIN := .venv/bin
ARGS ?=
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo up down status test lint format lock clean erase \
	bench bench-load bench-capture bench-quality bench-api bench-masking bench-ddl bench-lint bench-rules bench-validate bench-dag bench-dags bench-lineage bench-healing bench-overhead

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Make .venv and install what running needs
	@PYTHON="$(PYTHON)" .ci/install runtime

install-dev: ## The same with what tests and linters need
	@PYTHON="$(PYTHON)" .ci/install dev

demo: install ## Bring everything up, build the market domain, show what was done
	@$(BIN)/groundwork demo $(ARGS)

up: install ## Start PostgreSQL, Airflow and the data API
	@$(BIN)/groundwork up

down: ## Stop what was started
	@if [ -x $(BIN)/groundwork ]; then $(BIN)/groundwork down; else echo "nothing is installed"; fi

status: install ## Show what runs and what is wrong
	@$(BIN)/groundwork status $(ARGS)

test: install-dev ## Run all tests, starting what they need
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadscope --no-loadscope-reorder $(ARGS)

lint: install-dev ## ruff, mypy, layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: install-dev ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install-dev ## Resolve the dependencies anew into both lock files
	$(BIN)/uv pip compile pyproject.toml --extra demo --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra demo --extra notify --extra s3 --extra test --extra bench --extra dev -c requirements.lock --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header -o requirements-dev.lock

bench: bench-load bench-capture bench-quality bench-api bench-masking bench-ddl bench-lint bench-rules bench-validate bench-dag bench-dags bench-lineage bench-overhead bench-healing ## Run every benchmark

bench-capture: install-dev ## How far a captured table is behind its source
	$(BIN)/python benchmarks/capture.py $(ARGS)

bench-load: install-dev ## Our load against \copy
	$(BIN)/python benchmarks/load.py $(ARGS)

bench-quality: install-dev ## Our checks against one hand-written query
	$(BIN)/python benchmarks/quality.py $(ARGS)

bench-api: install-dev ## The data API against a bare SELECT
	$(BIN)/python benchmarks/api.py $(ARGS)

bench-masking: install-dev ## Reading through masks against the base table
	$(BIN)/python benchmarks/masking.py $(ARGS)

bench-ddl: install-dev ## A migration under load against the plain statements
	$(BIN)/python benchmarks/ddl.py $(ARGS)

bench-lint: install-dev ## Checking a thousand contracts against parsing their YAML
	$(BIN)/python benchmarks/lint.py $(ARGS)

bench-rules: install-dev ## The code rules against ast.parse
	$(BIN)/python benchmarks/rules.py $(ARGS)

bench-validate: install-dev ## Checking and saving rows against psql's \copy
	$(BIN)/python benchmarks/validate.py $(ARGS)

bench-dag: install-dev ## The whole Dag against the sum of its work
	$(BIN)/python benchmarks/dag.py $(ARGS)

bench-healing: install-dev ## Seeded faults: what heals, how fast, beside Airflow's own retries
	$(BIN)/python benchmarks/healing.py $(ARGS)

bench-overhead: install-dev ## What healing costs a task that succeeds
	$(BIN)/python benchmarks/overhead.py $(ARGS)

bench-dags: install-dev ## Dags from a thousand contracts against Dags by hand
	$(BIN)/python benchmarks/dag_factory.py $(ARGS)

bench-lineage: install-dev ## A task with lineage against one without
	$(BIN)/python benchmarks/lineage.py $(ARGS)

clean: ## Delete what tools cached; .venv and .groundwork stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dbt_project/target dbt_project/logs
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

erase: ## Stop everything and delete the local deployment's data
	@$(BIN)/groundwork down --erase $(ARGS)
