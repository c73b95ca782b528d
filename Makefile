# Each target creates what it needs. Required: Python 3.11 or newer, git and make.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# Bytecode is written even if the environment forbids it: tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# What "make quick" leaves out: tests with processes or in real time, and cases that take seconds.
SLOW := --ignore=tests/cli --ignore=tests/benchmarks --ignore=tests/docs \
  -k "not (refusals_that_name_one_record_each_time or nightly_sync or recorder_that_fails_at_once)"

# The tests of what decides without I/O.
RULES := tests/protocol tests/batching tests/quota tests/account

# The tests of the package without processes, browsers, databases and documentation.
CORE := $(RULES) tests/http tests/run tests/journal \
  tests/files tests/simulator tests/testing tests/test_client.py tests/test_portal.py \
  tests/test_batch_portal.py tests/test_errors.py tests/test_options.py tests/test_planning.py

AUDIT := .venv-judges/bin/python -m pip_audit --strict --require-hashes --disable-pip \
  --progress-spinner off --timeout 5 --requirement requirements-dev.txt

.PHONY: help demo quick test coverage test-lowest judges mutants audit audit-if-possible check format bench docs clean

help:
	@echo "make demo    link 2,000 pairs against a simulated HubSpot portal"
	@echo "make quick   make check and the fast tests: about a minute"
	@echo "make test    make check, the documentation and all tests"
	@echo "make coverage  all tests, with the lines that they run"
	@echo "make check   format, lint, types, import contracts"
	@echo "make format  format the code"
	@echo "make bench   benchmarks, in real time (minutes)"
	@echo "make judges  check the simulator and the client with external tools (minutes)"
	@echo "make mutants mutation tests of the rules (an hour)"
	@echo "make test-lowest  the tests with the oldest allowed dependencies"
	@echo "make audit   look up known vulnerabilities of the dependencies (needs a network)"
	@echo "make docs    build the documentation in docs/_build/html"

demo: .venv/.cli
	$(BIN)/aiohubassoc demo

quick: check
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -q -n 2 --dist worksteal $(SLOW)

# tests/docs builds the documentation as "make docs" does. Three processes: some tests wait for real
# time. Only the tests of the rules measure coverage, as it slows tests down.
test: check
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report= --cov-fail-under=0 $(RULES)
	$(BIN)/coverage report --include='aiohubassoc/_protocol/*,aiohubassoc/_batching/*,aiohubassoc/_quota/*' --fail-under=99
	$(BIN)/python -m pytest -n 3 --dist worksteal $(RULES:%=--ignore=%)

coverage: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report= --cov-fail-under=0
	$(BIN)/coverage report

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory audit-if-possible

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

# Every one is run, also after one whose bar is missed.
bench: .venv/.dev
	@missed=""; \
	run() { echo "python benchmarks/$$*"; $(BIN)/python benchmarks/$$* || missed="$$missed; $$*"; }; \
	run throughput.py; \
	run batch.py; \
	run nightly.py; \
	run overhead.py; \
	run modules.py; \
	run startup.py; \
	run memory.py; \
	run quota.py; \
	run shared.py; \
	run faults.py; \
	run kills.py; \
	run kills.py --via batch; \
	run soak.py --minutes 5; \
	run fuzz.py; \
	run journal.py; \
	run run_report.py; \
	run inputs.py; \
	run join.py; \
	run hostile_files.py; \
	run callbacks.py; \
	test -z "$$missed" || { echo "missed$$missed"; exit 1; }

judges: .venv/.dev .venv-judges/.done .venv-proxy/.done
	$(BIN)/python -m pytest -p no:randomly tests/judges

mutants: .venv/.dev
	$(BIN)/python benchmarks/mutants.py --jobs 2

# The oldest dependencies of the package and of its tests, from pyproject.toml.
test-lowest: .venv-lowest/.done
	.venv-lowest/bin/python -m pytest -q -n 2 --dist worksteal $(CORE)

audit: .venv/.dev .venv-judges/.done
	$(AUDIT)
	@touch .venv-judges/.audited

# For "make check": once a day, where "make audit" has installed the tool and a network is there.
# The tool writes to standard output only what it has found.
audit-if-possible:
	@if [ ! -x .venv-judges/bin/pip-audit ]; then \
	  echo "Audit left out: pip-audit is not installed. To install and run it: make audit"; \
	elif [ -n "$$(find .venv-judges/.audited -newer requirements-dev.txt -mtime -1 2>/dev/null)" ]; then \
	  echo "Audit: done less than a day ago"; \
	elif found=$$($(AUDIT) 2>.venv-judges/audit.log); then \
	  touch .venv-judges/.audited; echo "Audit: no known vulnerabilities"; \
	elif [ -n "$$found" ]; then \
	  echo "$$found"; exit 1; \
	else \
	  echo "Audit left out: $$(tail -n 1 .venv-judges/audit.log | cut -c 1-200)"; \
	fi

docs: .venv/.dev
	$(BIN)/python -m sphinx -nW -q -b html docs docs/_build/html
	$(BIN)/python docs/check_links.py

clean:
	rm -rf .venv .venv-judges .venv-lowest .venv-proxy .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis docs/_build

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.cli: pyproject.toml | .venv/bin/python
	$(PIP) install --editable '.[cli]'
	@touch $@

.venv-judges/.done .venv-proxy/.done: .venv-%/.done: pyproject.toml
	$(or $(wildcard .venv/bin/python),$(PYTHON)) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --upgrade "pip>=25.1" # knows groups
	.venv-$*/bin/python -m pip install --quiet --group $*
	@touch $@

.venv-lowest/.done: pyproject.toml | .venv/bin/python
	$(BIN)/python -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet "uv>=0.5"
	.venv-lowest/bin/uv pip compile --quiet --python .venv-lowest/bin/python --resolution lowest-direct --all-extras --group test \
	  pyproject.toml --output-file .venv-lowest/requirements.txt
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python \
	  --requirement .venv-lowest/requirements.txt --editable .
	@touch $@

# Pinned with hashes. To update them: docs/how-to/develop.md, "Versions".
.venv/.dev: requirements-dev.txt pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes --requirement requirements-dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ .venv/.cli
