# make demo    set up .venv and hear what samplemind finds in sounds that it makes itself
# make test    all tests
# make lint    style, types, security, known vulnerabilities of dependencies
# make check   both
# make bench   the figures of docs/performance.md, in a quarter of an hour, on a machine that does nothing else
# make clean   remove what make made

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint check bench clean

demo: $(VENV)/installed
	$(BIN)/samplemind demo

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive src
	$(BIN)/pip-audit --skip-editable --progress-spinner off

check: lint test

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.nodes

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "samplemind needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && echo "Installing Debian's python3-venv" && \
		apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; } || \
		{ echo "Python can't make virtual environments here. On Debian: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --upgrade-deps $(VENV)

# The stamps make repeated runs start at once; a change of the dependencies installs again.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/installed
