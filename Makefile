# Needs make, git and the Go version in go.mod. On Debian, `make test` installs what else it needs.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

# Use the installed Go or fail with a clear error. Never download another toolchain silently.
export GOTOOLCHAIN := local
export CGO_ENABLED := 0

# Parameters of the targets, as in `make test PACKAGES=./internal/key ARGS='-run Cap -v'`.
PACKAGES ?= $(shell go list ./... | grep -vxF $(PROGRAMS:%=-e '%') $(PAGES:%=-e '%'))
ARGS     ?=
TIMEOUT  ?= 40m
FUZZTIME ?= 30s

# Packages whose tests build and run whole programs: releases, the version before, and the proxies
# and Python examples of the guides.
PROGRAMS = $(shell go list ./tools/release ./tools/guide ./tools/upgrade)

# Packages whose tests need Chromium. They run without the race detector, which would slow Claviger
# down and sees nothing of what happens in Chromium.
PAGES = $(shell go list ./internal/testkit/browser ./tools/pages)

# Those of PROGRAMS that can run here: the test of upgrades builds the version before from the history.
RUNNABLE = $(shell scripts/has-version-before && echo '$(PROGRAMS)' || echo '$(filter-out %/upgrade,$(PROGRAMS))')

# Version, commit and output path of a build. Set the first two by hand where there is no git.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
OUT     ?= bin/claviger
CLI      = github.com/claviger-dev/claviger/internal/cli

# Tracked and new files, without those that git ignores.
FILES    = git ls-files -z --cached --others --exclude-standard
GO_FILES = $(wildcard $(shell git ls-files --cached --others --exclude-standard '*.go'))
SUMS     = $(FILES) | xargs -0 sha256sum 2>/dev/null || true

# The folder for the databases of tests. It is in memory if more than 4 GiB are free there, because
# the tests mostly wait for the disk.
TEST_TMP = $(shell if [ -w /dev/shm ] && ! findmnt -no OPTIONS /dev/shm | grep -q noexec && \
	[ "$$(df --output=avail -k /dev/shm | tail -n 1)" -gt 4194304 ]; then echo /dev/shm; else echo "$${TMPDIR:-/tmp}"; fi)

# The race detector covers everything except what takes ten times as long with it and shares no
# memory: SQLite, which is C translated to Go, password hashing, and compression. vet and staticcheck
# use the same flags, and the other steps those of `make build`, so that `make check` compiles each
# dependency only twice.
RACE = -race -gcflags=modernc.org/...=-race=false -gcflags=golang.org/x/crypto/...=-race=false \
	-gcflags=compress/...=-race=false

# A program with the race detector sleeps for a second at its end, in case a goroutine that still
# runs is about to find a race. There are 60 test programs, and tests wait for what they check.
export GORACE ?= atexit_sleep_ms=0

.PHONY: accept-incompatible help run build console test test-programs soak check bench release fuzz generate fmt

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start Claviger with sample data
	@test -e '$(OUT)' || echo 'Building $(OUT). The first time, Go fetches and compiles for about two minutes.'
	@$(MAKE) --silent build
	@echo 'Starting, with sample data.'
	@exec $(OUT) dev $(ARGS)

build: ## build bin/claviger, one static binary
	go build -trimpath -buildvcs=false -o '$(OUT)' \
		-ldflags '-s -w -X $(CLI).version=$(VERSION) -X $(CLI).commit=$(COMMIT)' ./cmd/claviger

test: ## run the tests on SQLite and PostgreSQL, with the race detector
	@. scripts/debian.sh && debian_need gcc gcc libc6-dev
	TMPDIR=$(TEST_TMP) CGO_ENABLED=1 scripts/with-postgres go test $(RACE) -parallel 6 -timeout $(TIMEOUT) $(ARGS) $(PACKAGES)

check: ## run exactly what CI runs: format, modules, vet, lint, generated files, tests
	@test -n "$(GO_FILES)" || { echo "git lists no Go files here" >&2; exit 1; }
	@unformed=$$(GOFLAGS=-trimpath go tool gofumpt -l $(GO_FILES); gofmt -l $(GO_FILES)); test -z "$$unformed" || \
		{ echo "these files are not formatted; run make fmt:" $$unformed >&2; exit 1; }
	go mod tidy -diff
	@. scripts/debian.sh && debian_need gcc gcc libc6-dev
	CGO_ENABLED=1 go vet $(RACE) ./...
	CGO_ENABLED=1 GOFLAGS='$(RACE)' "$$(GOFLAGS=-trimpath go tool -n staticcheck)" ./...
	@before=$$($(SUMS)); $(MAKE) generate; diff <(echo "$$before") <($(SUMS)) || \
		{ echo "make generate changed the files above: commit the result" >&2; exit 1; }
	@$(MAKE) test ARGS='-vet=off $(ARGS)' # vet ran above
	@$(MAKE) test-programs ARGS='-vet=off $(ARGS)'

test-programs: ## run the tests that build and run whole programs: releases, upgrades, proxies, Python, Chromium
	@. scripts/debian.sh && debian_need gcc gcc libc6-dev && debian_need python3 python3 && debian_need curl curl && \
		debian_need npm npm
	@scripts/need-proxies
	@scripts/need-chromium
	@scripts/has-version-before || echo 'Not tested: upgrades (tools/upgrade). This checkout has no history before' \
		'migration 17; `git fetch --unshallow` gets it.' >&2
	CGO_ENABLED=1 scripts/with-postgres go test $(RACE) -timeout $(TIMEOUT) $(ARGS) $(RUNNABLE)
	go test -trimpath -timeout $(TIMEOUT) $(ARGS) $(PAGES)

console: ## check the pages in light and dark, wide and narrow, and take screenshots in screenshots/
	@scripts/need-chromium
	rm -rf screenshots
	go test -trimpath -count=1 -timeout $(TIMEOUT) $(ARGS) ./tools/pages -matrix -screenshots '$(CURDIR)/screenshots'

soak: ## kill and restart processes for an hour, ten times as often as the tests do
	. scripts/debian.sh && debian_need gcc gcc libc6-dev
	TMPDIR=$(TEST_TMP) CGO_ENABLED=1 scripts/with-postgres go test $(RACE) -timeout 3h -run KillMinusNine -v ./internal/cli -soak 10

bench: ## measure the speed of the verification path
	go run ./tools/bench $(ARGS)

release: ## build dist: archives for each platform, module lists, SHA256SUMS
	go run ./tools/release $(ARGS)

fuzz: ## run each fuzz target for FUZZTIME (30s)
	@go test -list '^Fuzz' $(PACKAGES) | \
	awk '/^Fuzz/ { targets[n++] = $$1 } /^ok/ { while (n > 0) print $$2, targets[--n] }' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null; \
	done

generate: export GOFLAGS := -trimpath
generate: ## update the generated files
	go generate ./internal/...
	go generate ./internal/cli # again, because it prints what the others generate
	go test ./tools/compat -record # docs/compatibility

accept-incompatible: ## record a change that breaks users of the Go packages or of the HTTP API
	go test ./tools/compat -accept

fmt: ## format the Go files
	go tool gofumpt -w $(GO_FILES)
