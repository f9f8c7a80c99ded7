# make       install, simulate the default dataset, train, draw the figures
# make help  everything else

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# Given on the command line, e.g.  make DATA="-n 5000 --telescope=hst" TRAIN="-e 20"
DATA ?=
TRAIN ?=

VENV   := .venv
PYTHON := $(VENV)/bin/python

PACKAGE   := $(shell find stronglens -name '*.py' 2>/dev/null)
# What the dataset depends on, and what training and figures depend on beyond it.
SIMULATES := params_and_cli.py generate_data.py stronglens/regression/simulator.py \
             $(filter stronglens/parameters/% stronglens/simulation/% stronglens/raytracing/% stronglens/dataset/% \
                      stronglens/telescope/% stronglens/telescopes.py stronglens/sampling.py stronglens/cosmology.py, $(PACKAGE))
TRAINS    := params_and_cli.py model_and_figures.py \
             $(filter-out stronglens/raytracing/% stronglens/execution/% stronglens/simulation/%, $(PACKAGE))

.PHONY: all anew install test lint bench bench-gpu tables gallery check-gpu-requirements clean help

# A stage whose result is gone, or was made with other flags, is out of date. The stamps hold the flags.
DATA_STALE  := $(if $(wildcard dataset/manifest.json),,anew)
TRAIN_STALE := $(if $(wildcard models/regression.keras),,anew)
ifneq ($(strip $(DATA)),$(strip $(shell cat dataset/.made 2>/dev/null)))
DATA_STALE  := anew
endif
ifneq ($(strip $(TRAIN)),$(strip $(shell cat figures/.drawn 2>/dev/null)))
TRAIN_STALE := anew
endif

all: figures/.drawn
	@echo
	@echo "dataset:  dataset/   (images/, labels.csv, manifest.json)"
	@echo "network:  models/regression.keras"
	@echo "figures:  figures/   (with metrics.json and predictions.csv)"
	@echo "next:     $(PYTHON) model_and_figures.py --predict FILE   measures a telescope image"

# The stamps tell a dataset that make made from one made by hand, which is never replaced.
dataset/.made: $(VENV)/.installed $(SIMULATES) $(DATA_STALE)
	@if [ -e $@ ] && [ ! dataset/manifest.json -nt $@ ]; then how=--force; else how=--resume; fi; \
	$(PYTHON) generate_data.py $$how $(DATA)
	@echo '$(DATA)' > $@

anew:

figures/.drawn: dataset/.made $(TRAINS) $(TRAIN_STALE)
	@if [ models/regression.resume.npz -nt dataset/.made ]; then how=--resume; fi; \
	$(PYTHON) model_and_figures.py $$how $(TRAIN)
	@echo '$(TRAIN)' > $@

install: $(VENV)/.installed  ## create .venv and install what the two commands need

$(VENV)/.installed: requirements.lock
	@for python in python3.12 python3.13 python3; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "error: no Python >= 3.12 found (tried python3.12, python3.13, python3); install one and run make again" >&2; \
	  exit 1; \
	fi; \
	echo "using $$found ($$($$found --version 2>&1)); installing into $(VENV)/ (about 1 GB to fetch)"; \
	$$found -m venv $(VENV)
	@$(PYTHON) -m pip install --disable-pip-version-check --quiet --compile -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@$(PYTHON) -m pip install --disable-pip-version-check --quiet --compile -r requirements-dev.lock
	@touch $@

test: lint  ## install everything the tests need, then lint and test
	$(PYTHON) -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

lint: $(VENV)/.installed-dev  ## check style, format and types of the code
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/.installed-dev  ## measure speed and memory; writes benchmarks/results.json
	$(PYTHON) -m benchmarks

bench-gpu:  ## measure a GPU; writes benchmarks/results/gpu.json (PYTHON=... for another Python)
	$(PYTHON) -m benchmarks.gpu

tables: $(VENV)/.installed  ## write the parameter tables in docs/parameters/
	$(PYTHON) params_and_cli.py

gallery: figures/.drawn  ## copy the figures of the default run into the README's gallery
	cp figures/*.png docs/images/

check-gpu-requirements: $(VENV)/.installed  ## check that requirements-gpu.txt resolves (Linux)
	$(PYTHON) -m pip install --disable-pip-version-check --quiet --dry-run -r requirements-gpu.txt
	@echo "requirements-gpu.txt resolves"

clean:  ## remove the virtual environment and caches; datasets, networks and figures stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@echo "make                          install, simulate the default dataset, train, draw (about 10 minutes on two cores)"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 30
	@echo 'make DATA="-n 5000" TRAIN="-e 20"'
	@echo '                              the same as make, with flags for the two commands'
