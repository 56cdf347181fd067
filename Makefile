# One command each; `make` alone lists them.

VENV   ?= .venv
PYTHON ?= python3
ARGS   ?=

# Each worker begins with tests that follow one another, and who has done his takes from the others.
PARALLEL := --numprocesses auto --dist worksteal

# What takes a minute each; the targets that have them in their recipes run them.
BARRIERS := tests/kernels/test_barriers.py
NARROWED := tests/kernels/test_avx2.py

.DEFAULT_GOAL := help
.PHONY: help train test avx2 web-test web-picture compile emulate sanitize mutants bench gpu-check lint tables report clean

help:  ## list the commands
	@awk -F ':.*## *' '/^[a-z0-9-]+: .*##/ || /^[a-z0-9-]+:  ##/ { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: $(VENV)/.train  ## train on the device at hand; flags: make train ARGS="--iterations 500 --seed 3"
	$(VENV)/bin/python -m cgan_raw.train $(ARGS)

test: $(VENV)/.dev  ## run the test suite, on all cores; its slowest tests are listed at the end
	$(VENV)/bin/python -m pytest $(PARALLEL) --durations 15 --ignore $(BARRIERS) --ignore $(NARROWED) $(ARGS)

avx2: $(VENV)/.dev  ## try the CPU's kernels with AVX2, on a machine with AVX-512
	$(VENV)/bin/python -m pytest $(NARROWED) $(PARALLEL) $(ARGS)

web-test: $(VENV)/.web browser tests/web/node_modules  ## try the page of export --web in node and in a real browser
	$(VENV)/bin/python -m pytest tests/web $(PARALLEL) --durations 5 $(ARGS)

web-picture: $(VENV)/.web browser  ## renew README's picture of the page: make web-picture ARGS=runs/RUN
	$(VENV)/bin/python tests/web/picture.py $(ARGS)

compile: $(VENV)-compile/.compile  ## compile the kernels for every GPU, without one; see CONTRIBUTING.md
	$(VENV)-compile/bin/python -m pytest tests/compile $(ARGS)

emulate: $(VENV)-emulate/.emulate  ## run the GPU path, CuPy included, on an emulated GPU; see CONTRIBUTING.md
	PYTHONPATH="$(CURDIR)/tests/emulate" $(VENV)-emulate/bin/python -m pytest tests/emulate tests/gpu/test_gpu_kernels.py \
		-k "not (fused and tensor_core)" $(PARALLEL) $(ARGS)

bench: $(VENV)/.bench  ## measure this machine: kernels, iterations beside PyTorch and JAX, scaling; into bench/results
	for vectors in "" $(if $(GPU_EXTRA),,"-m bench.avx2"); do \
		$(VENV)/bin/python $$vectors -m pytest bench --benchmark-only --keep bench/results || exit; \
		$(VENV)/bin/python $$vectors -m bench.compare_iterations || exit; \
		$(VENV)/bin/python $$vectors -m bench.scaling || exit; \
	done

gpu-check:  ## check and measure this machine's GPU; installs nothing: make gpu-check PYTHON=.venv/bin/python
	$(PYTHON) -m bench.gpu_check $(ARGS)

tables: $(VENV)/.dev  ## renew what follows from the kernels: kernels/README.md, an iteration's cost, what they ask of memory
	$(VENV)/bin/python -m bench.cost
	$(VENV)/bin/python -m bench.traces
	$(VENV)/bin/python -m bench.stages
	$(VENV)/bin/python -m bench.kernels_readme

report: $(VENV)/.dev  ## renew README's figures and the plots in docs/bench from bench/results
	$(VENV)/bin/python -m bench.report

sanitize: $(VENV)/.dev  ## run the CUDA C++ under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer
	$(VENV)/bin/python -m pytest $(BARRIERS)
	for sanitizer in address,undefined thread; do \
		$(VENV)/bin/python -m cgan_raw.kernels.simt.sanitize $$sanitizer -m pytest tests/kernels/test_cuda_runs.py || exit; \
	done

mutants: $(VENV)/.dev  ## plant known bugs one by one and see each found: make mutants ARGS="a-name another"
	$(VENV)/bin/python tests/mutants/run.py $(ARGS)

lint: $(VENV)/.dev  ## check style and names: ruff, basedpyright, and clang-format for CUDA C++
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/basedpyright --pythonpath $(VENV)/bin/python
	git ls-files '*.cu' '*.cuh' '*.h' | xargs -r $(VENV)/bin/clang-format --dry-run --Werror

clean:  ## remove what the commands above made, but no run
	rm -rf $(VENV) $(VENV)-compile $(VENV)-emulate tests/web/node_modules build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .benchmarks

# The extra for the machine's GPU, if there is one.
GPU_EXTRA := $(shell $(PYTHON) cgan_raw/devices/gpu_extra.py 2>/dev/null)

$(VENV)/bin/python $(VENV)-compile/bin/python $(VENV)-emulate/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(@:/bin/python=)

COMMA := ,
SPACE := $(subst ,, )

define INSTALL
$(@D)/bin/python -m pip install --quiet --editable '.$(if $(EXTRAS),[$(subst $(SPACE),$(COMMA),$(strip $(EXTRAS)))])'
@touch $@
endef

# A stamp file an extra: pip runs again only when the project's metadata change.
$(VENV)/.%: pyproject.toml setup.py | $(VENV)/bin/python
	$(INSTALL)
$(VENV)/.train: EXTRAS = $(GPU_EXTRA)
$(VENV)/.dev:   EXTRAS = dev $(GPU_EXTRA)
$(VENV)/.web:   EXTRAS = dev web $(GPU_EXTRA)
$(VENV)/.bench: EXTRAS = dev bench $(GPU_EXTRA)

# What is no package of Python's.  Only root, as in a container, is given a browser; tests that lack one are skipped.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && \
		DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends chromium >/dev/null; \
	fi || echo "chromium could not be installed" >&2

tests/web/node_modules: tests/web/package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --prefix $(@D) && touch $@; fi

# Environments of their own: PyTorch and CuPy want NVRTC in versions of their own, and a CuPy that finds no GPU
# would be in the way of the other tests.
$(VENV)-compile/.compile: pyproject.toml setup.py | $(VENV)-compile/bin/python
	$(INSTALL)
$(VENV)-compile/.compile: EXTRAS = compile
$(VENV)-emulate/.emulate: pyproject.toml setup.py | $(VENV)-emulate/bin/python
	$(INSTALL)
$(VENV)-emulate/.emulate: EXTRAS = emulate
