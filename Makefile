# The README's two commands: `make demo` and `make test`. Each makes .venv first where it is missing.

# Two stacks from one source: `design` (TensorFlow 2.15, Keras 2) and `current` (TensorFlow 2.19, Keras 3).
# Without STACK the Python decides: 3.9 to 3.11 get design, 3.12 gets current. STACK=current has a folder of its own.
STACK ?=
VENV ?= .venv$(if $(filter current,$(STACK)),-current)
BIN := $(VENV)/bin
READY := $(VENV)/.ready
HOLDS = $(shell cat $(VENV)/.stack 2>/dev/null)
CONSTRAINTS = constraints$(if $(filter current,$(HOLDS)),-current).txt

# The Pythons that suit, the first that is found is taken; another one: make PYTHON=/path/to/python3.11 …
VERSIONS_ := 3.11 3.10 3.9 3.12
VERSIONS_design := 3.11 3.10 3.9
VERSIONS_current := 3.12 3.11 3.10 3.9
VERSIONS := $(VERSIONS_$(STACK))
PYTHON ?=
SUITS := import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] not in '$(VERSIONS)'.split())
MEANS := import sys; print('current' if sys.version_info >= (3, 12) else 'design')
TRIED = $(if $(PYTHON),"$(PYTHON)",$(BIN)/python $(VERSIONS:%=python%) python3 python)
FOUND = $(shell for p in $(TRIED); do "$$p" -c "$(SUITS)" 2>/dev/null && { echo "$$p"; break; }; done)

# More for pip, at each of its calls: make demo PIP_FLAGS="--no-index --find-links wheels"
PIP_FLAGS ?=
PIP = ME_KERAS_STACK=$(HOLDS) $(BIN)/python -m pip --quiet --disable-pip-version-check
DEMO ?= --out runs/demo
PYTEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder
OF_KERAS := $(addprefix tests/me_keras/,layers models test_compat.py test_losses.py test_keras_metrics.py test_optimizer.py test_training.py)

# Mistakes, each one line and exit code 2
ifeq ($(VERSIONS),)
$(error unknown STACK=$(STACK): say STACK=design or STACK=current, or leave it out)
endif
ifneq ($(filter-out $(or $(STACK),$(HOLDS)),$(HOLDS)),)
$(error $(VENV) holds the $(HOLDS) stack: leave out STACK=$(STACK), or name another folder with VENV=.venv-$(STACK))
endif
NO_PYTHON = found none of Python $(VERSIONS) with venv$(if $(PYTHON), at $(PYTHON)). 3.13 is too new: mediapipe with \
  its face models inside has no wheel for it yet. Install Python $(firstword $(filter 3.12,$(VERSIONS)) 3.11), or say \
  where one is: make PYTHON=/path/to/python

.PHONY: demo test quick-test keras-test test-pythons lint types bench docs wheels dist dist-try clean .venv

demo: $(READY)
	$(BIN)/python -m me_keras.loso --dataset synthetic $(DEMO)

test: $(READY)
	$(BIN)/python $(PYTEST)

quick-test: $(READY)
	$(BIN)/python $(PYTEST) -m "not slow"

# What Keras 2 and 3 could differ in, in a few minutes: make keras-test STACK=current
keras-test: $(READY)
	$(BIN)/python $(PYTEST) -m "not slow" $(OF_KERAS)

# The quick tests on each Python that is supported and there, each with a .venv-3.x of its own.
test-pythons:
	@for version in $(VERSIONS); do \
	  python=$$(ls -d "$(HOME)"/.pyenv/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
	  python=$${python:-python$$version}; \
	  "$$python" -c "$(SUITS)" 2>/dev/null || { echo "Python $$version: not found, left out"; continue; }; \
	  echo "Python $$version"; \
	  $(MAKE) --no-print-directory quick-test VENV=$(VENV)-$$version PYTHON="$$python" || exit 1; \
	done

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m benchmarks

# The documentation site, into site/; Python 3.10 or newer
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv: $(READY)

# The environment's folder, and the stack that it is for
$(VENV)/.stack:
	$(if $(FOUND),,$(error $(NO_PYTHON)))
	"$(FOUND)" -m venv $(VENV)
	@echo $(or $(STACK),$(shell "$(FOUND)" -c "$(MEANS)")) >$@

$(READY): $(VENV)/.stack setup.py constraints.txt constraints-current.txt
	$(PIP) install $(PIP_FLAGS) -c $(CONSTRAINTS) -e '.[dev]'
	@rm -rf *.egg-info # else `python -m pip` here would read it, whichever stack it was written for
	@touch $(READY)

# All that an installation needs, for a machine of the same kind without a network
wheels: $(VENV)/.stack
	$(PIP) download --dest wheels $(PIP_FLAGS) -c $(CONSTRAINTS) '.[dev]'
	@rm -rf *.egg-info

# A release: dist/*.whl and dist/*.tar.gz, for both stacks. Their contents are tested.
dist: $(READY)
	rm -rf dist build
	ME_KERAS_STACK= $(BIN)/python -m build --no-isolation --outdir dist
	@rm -rf build *.egg-info
	$(BIN)/python -m pytest -q tests/test_dist.py

# The wheel in an environment of its own, asked from elsewhere; takes minutes
dist-try: dist
	$(BIN)/python -m venv build/try
	build/try/bin/python -m pip --quiet install $(PIP_FLAGS) -c $(CONSTRAINTS) dist/*.whl
	cd build/try && bin/me-keras --version && bin/me-keras --help && \
	  bin/me-keras loso --dataset synthetic --out run --subjects s01 --epochs 1 --warmup-epochs 1

clean:
	rm -rf .venv .venv-* build dist site *.egg-info
