.DEFAULT_GOAL := help
SHELL := /bin/bash
GO ?= go
LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# What labs need, and what the tests look at them with.
RUN_PACKAGES := iptables iproute2
TEST_PACKAGES := $(RUN_PACKAGES) gcc libc6-dev iputils-ping curl conntrack nftables tcpdump netcat-openbsd jq procps zsh fish uidmap libxml2-utils

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/netlab
	$(GO) build -trimpath -tags urfave_cli_no_docs -o bin/netlab ./cmd/netlab

demo: ## bring up a two-node lab, verify it, show it (needs root)
	@scripts/demo.sh $(RUN_PACKAGES)

test: deps ## install what the tests need and run all of them
	scripts/test.sh

test-vm: ## run the tests on the kernel in a virtual machine with Debian's own
	scripts/vm.sh

test-vm-provision: ## run the scripts of vagrant/ in a virtual machine with Debian's own kernel
	RUN=TestPrivileged MINUTES=15 scripts/vm.sh ./vagrant

deps:
	@scripts/deps.sh $(TEST_PACKAGES)

run-deps:
	@scripts/deps.sh $(RUN_PACKAGES)

SEED ?= 0
chaos: ROUNDS ?= 1000
chaos: deps ## break labs at random and see them mended: ROUNDS=1000 SEED=0 (needs root)
	$(GO) test ./cmd/netlab -count=1 -timeout 0 -v -run TestPrivilegedChaos -chaos $(ROUNDS) -chaos-seed $(SEED)

RUNS ?= 500
soak: deps ## verify good labs while all processors are busy: RUNS=500 (needs root)
	$(GO) test ./cmd/netlab -count=1 -timeout 0 -v -run TestPrivilegedSoak -soak $(RUNS)

# How often each program is run, and what else bench takes: QUICK=1 for small labs
# only, ONLY=build,pings for some parts, HISTORY=1 to add a line to docs/performance.md.
bench bench-compare: ROUNDS ?= 5
BENCH_FLAGS = -rounds $(ROUNDS) $(if $(QUICK),-quick) $(if $(ONLY),-only $(ONLY))

bench: build run-deps ## measure beside bare netlink and ip -batch (needs root): QUICK=1, ONLY=, ROUNDS=, HISTORY=1
	$(GO) build -trimpath -o bin/bare ./bench/bare
	$(GO) run -trimpath ./bench $(BENCH_FLAGS) $(if $(HISTORY),-history docs/performance.md -label $$(git describe --always --dirty))

bench-compare: build run-deps ## measure beside the netlab of another revision: BASE=main
	@test -n "$(BASE)" || { echo "name the revision to compare with: make bench-compare BASE=main"; exit 2; }
	$(GO) build -trimpath -o bin/bare ./bench/bare
	rm -rf bin/base && git worktree prune && git worktree add --quiet --detach bin/base "$(BASE)"
	cd bin/base && $(GO) build -trimpath -o ../netlab-base ./cmd/netlab; code=$$?; cd ../.. && git worktree remove --force bin/base && exit $$code
	$(GO) run -trimpath ./bench $(BENCH_FLAGS) -base bin/netlab-base $(if $(ONLY),,-only build)

golden: ## rewrite golden files; read the diff before you commit
	$(GO) test ./graph ./labs ./provision/... ./trace ./verify -update
	UPDATE_SCRIPTS=1 $(GO) test ./cmd/netlab -run Script

fuzz: ## fuzz the lab file parser for a minute
	$(GO) test ./labs -run xxx -fuzz FuzzLoad -fuzztime 60s

lint: ## gofmt, go vet and golangci-lint
	test -z "$$(gofmt -l .)"
	$(GO) vet ./...
	$(GO) run $(LINT) run

clean: ## remove what was built
	rm -rf bin

.PHONY: help build demo test test-vm bench bench-compare deps run-deps chaos soak golden fuzz lint clean
