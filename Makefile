# Needs make, git and the Go of go.mod; on Debian, `make test` installs what else it needs.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

# The Go at hand, or a clear error: never a toolchain fetched in passing.
export GOTOOLCHAIN := local

# What the targets take, as in `make test PACKAGES=./internal/key ARGS='-run Cap -v'`.
PACKAGES ?= $(shell go list ./... | grep -vxF '$(PROGRAMS)')
ARGS     ?=
TIMEOUT  ?= 40m
FUZZTIME ?= 30s

# Tests that build and run whole programs: releases now, browsers and proxies as they come.
PROGRAMS = $(shell go list ./tools/release)

# What a build is called, and where it goes. Where there is no git, whoever builds says it.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
OUT     ?= bin/claviger

# Tracked and new files alike, without those that git ignores.
FILES    = git ls-files -z --cached --others --exclude-standard
GO_FILES = $(wildcard $(shell git ls-files --cached --others --exclude-standard '*.go'))
SUMS     = $(FILES) | xargs -0 sha256sum 2>/dev/null || true

# Where tests keep their databases: in memory where there is plenty, since they wait for the disk more than for anything else.
TEST_TMP = $(shell if [ -w /dev/shm ] && ! findmnt -no OPTIONS /dev/shm | grep -q noexec && \
	[ "$$(df --output=avail -k /dev/shm | tail -n 1)" -gt 4194304 ]; then echo /dev/shm; else echo "$${TMPDIR:-/tmp}"; fi)

# The race detector watches everything but two modules that take ten times as long under it: SQLite, which is C made Go, and the hashing of passwords.
RACE = -race -gcflags=modernc.org/...=-race=false -gcflags=golang.org/x/crypto/...=-race=false

.PHONY: help run build test test-programs soak check bench release fuzz generate fmt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start Claviger with sample data
	@$(MAKE) --silent build
	@exec $(OUT) dev $(ARGS)

build: ## build bin/claviger, one static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o '$(OUT)' ./cmd/claviger

test: ## run the tests on SQLite and PostgreSQL, with the race detector
	@. scripts/debian.sh && debian_need gcc gcc libc6-dev
	TMPDIR=$(TEST_TMP) CGO_ENABLED=1 scripts/with-postgres go test $(RACE) -parallel 4 -timeout $(TIMEOUT) $(ARGS) $(PACKAGES)

check: ## exactly what CI runs: form, modules, vet, lint, generated files, tests
	@test -n "$(GO_FILES)" || { echo "git lists no Go files here" >&2; exit 1; }
	@unformed=$$(go tool gofumpt -l $(GO_FILES); gofmt -l $(GO_FILES)); test -z "$$unformed" || \
		{ echo "not in the form of gofumpt and gofmt (make fmt):" $$unformed >&2; exit 1; }
	go mod tidy -diff
	go vet ./...
	go tool staticcheck ./...
	@before=$$($(SUMS)); $(MAKE) generate; diff <(echo "$$before") <($(SUMS)) || \
		{ echo "make generate changed these files: commit what it makes" >&2; exit 1; }
	@$(MAKE) test
	@$(MAKE) test-programs

test-programs: ## run the tests that build and run whole programs: the release
	@. scripts/debian.sh && debian_need gcc gcc libc6-dev
	CGO_ENABLED=1 scripts/with-postgres go test $(RACE) -timeout $(TIMEOUT) $(ARGS) $(PROGRAMS)

soak: ## kill processes for an hour: ten times as often as the tests do
	. scripts/debian.sh && debian_need gcc gcc libc6-dev
	TMPDIR=$(TEST_TMP) CGO_ENABLED=1 scripts/with-postgres go test $(RACE) -timeout 3h -run KillMinusNine -v ./cmd/claviger -soak 10

bench: ## measure the verification path
	go run ./tools/bench $(ARGS)

release: ## make dist: archives for each platform, lists of modules, SHA256SUMS
	go run ./tools/release $(ARGS)

fuzz: ## run each fuzz target for FUZZTIME (30s)
	@go test -list '^Fuzz' $(PACKAGES) | \
	awk '/^Fuzz/ { targets[n++] = $$1 } /^ok/ { while (n > 0) print $$2, targets[--n] }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

generate: ## make the generated files again
	go generate ./...

fmt: ## format the Go files
	go tool gofumpt -w $(GO_FILES)
