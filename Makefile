# Every target makes .venv and installs what it needs; nothing here needs root, but what `make matrix` asks apt for.
#   make demo        train a network on handwritten digits on this machine's best device
#   make test        the test suite
#   make test-peers  the comparisons with PyTorch, ONNX Runtime, Keras and MPNeuralNetwork, which it leaves out (large)
#   make test-low    the conformance tests on devices that can do little (DEVICE=opencl:1 for one of them)
#   make fuzz        random calls, bad ones, and damaged files: MINUTES=30 DEVICE= SEED= OPS= (names, or "file")
#   make lint        style, types, import contracts
#   make mutate      plant faults in the kernels and see the tests notice each
#   make bench       measure beside NumPy, torch and ONNX Runtime; the tables go to docs/benchmarks.md
#   make matrix      every kernel on every OpenCL implementation, and compiled for GPUs that are not here (MATRIX=--quick: a part)
#   make docs        the documentation as a site, in site/

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
MINUTES ?= 30
PYTEST_FLAGS ?= -n $(JOBS) --dist worksteal
MATRIX ?=

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: help demo test test-peers test-low fuzz mutate bench matrix lint format docs hooks clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^#   make/s/^#   //p' Makefile

demo: $(VENV)/.has-demo
	$(BIN)/clnn demo digits

test: $(VENV)/.has-test
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

# Imported once first: a torch that does not load must fail here, not skip every comparison.
test-peers: export KERAS_BACKEND = torch
test-peers: $(VENV)/.has-test $(VENV)/.has-bench $(VENV)/.has-torch $(VENV)/.has-origins
	$(BIN)/python -c "import torch, onnxruntime, keras, mpneuralnetwork"
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m peers

# One after the other: every kernel is another one there, and compiling them takes most of the time.
test-low: $(VENV)/.has-test
	for profile in low least lone; do \
		CLNN_PRETEND=$$profile $(BIN)/python -m pytest $(PYTEST_FLAGS) tests/test_conformance.py \
			$(addprefix --device ,$(DEVICE)) -k "opencl_matches or every_algorithm" || exit; \
	done

mutate: $(VENV)/.has-test
	$(BIN)/python scripts/mutate

# Its exit status says whether something was found. Compares with torch too where make test-peers has put it.
fuzz: $(VENV)/.has-test
	PYTHONPATH=tests $(BIN)/python -m fuzz --minutes $(MINUTES) $(DEVICE:%=--device=%) $(SEED:%=--seed=%) $(if $(OPS),--ops $(OPS))

# With nothing else running. A long run in one go: `clnn bench conv --device ...` does a part.
bench: $(VENV)/.has-bench $(VENV)/.has-torch
	$(BIN)/clnn bench --json docs/benchmarks/bench.json --markdown docs/benchmarks.md --plot docs/benchmarks/bench.png

# Asks apt and pip for what is missing, which may need root. A first run takes hours, the next ones what has changed.
matrix: $(VENV)/.has-test
	$(BIN)/python scripts/matrix --install --jobs $(JOBS) $(MATRIX)

lint: $(VENV)/.has-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.has-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.has-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

hooks: $(VENV)/.has-lint $(VENV)/.has-test
	$(BIN)/pre-commit install

clean:
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"clnn: expected Python 3.11 or newer, got " + sys.version.split()[0] + \
		"; set PYTHON, as in: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)

# One stamp per extra: a second call installs nothing, a changed pyproject.toml installs again.
# `cpu` comes with what computes: it is an OpenCL device that pip alone brings, where there is one.
$(VENV)/.has-demo $(VENV)/.has-test $(VENV)/.has-bench: $(VENV)/.has-%: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[cpu,$*]'
	@touch $@

# The origins come after torch: Keras must find the pinned one.
$(VENV)/.has-origins: | $(VENV)/.has-torch
$(VENV)/.has-lint $(VENV)/.has-docs $(VENV)/.has-torch $(VENV)/.has-origins: $(VENV)/.has-%: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[$*]'
	@touch $@
