# What a newcomer, a contributor and CI run. The work is done by scripts/, one concern a script.

# The sale that `make demo` opens, and how many simulated shoppers want it.
SALE ?= examples/sneaker-drop.yaml
CROWD ?= 20000

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint fmt

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Install what is missing, build, and run a flash sale on this machine (SALE=file, CROWD=number)
	@scripts/demo "$(SALE)" --crowd "$(CROWD)"

test: ## Check format and lints, run every test on real PostgreSQL and Redis
	@scripts/test

bench: ## Measure this machine's limits and how close the system comes (BENCH=--quick or other flags)
	@scripts/install-dependencies --for-tests
	cargo build --release --bins
	cargo run --release --package flashsale-bench -- $(BENCH)

lint: ## Check format and lints only
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

fmt: ## Format all Rust code
	cargo fmt --all
