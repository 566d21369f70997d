# Doorstep: what a person types. `make help` lists it.
#
# Needed on the machine: Python 3.11 or later (with its venv module), git, make. Everything else is installed into
# .venv from requirements.lock, by hash, and built into .build; both may be deleted at any time.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BUILD := .build
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --quiet

# The first Python that is new enough; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)

CATALOGUES := $(wildcard */locale/*/LC_MESSAGES/*.po)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name words; do printf '  make %-12s %s\n' "$$name" "$$words"; done

.PHONY: demo
demo: $(VENV)/.serves publish ## publish the phone's app, fill a sample company, start the server (DOORSTEP_PORT, DOORSTEP_DATA)
	@DOORSTEP_APP_FOLDER="$${DOORSTEP_APP_FOLDER:-$(CURDIR)/$(BUILD)/app}" $(RUN) -m sync_server demo

.PHONY: test
test: $(VENV)/.develops publish ## every test, the browser's included
	@$(RUN) -m tools.browser
	$(RUN) -m pytest -n 2 --dist loadscope --ignore tests/browser tests
	$(RUN) -m pytest tests/browser

.PHONY: check
check: $(VENV)/.develops ## format, lint, types, import contracts, spelling
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/codespell

.PHONY: app
app: $(VENV)/.serves ## the phone's app in an ordinary process, its screen in the browser (development)
	$(RUN) -m field_app

.PHONY: publish
publish: $(VENV)/.serves ## the phone's app, as the server hands it out, into .build/app
	$(RUN) -m tools.publish $(BUILD)/app

.PHONY: bench
bench: $(VENV)/.develops ## the figures of docs/performance.md, measured here
	$(RUN) -m bench
	$(RUN) -m bench.phone

.PHONY: torture
torture: $(VENV)/.develops ## processes under kill -9 on a network that fails; figures for docs/reliability.md (KILLS, SEED)
	$(RUN) -m tools.torture --kills "$${KILLS:-500}" --seed "$${SEED:-1}"

.PHONY: simulate
simulate: $(VENV)/.develops ## a company's bad weeks from a number, replayed: SEED=1 STEPS=200000 (docs/reliability.md)
	$(RUN) -m tests.simulation run --seed $(or $(SEED),1) --steps $(or $(STEPS),200000) --processes 2 $(if $(RECORD),--record)

.PHONY: mutations
mutations: $(VENV)/.develops ## the production code broken in known ways: that the simulation notices each
	$(RUN) -m tests.simulation mutations $(if $(RECORD),--record)

.PHONY: bench-rivals
bench-rivals: $(VENV)/.develops ## the same work by other servers (installed into .build/rivals), beside ours
	$(RUN) -m bench.rivals

.PHONY: screenshots
screenshots: $(VENV)/.develops publish ## the pictures of the README, taken anew
	$(RUN) -m tools.screenshots docs/pictures

.PHONY: setup
setup: $(VENV)/.develops ## the environment for all of this

.PHONY: clean
clean: ## delete what was built (never data)
	rm -rf $(BUILD) $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f $(CATALOGUES:.po=.mo)

# -- the environment: a file for each stage says that it is done ---------------------------------------------------------
# Of two that begin at once the second waits, and finds it done.

ALONE = $(PYTHON) tools/side_by_side.py setup

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Doorstep needs Python 3.11 or later; python3 here is: $$(python3 --version 2>&1). Install one, or name it: make PYTHON=/path/to/python"; exit 1; }
	@$(ALONE) sh -c '[ -x $@ ] || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment (on Debian: apt-get install python3-venv)."; exit 1; }'

$(VENV)/.serves: requirements.lock pyproject.toml | $(VENV)/bin/python
	@$(ALONE) sh -ec '[ $@ -nt requirements.lock ] && [ $@ -nt pyproject.toml ] && exit; \
		echo "installing what the server and the publishing of the app need ..."; \
		$(RUN) tools/lock_subset.py server publish > $(VENV)/serves.txt; \
		$(PIP) install --require-hashes -r $(VENV)/serves.txt; \
		$(PIP) install --no-deps --no-build-isolation --editable .; \
		touch $@'

$(VENV)/.develops: $(VENV)/.serves
	@$(ALONE) sh -ec '[ $@ -nt $(VENV)/.serves ] && exit; \
		echo "installing what tests and checks need ..."; \
		$(PIP) install --require-hashes -r requirements.lock; \
		touch $@'

$(VENV)/.catalogues: $(CATALOGUES) tools/compile_catalogues.py $(VENV)/.serves
	@$(RUN) -m tools.compile_catalogues
	@touch $@

demo test check app publish bench bench-rivals simulate mutations torture screenshots setup: $(VENV)/.catalogues
