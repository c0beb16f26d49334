# `make serve` runs Matinee, `make test` tests it. Both set everything up first, and need no network from the second
# time on. `make help` lists the rest.

# Without cached bytecode every process that a test starts compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
# The first Python on the path that is new enough; PYTHON=... names another.
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))
READY := $(VENV)/ready
NPM_READY := tests/clients/node_modules/ready

.DEFAULT_GOAL := help
.PHONY: help setup serve test clients screenshots check fuzz mutants format bench outages attack lock wheel clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(READY) ## make .venv with the locked dependencies and .venv/bin/matinee

$(READY): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
		echo "Matinee needs Python 3.11 or later; found: $$(python3 --version 2>&1 || true)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks the venv module; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@{ PYTHONUNBUFFERED=1 $(BIN)/pip install --progress-bar off --disable-pip-version-check --require-hashes \
		--no-deps -r requirements.lock; echo "exit $$?"; } | { \
		count=0; while read -r line; do case "$$line" in \
			"exit "*) exit "$${line#exit }" ;; \
			Collecting*) count=$$((count + 1)); \
				if [ $$((count % 20)) = 1 ]; then echo "Fetching packages, from number $$count"; fi ;; \
			"Installing collected"*) echo "Installing these $$count packages; this may take half a minute" ;; \
		esac; done; }
	@echo "Installing Matinee itself"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "Ready: $(BIN)/matinee"
	@touch $(READY)

serve: $(READY) ## set up if need be, and run Matinee on this machine
	@exec $(BIN)/matinee serve

# Two for each core, because the tests of whole services mostly wait. The tests of a module share a worker, so
# that what they share is started once.
PARALLEL = -n $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 1) * 2)') \
	--dist loadscope --no-loadscope-reorder
# The module that takes longest begins first, or all other workers would wait for it at the end.
LONGEST = tests/integration/test_sync.py

test: $(READY) clients ## set up if need be, and run all tests
	$(BIN)/python -m pytest $(PARALLEL) $(LONGEST) tests --cov --cov-report=term --cov-fail-under=95
	@$(BIN)/python -m coverage report --include='domain/*,application/*' --fail-under=100

clients: ## install what the tests of TypeScript clients want, if npm is there
	@if ! command -v npm >/dev/null; then \
		echo "There is no npm here: the tests of TypeScript clients will be skipped."; \
	elif ! $(MAKE) --no-print-directory $(NPM_READY); then \
		echo "npm could not install tests/clients: the tests of TypeScript clients will be skipped." >&2; fi

$(NPM_READY): tests/clients/package-lock.json tests/clients/.npmrc
	cd tests/clients && npm ci --ignore-scripts --loglevel=error
	@touch $@

screenshots: $(READY) ## pictures of every page, wide and narrow, light and dark, in screenshots/ (wants Chromium)
	$(BIN)/python -m tests.browser screenshots

check: $(READY) ## formatting, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Another seed each time; `make fuzz SEED=7` tries that one again, FUZZ=tests/unit narrows it.
SEED = $(shell $(BIN)/python -c 'import secrets; print(secrets.randbelow(2**32))')
FUZZ ?= tests

fuzz: $(READY) ## try all property tests with a fresh seed, ten times as long as `make test` does
	@seed=$(SEED); echo "make fuzz SEED=$$seed"; $(BIN)/python -m pytest -q $(PARALLEL) -m hypothesis \
		--hypothesis-profile=fuzz --hypothesis-seed=$$seed $(FUZZ)

mutants: $(READY) ## plant faults in domain and application, and count which the tests notice
	@$(BIN)/python -m tests.mutation

format: $(READY) ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure, and print a table
	$(BIN)/python -m tests.benchmarks

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --custom-compile-command 'make lock' --prerelease if-necessary-or-explicit

# The first lock decides the versions; the other two are parts of it, for the image.
outages: $(READY) ## make Redis, the store and TMDB unavailable under load, for half an hour, and print the effects
	$(BIN)/python -m tests.outages

attack: $(READY) ## let 64 clients rate 5 movies for 10 s on each store while the server is killed
	ATTACK_CLIENTS=64 ATTACK_SECONDS=10 $(BIN)/python -m pytest -q tests/e2e/test_raters_killed.py

lock: ## renew the locks from pyproject.toml (wants uv)
	$(LOCK) --extra server --extra mongo --extra testkit --group dev --output-file requirements.lock pyproject.toml
	$(LOCK) --extra server --extra mongo --constraints requirements.lock \
		--output-file requirements-server.lock pyproject.toml
	printf 'hatchling\nsetuptools\n' | $(LOCK) --constraints requirements.lock --output-file requirements-build.lock -

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## remove what setting up and testing have made
	rm -rf $(VENV) tests/clients/node_modules dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .mutants screenshots
