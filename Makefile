# Every target may be run again at any time: what is done already is not done twice.
# A bare machine needs make and python3 (3.11 or newer) with its venv module, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DATA   ?=

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-full check types sql-lint bench lock

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r target words; do printf '%-18s %s\n' "$$target" "$$words"; done

setup: $(STAMP) ## make the virtual environment from the locked versions

# The stamp lies inside the environment, so that deleting the environment asks for a new one.
$(STAMP): .lock/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "assent: needs python3 3.11 or newer with its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .lock/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## serve on 127.0.0.1
	$(BIN)/assent run

demo: setup ## show the whole job on real data; DATA=path for a file of your own
	$(BIN)/assent demo $(if $(DATA),--data $(DATA))

test: setup ## run the tests, under ten minutes on two cores
	$(BIN)/python -m pytest -m "not full" -n 3 --dist loadfile --no-loadscope-reorder -q

test-full: setup ## run every test, the slow ones too
	$(BIN)/python -m pytest -n 2 --dist loadfile -q

check: setup ## lint, format, types, import contracts, SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory --jobs=2 --output-sync types sql-lint

types sql-lint: setup # the two that take long, beside each other
types:
	$(BIN)/mypy
sql-lint:
	$(BIN)/sqlfluff lint --disable-progress-bar sql

bench: setup ## measure, print ratios, write JSON under .assent/bench/
	$(BIN)/python -m tests.benchmarks

# For maintainers, with uv at hand; nobody else needs it. Exact versions and hashes, no host.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock: ## choose exact versions again (needs uv; LOCKFLAGS=--upgrade for newer ones)
	@mkdir -p .lock
	$(LOCK) $(LOCKFLAGS) pyproject.toml -o .lock/run.txt
	$(LOCK) $(LOCKFLAGS) pyproject.toml --group dev --constraints .lock/run.txt -o .lock/dev.txt
