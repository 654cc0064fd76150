# One door for people and for CI. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ROOT ?= ptmtorrent-data
TOP ?= 1000
KILLS ?= 100
POINTS ?= 300
MINUTES ?= 10
PTMTORRENT := $(BIN)/ptmtorrent

.DEFAULT_GOAL := help
.PHONY: help demo test check slow lint snapshot crash chaos soak bench mutants clean format docs

help: ## show this help
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## run the main job offline into ./demo and ask it one question
	@$(PTMTORRENT) demo demo

test: $(STAMP)-dev ## run the tests
	@$(BIN)/python -m pytest -m "not slow"

slow: $(STAMP)-dev ## run the tests that take minutes: hostile repositories, full disks, many kills
	@$(BIN)/python -m pytest -m slow

check: lint test ## format, lint, strict types, architecture, tests: what CI runs

lint: $(STAMP)-dev ## format, lint and strict types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

snapshot: $(STAMP) ## build today's snapshot of the hubs, or go on with the unfinished one
	@$(PTMTORRENT) --root $(ROOT) snapshot --top $(TOP)

crash: $(STAMP)-dev ## kill runs at 100 random moments and 300 durable steps; compare what they end with
	@$(BIN)/python scripts/crash.py --kills $(KILLS) --points $(POINTS)

chaos: $(STAMP)-dev ## run against a server where 30 % of all requests fail, for 10 minutes
	@$(BIN)/python scripts/chaos.py --minutes $(MINUTES)

soak: $(STAMP)-dev ## 14 days and a million items in virtual time
	@$(BIN)/python scripts/soak.py

bench: $(STAMP)-dev ## measure against the tools one would take instead; writes docs/BENCHMARKS.md
	@$(BIN)/python scripts/bench.py

mutants: $(STAMP)-dev ## take each protection out and see that a test notices
	@$(BIN)/python scripts/mutants.py

format: $(STAMP)-dev ## format and mend what can be mended by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(STAMP) ## write anew what docs/ say of columns and fields
	@$(BIN)/python scripts/write_schema_docs.py
	@$(BIN)/python scripts/write_field_docs.py

clean: ## remove what make made here (never a root)
	rm -rf .venv demo .mypy_cache .ruff_cache build dist

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(STAMP)-dev: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(STAMP)
