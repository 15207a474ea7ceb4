.DEFAULT_GOAL := help
.PHONY: help install up down status logs shell test lint quick cluster lock chaos bench-traffic

PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.installed

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(READY): requirements-bootstrap.lock requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on PATH: install Python 3.11, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing the locked Python packages into .venv …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@$(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@touch $@

install: $(READY)  ## the Python packages alone, in .venv, for work on a site's own cluster

up: $(READY)  ## a real cluster on this machine, with the stack `dev` deployed and checked
	@$(BIN)/python -m devcluster up

cluster: $(READY)  ## the cluster alone, without a stack
	@$(BIN)/python -m devcluster up --cluster-only

down: $(READY)  ## take the stack and the cluster away, and prove that nothing is left
	@$(BIN)/python -m devcluster down

status: $(READY)  ## what runs, since when, and where
	@$(BIN)/python -m devcluster status

logs: $(READY)  ## log of one part: make logs PART=kubelet
	@$(BIN)/python -m devcluster logs $(PART)

shell: $(READY)  ## a shell in which pulumi, kubectl and `python -m acceptance dev` work
	@$(BIN)/python -m devcluster shell

lint: $(READY)  ## ruff and mypy, both at zero
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .

quick: lint  ## lint and the tests that need no cluster
	$(BIN)/pytest -m "not engine and not live"

test: quick  ## every test; takes the dev cluster over and leaves it down
	$(BIN)/python -m devcluster up
	$(BIN)/pytest -m "engine or live"

chaos: $(READY)  ## every fault of docs/chaos.md, and a table; takes the dev cluster over and leaves it down
	@$(BIN)/python -m devcluster up
	@status=0; $(BIN)/python -m pytest -m chaos -p tests.support.chaos_table || status=$$?; \
	  $(BIN)/python -m devcluster down && exit $$status

bench-traffic: $(READY)  ## what traffic costs and loses, against SuperSONIC's configuration; over an hour, alone on the machine
	@$(BIN)/python -m benchmarks all

lock: $(READY)  ## resolve the dependencies of pyproject.toml anew
	@echo "uv==$$($(BIN)/uv --version | cut -d' ' -f2)" | $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header --no-annotate -o requirements-bootstrap.lock -
	@$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --no-annotate --python-version 3.11 -o requirements.lock pyproject.toml
