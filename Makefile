# usher's tasks. `make` alone lists them.

GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## serve the demo world on 127.0.0.1:8080 (more flags: make run ARGS="--listen 127.0.0.1:9000")
	go run ./cmd/usher serve --demo $(ARGS)

.PHONY: build
build: ## make bin/usher
	CGO_ENABLED=0 go build -trimpath -o bin/usher ./cmd/usher

.PHONY: test
test: ## run every test that needs nothing but Go
	go test ./...

.PHONY: race
race: ## run them under the race detector
	go test -race -timeout 20m ./...
	go test -race ./handlers -count=1 -run TestSandboxesShareNothing -worlds 1000

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (20s)
	.ci/fuzz $(or $(FUZZTIME),20s)

.PHONY: crash
crash: ## kill the server KILLS (200) times while it works, and fill its disk (as root; elsewhere only its files)
	go test ./cmd/usher -count=1 -v -run 'TestKilledInTheMiddleOfChanges|TestNoRoomToWrite' -kills $(or $(KILLS),200)

.PHONY: linear
linear: ## check histories of OPERATIONS (10000) for linearizability, restarts included
	go test ./cmd/usher -count=1 -v -run TestLinearizable -operations $(or $(OPERATIONS),10000)

.PHONY: overload
overload: ## 500 connections that change passwords at the usual cost, for 30 s
	go test ./cmd/usher -count=1 -v -run TestOverload -overload 30s

.PHONY: conform
conform: ## hold the server against its own scripts over HTTP, as any other; reports in bin/conform
	.ci/conform/run

.PHONY: schemathesis
schemathesis: ## test the server against its contracts by generated cases and walks along their links (needs Python; SEED=1, MAX_TIME=45)
	.ci/schemathesis/run

.PHONY: bench
bench: ## measure usher against baselines in the same run
	go test -run '^$$' -bench . -benchtime 2s ./cmd/usher ./handlers/... ./storage/...

.PHONY: generate
generate: ## make gen/ anew from openapi/, and the list of common passwords
	go generate ./gen ./storage/password

generate-%: # one API's share of gen/
	go generate -run '$*' ./gen

.PHONY: check-generated
check-generated: ## fail if gen/ is not what openapi/ says, new files included
	.ci/check-generated

.PHONY: lint
lint: ## lint the code and the contracts (the latter needs Node)
	go mod tidy -diff
	$(GOLANGCI_LINT) run --allow-serial-runners
	.ci/lint-contracts
	.ci/licences check

.PHONY: licences
licences: ## list the modules' licences in docs/licences.md
	.ci/licences

.PHONY: sbom
sbom: ## make bin/usher with its bill of materials and its licences' texts (needs Python)
	.ci/sbom/run

.PHONY: samples
samples: ## run the README and the vendors' own samples against the demo world (needs curl, Node, Python)
	.ci/samples/run

.PHONY: examples
examples: ## run the examples of tests against usher for pytest, JUnit and Vitest (needs Node, Python, a JDK, Maven)
	.ci/examples/run

.PHONY: clients
clients: ## generate clients in four languages and run their journeys (needs Node, Python, a JDK, Maven, Cargo)
	.ci/clients/run

.PHONY: third-party
third-party: ## run published clients of these APIs against the demo world (needs curl, Node, Python, a JDK, Maven)
	.ci/third-party/run

.NOTPARALLEL:
.PHONY: check
check: check-generated lint race crash linear conform schemathesis samples examples clients third-party sbom ## all that CI does beyond make test
	FUZZTIME=2000x $(MAKE) fuzz
	go test -run '^$$' -bench . -benchtime 100ms ./cmd/usher ./handlers/... ./storage/...

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .ci/node .ci/contracts/node_modules .ci/clients/*/generated .ci/clients/*/target .ci/clients/typescript/dist .ci/clients/typescript/node_modules .ci/clients/python/.mypy_cache
