# Everything here works in a fresh clone: what is missing is set up first.
.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint brokers bench soak million clean

CARGO ?= cargo

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## Find or get what the build needs
	@scripts/setup

build: setup ## Build the worker and the functions
	@functions/build
	@$(CARGO) build --locked

demo: setup ## Publish orders to a worker and look at what becomes of them
	@functions/build rust
	@$(CARGO) build --locked
	@scripts/demo

test: setup ## Everything that must hold: format, lints, unit, property, conformance and integration tests
	@scripts/test

lint: setup ## Format and lints alone
	@scripts/lint

brokers: setup ## Start Kafka and NATS on loopback; scripts/brokers stops them
	@scripts/brokers up

bench: setup ## What each step of an event costs, beside the targets
	@scripts/bench

soak: setup ## Properties, the simulation, the fuzzed readers, hostile guests, the crash tests and Kafka's, long and random: SOAK_SECONDS=3600 SEED=... KAFKA=no
	@scripts/soak

million: setup ## A million events, half of them parked, and the worker killed twenty times: EVENTS=1000000 SEED=...
	@scripts/million

clean: ## Remove what was built
	@$(CARGO) clean
	@rm -rf functions/target functions/*.wasm
