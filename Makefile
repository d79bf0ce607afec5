# Every target makes what it needs; the network is used by .venv, test-slow, clients,
# lock, newest, oldest, pythons, package and package-tests, for packages alone.
# On another interpreter or folder: make PYTHON=python3.13 VENV=/tmp/venv test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NOT_SLOW := not slow and not node and not clients
# For every Python that is promised, and every system.
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := check
.PHONY: help check lint types test test-slow clients cover demo cassettes docs docs-check \
	bench format build clean reliability soak fuzz lock newest oldest pythons walk

check: lint types test docs-check ## All that a change must pass (the default)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' Makefile

lint: $(INSTALLED) ## Style, layout and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(INSTALLED) ## Check the types
	$(BIN)/mypy

# They start Python some two hundred times, which is to compile each file but once.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(INSTALLED) ## Run the tests that need nothing but Python
	$(BIN)/pytest -n auto --dist worksteal -m "$(NOT_SLOW)"

test-slow: $(INSTALLED) ## Run the long tests and those that need node
	$(BIN)/pytest -m "(slow or node) and not clients"

clients: $(INSTALLED) ## Run real clients, installed at their newest versions
	$(BIN)/pytest -m clients tests/clients

reliability: $(INSTALLED) ## Run every reliability case in its long form
	$(BIN)/python scripts/run_reliability.py

soak: $(INSTALLED) ## Ten minutes of mixed load with faults; SOAK_S=60 for less
	PYTHONPATH=tests $(BIN)/python -m soak

fuzz: $(INSTALLED) ## A million inputs for the readers of cassettes and streams
	@$(BIN)/python -c "import atheris" 2>/dev/null \
		|| $(BIN)/pip install --quiet --no-deps -r requirements/fuzz.txt \
		|| { echo "atheris can't be installed here: it has wheels for Linux only"; exit 1; }
	$(BIN)/python -m fuzz

newest: $(INSTALLED) ## Run the tests on the newest versions of everything
	$(BIN)/python scripts/try_versions.py newest

oldest: $(INSTALLED) ## Run the tests on the lowest versions that are promised
	$(BIN)/python scripts/try_versions.py oldest

pythons: $(INSTALLED) ## Run the tests on each promised Python that is here
	$(BIN)/python scripts/try_versions.py pythons

lock: $(INSTALLED) ## Take the newest versions into the lock files
	$(LOCK) pyproject.toml --group dev --output-file requirements/dev.txt
	$(LOCK) --group fuzz --output-file requirements/fuzz.txt
	cd tests/e2e/node && npm install --package-lock-only --ignore-scripts @anthropic-ai/sdk@latest

cover: $(INSTALLED) ## Run the tests and say what they leave out
	$(BIN)/coverage run -m pytest -m "$(NOT_SLOW)"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

demo: $(INSTALLED) ## The whole story with no key and no network
	$(BIN)/streamtape demo

cassettes: $(INSTALLED) ## Remake the cassettes that ship with the package
	$(BIN)/python scripts/make_cassettes.py

docs: $(INSTALLED) ## Write the generated parts of the docs
	$(BIN)/python scripts/make_docs.py

docs-check: $(INSTALLED) ## Fail if the docs say something else than the code
	$(BIN)/python scripts/make_docs.py --check

walk: $(INSTALLED) ## Count what an event and a request pass through
	$(BIN)/python scripts/walk.py

bench: $(INSTALLED) ## Measure what the proxy costs
	$(BIN)/python -m bench

format: $(INSTALLED) ## Lay the code out and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(INSTALLED) ## Make the sdist and the wheel in dist/
	rm -rf dist
	$(BIN)/hatchling build

.PHONY: package package-tests
package: build ## Install what build makes with pip and pipx, and try it
	$(BIN)/python scripts/try_package.py

package-tests: build ## Run the tests of the sdist where it is unpacked
	$(BIN)/python scripts/try_package.py --tests

clean: ## Remove everything that these targets made
	rm -rf $(VENV) .venvs dist .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .fuzz
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "streamtape needs Python 3.11 or later: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "No venv: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@echo "Installing what requirements/dev.txt names into $(VENV), half a minute or so"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check --disable-pip-version-check
	@touch $@
