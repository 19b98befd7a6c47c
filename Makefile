# Every target sets up .venv by itself; ARGS goes on to the program: make demo ARGS=--help
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo test check coverage chaos bench clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 12

setup: ## make .venv with everything in it (the other targets do it by themselves)
	@scripts/bootstrap

demo: setup ## watch claudeflow at work against a simulated Claude API: no key, no cost
	@.venv/bin/claudeflow demo $(ARGS)

test: setup ## run the tests
	@.venv/bin/python -m pytest -q -n auto --dist worksteal $(ARGS) </dev/null

check: ## style, types, import contracts and tests: what a change must pass
	@scripts/check

coverage: setup ## run the tests and show which branches none of them takes
	@.venv/bin/python -m pytest -q --cov=claudeflow --cov-branch --cov-report=term-missing:skip-covered $(ARGS) </dev/null

chaos: setup ## the long kill and soak runs, and more seeds
	@.venv/bin/python -m pytest -q -m chaos $(ARGS) </dev/null

bench: setup ## measure what claudeflow costs, shortly; ARGS="cost storm" at full length
	@.venv/bin/python -m benchmarks $(or $(ARGS),all --quick) </dev/null

clean: ## remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
