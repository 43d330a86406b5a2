# The commands for people and for CI: `make run`, `make test`, `make check`,
# `make wheel`, `make bench`, `make lab`. They need Python >= 3.11 and nothing else;
# the lab also needs busybox, and a compiler if LAB is not given.

# The newest Python that works: the shim of a version manager can exist without
# its version.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null \
	&& echo $$p && exit; done)
VENV ?= .venv
# pip's own notices (a newer pip, an unused index) would hide our first lines.
PIP := $(VENV)/bin/python -m pip --quiet --quiet --disable-pip-version-check
BIN := $(VENV)/bin
ARGS ?=
# A folder with a ready-made kernel for the lab; without one the kernel is built once.
LAB ?=
# The tests of the lab to run: TESTS=tests/lab/test_lines.py is one file.
TESTS ?= tests/lab
GUEST := SENSORML_LAB_KERNEL=$(CURDIR)/build/lab tests/lab/guest.py

.PHONY: run test check wheel bench lab lab-virtual lab-systemd lab-real clean

run: $(VENV)/.run
	$(BIN)/sensorml run $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

wheel: $(VENV)/.check
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist .

bench: $(VENV)/.test
	$(BIN)/python bench/run.py $(ARGS)

# In a kernel of its own; tests that measure delays run in real time, and alone.
lab: lab-virtual lab-systemd lab-real

lab-virtual: $(VENV)/.lab build/lab
	$(GUEST) --time virtual -- $(BIN)/python -m pytest $(TESTS) -m "not real_time" $(ARGS)

lab-systemd: $(VENV)/.lab build/lab
	$(GUEST) --systemd --time virtual -- $(BIN)/python -m pytest tests/lab/test_unit.py $(ARGS)

lab-real: $(VENV)/.lab build/lab
	$(GUEST) --time real -- $(BIN)/python -m pytest $(TESTS) -m real_time $(ARGS)

build/lab: tests/lab/kernel.fragment tests/lab/kernel.sh
	tests/lab/kernel.sh $@ $(LAB)

$(VENV)/.venv:
	@test -n "$(PYTHON)" || { echo "sensorml needs Python 3.11 or newer: install python3 and python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv pyproject.toml
	@echo "Installing sensorml and its libraries into $(VENV): about a minute, once."
	@$(PIP) install -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --group test
	@touch $@

$(VENV)/.lab: $(VENV)/.test
	@$(PIP) install --group lab
	@touch $@

$(VENV)/.check: $(VENV)/.test
	@$(PIP) install --group check
	@touch $@

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
