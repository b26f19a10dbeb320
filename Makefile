# One command each for what people do here; `make` alone lists them.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --no-input --no-compile
# pip would do it on one core. Some packages bring files that are no Python of this version.
COMPILE := $(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true
# The lock is whole: pip has nothing to resolve, and older ones resolve extras under hashes wrongly.
LOCKED := $(PIP) --no-deps --require-hashes --only-binary :all:
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

# One more than there are cores: tests wait for servers and browsers a good part of their time.
TEST_PROCESSES := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Without its bytecode cache every Airflow command takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-long docs screenshots check check-style check-types check-sql check-dbt check-files \
	format lock bench bench-landing bench-customer \
	bench-delivery bench-pages

help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: $(VENV)/.running ## virtual environment with everything Rapport runs on

demo: setup ## the main job on a generated shop, up to the e-mails in a local mailbox
	@$(BIN)/rapport demo

up: setup ## Airflow's services on 127.0.0.1
	@$(BIN)/rapport up

down: setup ## stop them and the embedded PostgreSQL
	@$(BIN)/rapport down

test: $(VENV)/.testing ## every test but those marked long
	@$(BIN)/python -m pytest -m "not long" --numprocesses $(TEST_PROCESSES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/.testing ## the tests that take minutes
	@$(BIN)/python -m pytest -m long

check: check-style check-types check-sql check-dbt check-files ## formatting, lint, types, SQL, dbt project, compose file, lock

check-style: $(VENV)/.testing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

check-types: $(VENV)/.testing
	@$(BIN)/mypy

check-sql: $(VENV)/.testing
	@$(BIN)/sqlfluff lint dbt_project

check-dbt: $(VENV)/.testing
	@RAPPORT_DBT_HOST=none RAPPORT_DBT_PORT=5432 RAPPORT_DBT_USER=none RAPPORT_DBT_PASSWORD=none \
		RAPPORT_DBT_DATABASE=none \
		$(BIN)/dbt --quiet parse --no-partial-parse --project-dir dbt_project --profiles-dir dbt_project

check-files: $(VENV)/.testing
	@$(BIN)/yamllint --strict .
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yaml
	@$(BIN)/python -m pytest --quiet tests/test_lock.py tests/test_compose.py

format: $(VENV)/.testing ## put Python and SQL into the house's form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --quiet --processes 2 dbt_project

lock: $(VENV)/.testing ## requirements*.in to requirements*.txt; UPGRADE=--upgrade takes the newest
	@$(LOCK) $(UPGRADE) requirements.in -o requirements.txt
	@$(LOCK) $(UPGRADE) requirements-dev.in -o requirements-dev.txt
	@echo "requirements.txt and requirements-dev.txt are up to date"

docs: $(VENV)/.testing ## the data dictionary, and dbt's own pages as one file under .rapport/docs
	@$(BIN)/python -m rapport.data_dictionary
	@$(BIN)/python -m rapport dbt docs generate --static
	@echo "docs/data-dictionary.md and .rapport/dbt/target/static_index.html are up to date"

screenshots: $(VENV)/.testing ## docs/images from the pages that make up serves; names what is wrong with a page
	@PYTHONPATH=tests $(BIN)/python tests/web/screenshots.py

bench-landing: $(VENV)/.testing ## loading against COPY, pandas and dlt, in full size (about 15 minutes)
	@$(BIN)/python benchmarks/landing.py --full

bench-customer: $(VENV)/.testing ## the customer view: real shop, ten times its history, identity
	@$(BIN)/python benchmarks/customer_view.py

bench-delivery: $(VENV)/.testing ## sending, planning and events in full size (about ten minutes)
	@$(BIN)/python benchmarks/delivery.py

bench-pages: $(VENV)/.testing ## each page on a million customers and twenty million messages (25 GB, half an hour)
	@$(BIN)/python benchmarks/pages.py

bench: $(VENV)/.testing ## each benchmark, with its ratio to a peer or a limit
	@for benchmark in benchmarks/*.py; do $(BIN)/python "$$benchmark" || exit 1; done

$(VENV)/.made: .ci/make-venv
	@.ci/make-venv $(VENV) $(PYTHON)
	@touch $@

$(VENV)/.running: $(VENV)/.made requirements.txt pyproject.toml
	@echo "Installing the locked packages (once; 1 to 5 minutes) ..."
	@$(LOCKED) -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.testing: $(VENV)/.running requirements-dev.txt
	@echo "Installing what tests and checks need (once) ..."
	@$(LOCKED) -r requirements-dev.txt
	@$(COMPILE)
	@touch $@
