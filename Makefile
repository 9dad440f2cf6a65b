# `make demo` and `make test` do everything on a fresh machine; the scripts say what they need and get it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long check wheel mcpb bench pictures cluster-up cluster-down clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## .venv/ with everything that developing needs
	@scripts/setup.sh dev

demo: ## watch one real job from its registration to its end, as an agent would
	@scripts/setup.sh run
	@.venv/bin/jobwarden demo $(DEMO)

test: ## every test but the long ones; ARGS="tests/unit -k ledger" for some
	@scripts/test.sh $(ARGS)

test-long: ## the long tests; writes a record to commit
	@scripts/test_long.sh $(ARGS)

check: ## lock, style, imports, types
	@scripts/check.sh

wheel: ## the built wheel in a clean environment
	@scripts/wheel.sh

mcpb: ## the bundle for desktop clients, into dist/
	@scripts/mcpb.sh

bench: ## the benchmarks; prints ratios
	@scripts/setup.sh dev
	@.venv/bin/python bench/run.py $(ARGS)

pictures: ## the pictures of docs/board.md (as root on Debian, for a browser)
	@scripts/setup.sh dev
	@.venv/bin/python scripts/pictures.py

cluster-up: ## leave a Slurm test cluster up on this machine (root on Debian)
	@scripts/setup.sh dev
	@.venv/bin/python tests/cluster/cluster.py install
	@.venv/bin/python tests/cluster/cluster.py up

cluster-down: ## end it
	@.venv/bin/python tests/cluster/cluster.py down

clean: ## remove what was built here
	rm -rf .venv .tooling dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/node/*/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
