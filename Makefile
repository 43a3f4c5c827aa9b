# Two commands do everything on a fresh Debian or Ubuntu machine with Python 3.11 or newer: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint format schema install clean

run: install
	$(BIN)/python -m testbed run scenarios/drp_highway.yaml

# A test's own time-out cannot end a wait inside native code, such as a client waiting for a server: this one can.
test: install
	$(BIN)/python -m pytest -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format testbed agents adversaries tests benchmarks

schema: install
	$(BIN)/python -m testbed validate --schema scenario > docs/scenario.schema.json
	$(BIN)/python -m testbed validate --schema sweep > docs/sweep.schema.json

install: $(STAMP)

# uv installs the whole stack in seconds where pip needs minutes; it comes with pip into the same environment. Compiled
# once, on all cores, modules load in less than half the time, in each of the many processes of a run.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info
