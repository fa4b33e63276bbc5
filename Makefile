# Every target sets up what it needs: a virtual environment in .venv with the locked packages.
# Works with plain pip; uses uv where it is installed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo demo-phone test lint types docs check bench bench-peers bench-peers-short soak format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'

$(READY): pyproject.toml .requirements.lock
	@echo "setting up $(VENV) (once)"
ifneq ($(UV),)
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet -r .requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .
else
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
endif
	@touch $@

demo: $(READY) ## a spoken question is answered: no key, no network
	@$(BIN)/voicepipe demo

demo-phone: $(READY) ## a telephone call is answered, over two engines: no key, no network
	@$(BIN)/voicepipe demo-phone

test: $(READY) ## the whole test suite
	@$(BIN)/python -m pytest -q -n 2

lint: $(READY) ## ruff: lint and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(READY) ## pyright, strict on voicepipe/
	@$(BIN)/pyright

docs: $(READY) ## the documentation, warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet -f .mkdocs.yml

check: lint types test docs ## what CI runs

bench: $(READY) ## the benchmarks
	@$(BIN)/python -m tests.benchmarks

soak: $(READY) ## 50 calls for ten minutes, 1,000 short ones, SIGKILL and SIGTERM
	@$(BIN)/python -m tests.reliability.soak

bench-peers: $(READY) ## the benchmarks against peers, and their page
	@$(BIN)/python -m tests.benchmarks.peers install
	@$(BIN)/python -m tests.benchmarks.peers run
	@$(BIN)/python -m tests.benchmarks.peers report

bench-peers-short: $(READY) ## the same in about half an hour
	@$(BIN)/python -m tests.benchmarks.peers install
	@$(BIN)/python -m tests.benchmarks.peers run --short
	@$(BIN)/python -m tests.benchmarks.peers report

format: $(READY) ## rewrite the code as ruff wants it
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## renew .requirements.lock from pyproject.toml (needs uv)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --extra all --group dev --no-header pyproject.toml -o .requirements.lock

clean: ## remove everything that was made
	@rm -rf $(VENV) .site demo-output .pytest_cache .ruff_cache .hypothesis .cache build dist
