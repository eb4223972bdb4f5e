# What a newcomer, a contributor and CI run. The work is done by scripts/, one concern a script.

# The sale that `make demo` opens, and how many simulated shoppers want it.
SALE ?= examples/sneaker-drop.yaml
CROWD ?= 20000

# How often `make chaos` makes each fault happen.
ROUNDS ?= 1

# Which faults of `make chaos`, combinations of `make compat`, parts of `make overload`, or breaks of
# `make mutants`: names or parts of names, with commas.
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help demo cluster-demo storefront check test crd-test compat-schema restore-test big-cluster mutants chaos compat overload bench bench-baseline generate lint fmt

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Install what is missing, build, and run a flash sale on this machine (SALE=file, CROWD=number)
	@scripts/demo "$(SALE)" --crowd "$(CROWD)"

cluster-demo: ## Run a flash sale on a real Kubernetes node, set up and taken away here (needs root)
	@e2e/kubernetes/demo

storefront: ## Build the shop that gateways have inside (nothing where it has not changed)
	@scripts/storefront

check: ## The checks that need no servers: format, lints, unit tests (a few minutes at most)
	@scripts/check

test: ## Check format and lints, run every test on real PostgreSQL, Redis, Kubernetes, in a real browser
	@scripts/test

mutants: ## Break the code in one place after another and see a named test notice each (ONLY=id,id)
	@scripts/install-dependencies --for-tests
	@scripts/mutants --only "$(ONLY)"

crd-test: ## Try the definition on the API server of a current Kubernetes: rules, stored objects, apply
	@scripts/install-dependencies --for-tests
	@scripts/crd-test

compat-schema: ## Run the programs of the previous release on this schema: an upgrade, a rollback, millions of orders
	@scripts/install-dependencies --for-tests
	@scripts/compat-schema

restore-test: ## Restore PostgreSQL, Redis and both in mid-sale, as docs/backup.md says
	@scripts/install-dependencies --for-tests
	cargo build --workspace --bins --features fault-points
	cargo test --workspace --features fault-points --test restore -- --include-ignored

big-cluster: ## Measure what the operator costs among a thousand FlashSales on a real control plane (~10 minutes)
	@scripts/install-dependencies --for-tests
	@scripts/big-cluster

chaos: ## Break every part of a running sale and have the laws judged (ROUNDS=number ONLY=name,name SEED=number)
	@scripts/install-dependencies --for-chaos
	cargo build --release --bins
	cargo run --release --bin flashsale-chaos -- --rounds "$(ROUNDS)" --only "$(ONLY)" $(if $(SEED),--seed $(SEED))

compat: ## Run a sale on every combination of Redis, Valkey, PostgreSQL and PgBouncer (ONLY=name,name)
	@scripts/install-dependencies --for-compat
	cargo build --release --bins
	cargo run --release --bin flashsale-compat -- --only "$(ONLY)"

overload: ## Attack a gateway, and offer it more than it can take (ONLY=name,name; needs root)
	@scripts/install-dependencies --for-chaos
	cargo build --release --bins
	cargo run --release --bin flashsale-overload -- --only "$(ONLY)"

bench: ## Measure this machine's limits and how close the system comes (BENCH=--quick or other flags)
	@scripts/install-dependencies --for-bench
	cargo build --release --bin flashsale-gateway --bin flashsale-worker
	cargo run --release --bin flashsale-bench -- $(BENCH)

bench-baseline: ## Renew bench/baseline.json, which the tests hold every change against (at rest!)
	@scripts/install-dependencies --for-bench
	cargo build --release --bin flashsale-gateway --bin flashsale-worker
	cargo run --release --bin flashsale-bench -- --rounds 5 --write-baseline bench/baseline.json

generate: ## Write anew what is made from the code: the custom resource, the OpenAPI document, its types
	@scripts/generate

lint: ## Check format and lints only
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --features fault-points -- -D warnings
	@scripts/storefront --packages
	npm --prefix storefront run check

fmt: ## Format all code
	cargo fmt --all
	@scripts/storefront --packages
	npm --prefix storefront run format
