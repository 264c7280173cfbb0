# The targets that developers and CI use. "make check" is what CI runs first.
GO      ?= go
LINT    := $(GO) tool -modfile=tools/go.mod
GOFILES := $(shell git ls-files --cached --others --exclude-standard '*.go')

.PHONY: panels bare release check fmt vet cross lint vuln tidy test race slow slow-cli slow-disks real deep-oracle deep-real seaweed s3s trees kubernetes fuzz bench bench-all bench-tools bench-net bench-smoke bench-trial million replay test-root soak acceptance python

check: export GOFLAGS := $(shell $(GO) env GOFLAGS) -vet=off# which is vet's, and once is enough
check: fmt vet cross lint vuln tidy test ## everything that needs Go alone

fmt:
	@out=$$(gofmt -l $(GOFILES)); test -z "$$out" || { echo "gofmt these: $$out"; exit 1; }

vet:
	$(GO) vet ./...

cross: ## the code of the systems that this one is not: vet would have SQLite compiled for each
	$(GO) run ./scripts/typecheck windows/amd64 darwin/arm64

# What no user runs: packages for tests, and the registry that they mirror.
CHECKED := $$($(GO) list ./cmd/... ./internal/... | grep -vE 'test$$|/simreg')
lint: ## what errcheck lets pass is in tools/errcheck.txt, with reasons
	$(LINT) staticcheck ./...
	$(LINT) errcheck -ignoretests -exclude tools/errcheck.txt $(CHECKED)

vuln: ## known faults that we call, or GOVULNDB=URL; where the database cannot be reached it says so, and passes
	@out=$$($(LINT) govulncheck ./internal/crate 2>&1); case "$$out" in \
		*'fetching vulnerabilities'*) echo "make vuln: skipped, the database cannot be reached:"; echo "$$out";; \
		*) $(LINT) govulncheck ./...;; \
	esac

tidy:
	$(GO) mod tidy -diff

test:
	$(GO) test ./...

# The packages whose tests run other programs, by what they import or call.
BARE := $$(grep -rlE 'exec\.(Command|LookPath)|internal/index/indextest"|testscript' --include='*_test.go' internal | xargs -n1 dirname | sort -u | sed 's|^|./|')
bare: ## what runs other programs, on a machine that has Go and coreutils alone: it skips, and passes
	dir=$$(mktemp -d) && for tool in $(GO) $$(ls /usr/bin | grep -xE '$(COREUTILS)'); do ln -s "$$(command -v $$tool)" "$$dir/$$(basename $$tool)"; done && \
		packages="$(BARE)" && PATH=$$dir $(GO) test -short $$packages; code=$$?; rm -r "$$dir"; exit $$code
COREUTILS := basename|cat|chmod|cp|cut|date|dd|dirname|echo|env|expr|false|head|ln|ls|mkdir|mkfifo|mktemp|mv|nice|od|pwd|readlink|rm|rmdir|seq|sha256sum|sleep|sort|stat|sync|tail|tee|test|touch|tr|true|uname|uniq|wc

# These do one thing after the other, on simulated disks, with git, killing programs or
# starting many, and take half of all the time: "make test" has run them.
RACELESS := PowerCut|Kill|DiskFails|Replay|HistoryLeads|A8EarlierBytes|A8OneOfSeveral|UpdateFollows|TestDays$$|TestAt$$|SidecarsBesideASync|A23|SquashIsCheap|UpdateRecovers|UpdateKeeps|UpdateIsExamined
RACELESS_SCRIPTS := accept|airgap|airgap_guide|demo_airgap|hostile|attest|bundle_old|carried|doctor|dryrun|empty|export|extract|extract_damage|extract_deep|inspect|key|list|past|plan|plan_deep|prune|prune_bundles|prune_deep|prune_deep_space|repack|reindex|republished_kept|select|snapshot|usage|verify
# These have no goroutine of their own, and users that have, in other packages.
RACELESS_PACKAGES := attest|bundle/legacy|bundle/lists|crate|deflate|diff|human|index/carry|index/details|runlog|semver|signing|simreg/badindex|simreg/history|statement|tilelog
race:
	$(GO) test -race -short -skip '$(RACELESS)|TestScripts/^($(RACELESS_SCRIPTS))$$' $$($(GO) list ./... | grep -vE '/internal/($(RACELESS_PACKAGES))$$')

KILLS ?= 60
MUCH  ?= -thorough
slow slow-cli slow-disks: export GOGC = 400 # they make much garbage
slow: slow-cli slow-disks ## tests that take minutes: 60 kills at random instants, faults at every operation, byte and bit; MUCH='-more 8' KILLS=20 are eight times a plain run, as in CI

slow-cli:
	$(GO) test -count=1 -timeout 30m -run 'Kill|Scripts$$|Replay|Cargo|Nginx|Scrape$$|AtOnce$$|IntoOneBucket$$|ReplicaFollows' ./internal/cli -kills $(KILLS) $(MUCH)

# One call for each set of names: its packages are tested beside each other.
SLOW_NAMED := ./internal/pull ./internal/replica ./internal/replicate ./internal/fleet ./internal/push ./internal/prune ./internal/export ./internal/bucket/s3 \
	./internal/cargotoml ./internal/pages ./internal/closure ./internal/simreg ./internal/deflate
SLOW_WHOLE := ./internal/index/clone ./internal/index/carry ./internal/bundle ./internal/extract ./internal/statement ./internal/tilelog \
	./internal/attest ./internal/deep ./internal/repack
slow-disks:
	$(GO) test -count=1 -timeout 10m -run 'PowerCutAtAnyOperation|PowerCutWhileRecovering|AnyOperationFails' ./internal/mirror $(MUCH)
	$(GO) test -count=1 -timeout 30m -run 'CutOffAnywhere$$|KilledAnywhere$$|PowerIsLostAnywhere$$|DiskFailsAnywhere$$|EveryRequest$$|EveryDiskOperation$$|PowerCut|AnyOperationFails|Versity|Bombs$$|Browser$$|Cargo|LockFileIsEnough$$|ZlibIsZlib$$' $(SLOW_NAMED) $(MUCH)
	$(GO) test -count=1 -timeout 10m $(SLOW_WHOLE) $(MUCH)
	$(GO) test -count=1 -timeout 20m -run 'TestPower|TestMonths|TestHostile|TestMedia' ./internal/transfer/receive $(MUCH)
	$(GO) test -count=1 -timeout 10m -run 'Test[A-Z]' ./internal/transfer/receive # all of them, sampled

panels: ## a picture of the dashboard in out/panels, from a real Prometheus; needs prometheus, chromium and git
	$(GO) test -count=1 ./internal/cli -run 'TestScrape$$' -thorough -panels $(CURDIR)/out/panels

test-root: ## power cuts, full disks, bad sectors, networks that go away: needs root on Linux
	$(GO) test -count=1 -timeout 10m -parallel 4 -run TestRoot ./internal/cli -root -soak 20s

SOAK ?= 30m
soak: ## everything at random for SOAK: needs root on Linux
	$(GO) test -count=1 -timeout 0 -v -run TestRootSoak ./internal/cli -root -soak $(SOAK)

release: ## archives, packages, lists of parts, checksums and notes of VERSION in out/release; PLATFORMS="linux/amd64" for some alone
	scripts/release.sh $(VERSION) $(PLATFORMS)

HISTORY ?= internal/cli/testdata/history
STEPS   ?= 230
replay: ## what happened to crates.io between the two days in HISTORY, in STEPS commits
	$(GO) test -count=1 -timeout 0 -v -run 'TestReplay$$' ./internal/cli -thorough -history $(abspath $(HISTORY)) -steps $(STEPS)

python: ## Clone-Index.py and the project manifest: needs Python 3.9 and git
	python3 -m unittest discover -s scripts -t scripts

real: ## mirror real crates: needs cargo and a registry that it reaches
	$(GO) run ./scripts/real

ROUNDS ?= 1
deep-oracle: ## the encoders of internal/deflate beside their originals: needs cargo and a C compiler
	cargo build --quiet --locked --release --manifest-path scripts/originals/Cargo.toml --target-dir out/originals
	$(GO) test -count=1 -timeout 30m ./internal/deflate -run Originals -originals $(CURDIR)/out/originals/release/originals -rounds $(ROUNDS)

trees: ## move in trees that panamax, romt and v1.1.0 make on this machine: what is installed of them; CRATES=DIR INDEX=DIR a cargo cache too
	scripts/realtrees/trees.sh

kubernetes: ## contrib/kubernetes against the types of Kubernetes and the flags of the program; downloads the types
	cd contrib/kubernetes/check && $(GO) test -count=1 ./...

seaweed: ## buckets on SeaweedFS, which is built for half an hour
	scripts/s3servers/run.sh seaweed

s3s: ## a server that breaks the contract of buckets is refused: needs cargo, which builds it for half an hour
	scripts/s3servers/run.sh s3s

deep-real: ## pack and rebuild the real crates that are here: what cargo has fetched, or CRATES=DIR; FETCH=DIR fetches four hundred
	$(GO) run ./scripts/deepreal $(if $(FETCH),-fetch $(FETCH)) $(CRATES)

acceptance: ## ten trials that v1.1.0 fails; the third needs root on Linux
	$(GO) run ./scripts/acceptance

bench: ## loopback, beside curl: see docs/measurements.md
	$(GO) run ./scripts/bench

bench-net: ## fetching 50 ms away over 1 Gbit/s: crates of 4.7 KB, of 60 KB, from a server that says 429 beyond 800 a second; three minutes
	$(GO) run ./scripts/benchnet
	$(GO) run ./scripts/benchnet -mean 60000 -duration 8s
	$(GO) run ./scripts/benchnet -budget 800 -duration 5s

bench-tools: ## what bench-all compares with, for Debian: root, cargo and pip; panamax and get-all-crates are built for minutes. v1.1.0 is built from its sources
	apt-get install -y curl git nginx openssl wrk zstd
	cargo install panamax
	scripts/rivals/get-all-crates.sh "$${CARGO_HOME:-$$HOME/.cargo}"
	pip install romt

SCALE ?= small
DIR   ?= /tmp
bench-all: ## all benches, a quarter of an hour, into docs/measurements.md; SCALE=full INDEX=REPOSITORY ROWS=EXPRESSION V110=FOLDER DIR=FOLDER
	$(GO) run ./scripts/benchall -scale $(SCALE) -index '$(INDEX)' -v110 '$(V110)' -rows '$(ROWS)' -dir $(DIR)

MEMORY := $(firstword $(wildcard /dev/shm) /tmp)
SMOKE  := -smoke
bench-smoke: PROGRAM := out/clonecratesio
bench-smoke bench-trial: ## a minute: fails if fetching, planning, sidecars, verify, extract, serve or a start takes half as much processor time again as it did; needs curl, nginx, wrk and zstd
	$(GO) build -o out/ ./cmd/clonecratesio ./scripts/slower
	TMPDIR=$(MEMORY) $(GO) run ./scripts/bench -clonecratesio $(PROGRAM) $(SMOKE) -n 3000 -rounds 5
	TMPDIR=$(MEMORY) $(GO) run ./scripts/benchlocal -clonecratesio $(PROGRAM) $(SMOKE) -n 4000 -rounds 5 -rows '^(plan, checkout|sidecars|nothing new, plain|hash|extract|[0-9]+ starts)'
	TMPDIR=$(MEMORY) $(GO) run ./scripts/benchserve -clonecratesio $(PROGRAM) $(SMOKE) -versions 600 -rounds 3 -duration 1s -rows '^index 304|^crate (small|large)$$'

bench-trial: export SLOWER_PROGRAM := out/clonecratesio
bench-trial: PROGRAM := out/slower
bench-trial: SMOKE := -trial # bench-smoke with a program that takes half as much again: fails unless each row is found too slow

N      ?= 1700000
FAULTS ?= 1
million: ## N versions in one run while FAULTS percent of all requests meet each fault; 8 GB
	$(GO) run ./scripts/bench -n $(N) -faults $(FAULTS)

FUZZTIME ?= 20s
fuzz: ## every fuzz target for FUZZTIME
	@grep -rl --include='*_test.go' '^func Fuzz' internal | xargs -n1 dirname | sort -u | while read -r dir; do \
		grep -ho '^func Fuzz[A-Za-z0-9]*' $$dir/*_test.go | cut -d' ' -f2 | while read -r name; do \
			echo "$$dir $$name"; $(GO) test ./$$dir -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
		done || exit 1; \
	done
