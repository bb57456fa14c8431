# `make help` lists the commands. A file target makes the virtual environment: instant when it is there.
.DEFAULT_GOAL := help
.PHONY: help setup test lint fmt up migrate server worker dispatcher beat flower shell manage audit clean
# here only: `make bare` leaves out of a new platform what stands between such lines
.PHONY: demo worker-payments bench matrix peers profile idle soak model chaos hosts canvas screenshots docs release bare
# to here

PYTHON := .venv/bin/python
RUN := $(PYTHON) -m sandbox.run
SETUP := .venv/.installed
# here only:
TOOLS := .local/tools/.installed
PEERS := .local/peers/.installed
# to here
# A pyenv shim may exist and fail: take the first Python that runs.
ANY_PYTHON = $$(for candidate in python3.13 python3 python3.14 python3.12 python /usr/bin/python3; do \
	$$candidate -c 'import sys; assert sys.version_info[0] == 3' >/dev/null 2>&1 && echo $$candidate && break; done)
# Without bytecode every start of Python and Django compiles it anew, which takes two seconds more.
unexport PYTHONDONTWRITEBYTECODE
# Test processes at a time, many of whose tests wait; 0 runs the suite in one.
PROCESSES ?= 4
ARGS ?=
# A part of the suite covers a part of the code: only a whole run is judged.
JUDGE_COVERAGE = $(if $(strip $(ARGS)),echo "A part of the suite: its coverage is not judged.",$(WHOLE))
WHOLE = $(PYTHON) -m coverage report --fail-under=85
# here only:
WHOLE += && $(PYTHON) -m coverage report --include='celeriac/*' --format=total --fail-under=90
# to here

help:  ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

$(SETUP): requirements/dev.txt requirements/uv.txt .python-version sandbox/bootstrap.py
	@python=$(ANY_PYTHON); test -n "$$python" || { echo "No Python 3 runs here." >&2; exit 1; }; \
		$$python sandbox/bootstrap.py

# here only:
$(TOOLS): $(SETUP) requirements/tools.txt
	@$(PYTHON) sandbox/bootstrap.py tools

$(PEERS): $(SETUP) requirements/peers.txt
	@rm -rf .local/peers && $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes \
		--target .local/peers -r requirements/peers.txt && touch $@

# to here
setup: $(SETUP)  ## Make .venv with the pinned packages

# here only:
demo: $(SETUP)  ## Run the main job on the whole platform with faults injected, and audit the books
	@$(PYTHON) -m sandbox.demo

# to here
test: $(SETUP)  ## Run the whole suite with coverage: what CI runs
	@mkdir -p .local
	@$(PYTHON) -m coverage erase
	@$(PYTHON) -m pytest -n $(PROCESSES) --dist worksteal --durations=10 --cov --cov-report= $(ARGS)
	@$(JUDGE_COVERAGE)

lint: $(SETUP)  ## Check style, types, import contracts, migrations and production settings
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m mypy & types=$$!; .venv/bin/lint-imports && $(PYTHON) -m sandbox.lint; others=$$?; \
		wait $$types && exit $$others

fmt: $(SETUP)  ## Format the code and fix what can be fixed
	@$(PYTHON) -m ruff check --fix --quiet .
	@$(PYTHON) -m ruff format .

up: $(SETUP)  ## Run the platform in the foreground; prints addresses and the admin password
	@$(PYTHON) -m sandbox.up

migrate: $(SETUP)  ## Bring the database up to date
	@$(RUN) python manage.py migrate

server: $(SETUP)  ## Run a web server alone
	@$(RUN) web

worker: $(SETUP)  ## Run a worker for the ledger's queues but payments and mails
	@$(RUN) worker

# here only:
worker-payments: $(SETUP)  ## Run a worker for payments and mails, many at once
	@$(RUN) worker-payments

# to here
dispatcher: $(SETUP)  ## Run a dispatcher
	@$(RUN) dispatcher

beat: $(SETUP)  ## Run a beat
	@$(RUN) beat

flower: $(SETUP)  ## Run Flower on loopback, behind a password
	@$(RUN) flower

shell: $(SETUP)  ## Open a Django shell
	@$(RUN) python manage.py shell

manage: $(SETUP)  ## Run manage.py on the same database: make manage ARGS='jobs list'
	@$(RUN) python manage.py $(ARGS)

# here only:
bench: $(SETUP)  ## Measure, print the table, write bench/results/latest.json
	@$(PYTHON) -m bench $(ARGS)

matrix: $(SETUP) $(TOOLS)  ## Run the fast half of the suite on every corner of what is supported
	@$(PYTHON) -m sandbox.matrix $(ARGS)

peers: $(PEERS)  ## Measure other queues beside this one
	@$(PYTHON) -m bench --table peers $(ARGS)

profile: $(SETUP) $(TOOLS)  ## Show what a job costs by phase and statement: ARGS="steady --pictures docs/pictures"
	@$(PYTHON) -m bench.profile $(ARGS)

idle: $(SETUP)  ## Measure what a platform takes that has nothing to do
	@$(PYTHON) -m bench.idle $(ARGS)

soak: $(SETUP)  ## Measure ten minutes of load, and with ARGS=--held beside an open transaction
	@$(PYTHON) -m bench.soak $(ARGS)

model: $(SETUP)  ## Explore the protocol's model and its mutants
	@$(PYTHON) -m tests.model

chaos: $(SETUP)  ## Throw faults at the platform under load, print the table, write the result file
	@$(PYTHON) -m tests.chaos $(ARGS)

hosts: $(SETUP)  ## Move a real project in, and run its own tests: PROJECT=wger CHECKOUT=/path
	@$(PYTHON) -m tests.hosts $(PROJECT) $(CHECKOUT) $(ARGS)

canvas: $(SETUP)  ## Run Celery's own tests on the ledger: CELERY=/a/checkout ARGS="test_tasks.py"
	@$(PYTHON) -m sandbox.canvas "$(CELERY)" $(ARGS)

screenshots: $(SETUP)  ## Take pictures of the admin's pages into docs/screenshots
	@$(PYTHON) -m sandbox.pictures $(ARGS)

docs: $(TOOLS)  ## Build the site of the documentation into .local/site; a warning is an error
	@$(PYTHON) -m sandbox.site

release: $(TOOLS)  ## Build and check a release, and say what it would do: see RELEASING.md
	@$(PYTHON) -m sandbox.release $(ARGS)

bare: $(SETUP)  ## Make a new platform without the sample shop: make bare DIR=../acme
	@$(PYTHON) -m sandbox.bare $(DIR)

# to here
audit: $(SETUP)  ## Look the pinned packages up in a public database of known weaknesses
	@$(PYTHON) -m sandbox.audit

clean:  ## Remove the virtual environment and everything under .local
	@rm -rf .venv .local
