# Needs Python 3.11 or newer, make and git. On Windows without make: see "Without make" in README.md.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
EXTRAS := test,dev,docs

.PHONY: demo test check bench docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed          ## import the samples (or DATA=folder), search, pack one subject, check it
	$(BIN)/vasculum demo $(if $(DATA),--data "$(DATA)")

test: $(VENV)/.developer          ## the whole test suite
	$(BIN)/python -m pytest -n auto -q $(ARGS)

check: $(VENV)/.developer         ## format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench             ## speed against peers; see benchmarks/README.md
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.developer          ## build the documentation into site/
	$(BIN)/mkdocs build --strict

clean:                            ## remove what was built; keeps repositories
	rm -rf $(VENV) site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vasculum needs Python 3.11 or newer; try make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.developer: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	touch $(VENV)/.installed $@

$(VENV)/.bench: $(VENV)/.developer
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS),interop,bench]"
	touch $@
