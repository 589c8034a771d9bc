# One command each; every one makes the virtual environment that it needs.
#
#   make demo                  baseline against SAST on synthetic recordings: a table and a page
#   make demo NMNIST=folder    on real N-MNIST recordings (folders or the official zips), preset deep
#   make test                  all tests but the slow ones (test-slow: these; test-all: both, on five
#                              times as many drawn instances)
#   make lint types contracts  style, types, who may import whom
#   make notebooks             build and execute the notebooks (notebooks-check: write nothing)
#   make theorems              check, attack and certify every theorem: a table and a page
#   make mutants               plant errors one by one and count those that a test catches
#   make peers                 the tests against PyTorch and other libraries, and docs/peers.md
#   make docs                  build the site without a network: build/site/index.html
#   make docs-check            build it, follow its links and walk it in a headless browser
#   make bench                 time gradients and training, here and in other libraries: a page and two figures

PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
OUT ?= runs/demo
SEEDS ?= 2
NMNIST_ROOT := $(wildcard ../shared/nmnist-small)
export REFSAST_NMNIST ?= $(if $(NMNIST_ROOT),$(abspath $(NMNIST_ROOT)))
# Every process has a core to itself.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

# Whatever asks for a framework.
PEERS := torch|jax|snntorch|norse|sinabs|spikingjelly|nir
PEERS_TESTS = $(shell grep -rlE 'importorskip."($(PEERS))' --include='test_*.py' tests) tests/test_bench.py tests/site/test_guides.py

# Two files are left to the comparison with PyTorch.
TESTS := --numprocesses $(JOBS) --dist worksteal --ignore tests/gradient/test_torch.py \
	--ignore tests/gradient/test_torch_extended.py

.PHONY: demo test test-slow test-all lint types contracts notebooks notebooks-check theorems mutants peers docs docs-check bench clean

.venv/base: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/dev: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

.venv/peers: .venv/dev
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[peers]"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps "sinabs==3.1.3"
	@touch $@

.venv/docs: .venv/base
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[docs]"
	@touch $@

demo: .venv/base
	$(BIN)/python -m refsast compare --seeds $(SEEDS) --jobs $(JOBS) --out $(OUT) \
		$(if $(NMNIST),--preset deep --nmnist "$(NMNIST)",--preset paper --train 4000 --test 2000)

test: .venv/dev
	$(BIN)/python -m pytest -m "not slow" $(TESTS)

test-slow: .venv/dev
	$(BIN)/python -m pytest -m slow $(TESTS)

test-all: .venv/dev
	REFSAST_DRAWS=all $(MAKE) test test-slow

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/peers # the adapters are typed by what they adapt
	$(BIN)/pyright

contracts: .venv/dev
	$(BIN)/lint-imports

notebooks: .venv/dev
	$(BIN)/python notebooks/build.py --jobs $(JOBS)

notebooks-check: .venv/dev
	$(BIN)/python notebooks/build.py --check --jobs $(JOBS)

theorems: .venv/base
	$(BIN)/python -m proofs_check --html runs/theorems.html --json runs/theorems.json $(THEOREMS)

mutants: .venv/dev
	$(BIN)/python tests/mutate.py

peers: .venv/peers
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal $(PEERS_TESTS)
	$(BIN)/python -m tests.audit $(AUDIT)

docs: .venv/docs
	$(BIN)/python docs/site/build.py

docs-check: docs .venv/dev
	$(BIN)/python -m pytest tests/site/test_site.py tests/site/test_walk.py

# With all cores, and with whatever other libraries can be installed.
bench: .venv/dev
	@$(MAKE) .venv/peers || echo "not all other libraries could be installed: some are left out"
	env -u OPENBLAS_NUM_THREADS -u OMP_NUM_THREADS $(BIN)/python -m tests.bench $(BENCH)

clean:
	rm -rf .venv runs build *.egg-info
