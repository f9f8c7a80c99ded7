# make       install, simulate the default dataset, train, draw the figures
# make help  list all targets

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# Flags for the two commands, for example  make DATA="-n 5000 --telescope=hst" TRAIN="-e 20"
DATA ?=
TRAIN ?=

VENV   := .venv
PYTHON := $(VENV)/bin/python

PACKAGE   := $(shell find stronglens -name '*.py' 2>/dev/null)
# Source files that the dataset depends on; source files that training and figures depend on.
SIMULATES := params_and_cli.py generate_data.py stronglens/regression/simulator.py \
             $(filter stronglens/parameters/% stronglens/simulation/% stronglens/raytracing/% stronglens/dataset/% \
                      stronglens/telescope/% stronglens/telescopes.py stronglens/sampling.py stronglens/cosmology.py, $(PACKAGE))
TRAINS    := params_and_cli.py model_and_figures.py \
             $(filter-out stronglens/raytracing/% stronglens/execution/% stronglens/simulation/%, $(PACKAGE))

.PHONY: all rebuild install test quick lint bench bench-gpu tables networks gallery check-gpu-requirements clean help

# A stage is out of date when its result is missing or was made with other flags. The stamp files contain the flags.
DATA_STALE  := $(if $(wildcard dataset/manifest.json),,rebuild)
TRAIN_STALE := $(if $(wildcard models/regression.keras),,rebuild)
ifneq ($(strip $(DATA)),$(strip $(shell cat dataset/.made 2>/dev/null)))
DATA_STALE  := rebuild
endif
ifneq ($(strip $(TRAIN)),$(strip $(shell cat figures/.drawn 2>/dev/null)))
TRAIN_STALE := rebuild
endif

all: figures/.drawn
	@echo
	@echo "dataset:  dataset/   (images/, labels.csv, manifest.json)"
	@echo "network:  models/regression.keras"
	@echo "figures:  figures/   (with metrics.json and predictions.csv)"
	@echo "next:     $(PYTHON) model_and_figures.py --predict FILE   to measure a telescope image"

# The stamp file marks a dataset that make has written. Make never replaces a dataset without it.
dataset/.made: $(VENV)/.installed $(SIMULATES) $(DATA_STALE)
	@if [ -e $@ ] && [ ! dataset/manifest.json -nt $@ ]; then how=--force; else how=--resume; fi; \
	$(PYTHON) generate_data.py $$how $(DATA)
	@echo '$(DATA)' > $@

rebuild:

figures/.drawn: dataset/.made $(TRAINS) $(TRAIN_STALE)
	@if [ models/regression.resume.npz -nt dataset/.made ]; then how=--resume; fi; \
	$(PYTHON) model_and_figures.py $$how $(TRAIN)
	@echo '$(TRAIN)' > $@

install: $(VENV)/.installed  ## create .venv and install the packages that the two commands need

$(VENV)/.installed: requirements.lock
	@for python in python3.12 python3.13 python3; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "error: no Python >= 3.12 found (tried python3.12, python3.13, python3); install it and run make again" >&2; \
	  exit 1; \
	fi; \
	echo "using $$found ($$($$found --version 2>&1)); installing into $(VENV)/ (downloads about 1 GB)"; \
	$$found -m venv $(VENV)
	@$(PYTHON) -m pip install --disable-pip-version-check --quiet --compile -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@$(PYTHON) -m pip install --disable-pip-version-check --quiet --compile -r requirements-dev.lock
	@touch $@

# The order is that of tests/conftest.py: longest first.
WORKERS := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test: lint  ## install the packages that the tests need, then lint and test
	$(PYTHON) -m pytest $(WORKERS)

quick: $(VENV)/.installed-dev  ## run the tests that neither compile programs nor run whole commands
	$(PYTHON) -m pytest $(WORKERS) --quick

lint: $(VENV)/.installed-dev  ## check style, format and types of the code
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/.installed-dev  ## measure speed and memory; write benchmarks/results.json
	$(PYTHON) -m benchmarks

bench-gpu:  ## measure simulation and training on a GPU; write benchmarks/results/gpu.json (PYTHON=... for another Python)
	$(PYTHON) -m benchmarks.gpu

tables: $(VENV)/.installed  ## write the parameter tables in docs/parameters/
	$(PYTHON) params_and_cli.py

networks: $(VENV)/.installed  ## train the networks of the project again (an hour and more for each)
	$(PYTHON) -m benchmarks.networks

gallery: figures/.drawn  ## copy the figures of the default run into the README's gallery
	cp figures/*.png docs/images/

check-gpu-requirements: $(VENV)/.installed  ## check that pip can resolve requirements-gpu.txt (Linux)
	$(PYTHON) -m pip install --disable-pip-version-check --quiet --dry-run -r requirements-gpu.txt
	@echo "requirements-gpu.txt resolves"

clean:  ## remove the virtual environment and caches; keep datasets, networks and figures
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the targets
	@echo "make                          install, simulate the default dataset, train, draw (about 10 minutes on two cores)"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 30
	@echo 'make DATA="-n 5000" TRAIN="-e 20"'
	@echo '                              the same as make, with flags for the two commands'
