# Every target makes what it needs; only .venv, test-slow and clients use the network.
# On another interpreter or folder: make PYTHON=python3.13 VENV=/tmp/venv test

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NOT_SLOW := not slow and not node and not clients

.DEFAULT_GOAL := check
.PHONY: help check lint types test test-slow clients cover demo cassettes docs docs-check \
	bench format build clean reliability soak fuzz

check: lint types test docs-check ## All that a change must pass (the default)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z.-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

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
		|| $(BIN)/pip install --quiet --group fuzz \
		|| { echo "atheris can't be installed here: it has wheels for Linux only"; exit 1; }
	$(BIN)/python -m fuzz

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

bench: $(INSTALLED) ## Measure what the proxy costs
	$(BIN)/python -m bench

format: $(INSTALLED) ## Lay the code out and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(INSTALLED) ## Make the sdist and the wheel in dist/
	$(BIN)/hatchling build

clean: ## Remove everything that these targets made
	rm -rf $(VENV) dist .coverage .coverage.* .hypothesis .import_linter_cache
	rm -rf .mypy_cache .pytest_cache .ruff_cache .fuzz
	find . -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "streamtape needs Python 3.11 or later: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "No venv: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable . --group dev
	@touch $@
