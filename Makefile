# The README's two commands: `make demo` and `make test`. Each makes .venv first where it is missing.

# The first interpreter that TensorFlow 2.15 runs on; another one: make PYTHON=/path/to/python3.11 …
PYTHONS := python3.11 python3.10 python3.9 python3 python
SUITS := import sys, venv, ensurepip; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 11))
PYTHON ?= $(shell for p in $(PYTHONS); do $$p -c '$(SUITS)' 2>/dev/null && { echo $$p; break; }; done)

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= --out runs/demo
PYTEST := -m pytest -n 2 --dist loadfile

.PHONY: demo test quick-test test-pythons lint types bench clean .venv

demo: $(READY)
	$(BIN)/python -m me_keras.loso --dataset synthetic $(DEMO)

test: $(READY)
	$(BIN)/python $(PYTEST)

quick-test: $(READY)
	$(BIN)/python $(PYTEST) -m "not slow"

# The quick tests on each Python that is supported and there, each with a .venv-3.x of its own.
test-pythons:
	@for version in 3.9 3.10 3.11; do \
	  python=$$(ls -d $(HOME)/.pyenv/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
	  python=$${python:-python$$version}; \
	  $$python -c '$(SUITS)' 2>/dev/null || { echo "Python $$version: not found, left out"; continue; }; \
	  echo "Python $$version"; \
	  $(MAKE) --no-print-directory quick-test VENV=.venv-$$version PYTHON=$$python || exit 1; \
	done

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks

.venv: $(READY)

$(READY): setup.py constraints.txt
	@$(or $(PYTHON),false) -c '$(SUITS)' 2>/dev/null || { echo "error: needs Python 3.9, 3.10 or 3.11 with venv, found $$($(or $(PYTHON),python3) --version 2>&1): install one, or say which with make PYTHON=/path/to/python3.11" >&2; exit 2; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

clean:
	rm -rf .venv .venv-* build *.egg-info
