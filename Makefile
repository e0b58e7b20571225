# The one door. `make` alone lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .cache/bench
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo inbox test test-endurance wheel-test check lint format types layers generate generated lock chromium postgresql clean stack-tools test-stack test-umami bench bench-guard bench-bot

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# Two layers in one environment: what the demo needs, and on top what tests and checks need.
# --require-hashes: what is installed is what was locked. The project itself is linked, not copied.
$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.demo  ## run the bot against a simulated Telegram and city, and show its events
	$(BIN)/python -m termin_bot.simulation $(ARGS)

inbox: $(VENV)/.demo  ## run the local stand-in for Umami
	$(BIN)/otel-umami inbox $(ARGS)

chromium:
	@scripts/chromium.sh

postgresql:
	@scripts/postgres.sh install

test: $(VENV)/.dev chromium postgresql  ## set up what tests need, and run them; the bot's on SQLite and on PostgreSQL
	$(BIN)/python -m pytest $(ARGS)

test-endurance: $(VENV)/.dev postgresql  ## kill, fork, cut off and fuzz the library and the bot for some minutes
	$(BIN)/python -m pytest -m endurance tests/endurance tests/bot $(ARGS)
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest tests/exporter/test_any_span_inbox.py

wheel-test: $(VENV)/.dev  ## the library's tests from its wheel: no checkout, no bot, no extras
	scripts/wheel_test.sh

stack-tools:  ## build the Collector and Jaeger that the stack tests need (once, some minutes)
	scripts/stack_tools.sh

test-stack: $(VENV)/.dev stack-tools  ## run the tests that need a real Collector and Jaeger
	$(BIN)/python -m pytest -m stack tests/stack $(ARGS)

test-umami: $(VENV)/.dev  ## run the boards against a real Umami: UMAMI_ENDPOINT, UMAMI_USERNAME, UMAMI_PASSWORD
	$(BIN)/python -m pytest tests/dashboards/real_umami.py $(ARGS)

# The peers stand in an environment of their own, and this library beside them.
$(PEERS)/.bench: requirements/bench.txt | $(VENV)/.dev
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	$(PEERS)/bin/python -c 'import pathlib, site; pathlib.Path(site.getsitepackages()[0], "checkout.pth").write_text("$(CURDIR)\n")'
	@touch $@

bench: $(PEERS)/.bench  ## measure the library beside its peers, and write docs/performance.md (ARGS="--quick")
	$(BIN)/python -m bench $(ARGS)

bench-guard: $(PEERS)/.bench  ## fail when a ratio has fallen by more than 30 %
	$(BIN)/python -m bench --guard

bench-bot: $(VENV)/.dev  ## measure the bot against a simulated Telegram, and write docs/performance-bot.md (ARGS=--quick)
	$(BIN)/python tools/bench_bot.py $(ARGS)

check: lint types layers generated test  ## everything CI runs

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/.dev  ## format the code and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

generate: $(VENV)/.dev  ## rewrite every file that is derived from code
	$(BIN)/python scripts/generate.py

generated: $(VENV)/.dev
	$(BIN)/python scripts/generate.py --check

lock:  ## resolve the dependencies again and write the hashed requirement files
	scripts/lock.sh

clean:  ## remove what make made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache build dist
