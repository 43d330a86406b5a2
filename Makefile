# What people type, and what CI runs: `make run`, `make test`, `make check`,
# `make wheel`, `make bench`, `make lab`. Nothing has to be prepared but Python
# >= 3.11; the lab also needs busybox, and a compiler where LAB is not given.

# The newest Python that works; a version manager's shim may only say that it
# has no such version.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, ensurepip; assert sys.version_info >= (3, 11)' 2>/dev/null \
	&& echo $$p && exit; done)
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# A folder with the lab's kernel, ready made; without one it is built, once.
LAB ?=
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

# Inside a kernel of its own; what measures delays in real time comes alone.
lab: lab-virtual lab-systemd lab-real

lab-virtual: $(VENV)/.lab build/lab
	$(GUEST) --time virtual -- $(BIN)/python -m pytest tests/lab -m "not real_time" $(ARGS)

lab-systemd: $(VENV)/.lab build/lab
	$(GUEST) --systemd --time virtual -- $(BIN)/python -m pytest tests/lab/test_unit.py $(ARGS)

lab-real: $(VENV)/.lab build/lab
	$(GUEST) --time real -- $(BIN)/python -m pytest tests/lab -m real_time $(ARGS)

build/lab: tests/lab/kernel.fragment tests/lab/kernel.sh
	tests/lab/kernel.sh $@ $(LAB)

$(VENV)/.venv:
	@test -n "$(PYTHON)" || { echo "sensorml needs Python 3.11 or newer: install python3 and python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test
	@touch $@

$(VENV)/.lab: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lab
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group check
	@touch $@

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
