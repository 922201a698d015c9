# Everything one does with davit. `make help` lists it.

PREFIX  ?= /usr/local
DESTDIR ?=
# The release of Debian in the virtual machines of test-vm; bookworm has the oldest systemd supported.
RELEASE ?= trixie
# How often test-power cuts the power, and the seed of the moments; 0 makes a new one.
OUTAGES ?= 100
SEED    ?= 0
# How many scenarios run at once, and for how long all may take. Scenarios wait most of the time, so that
# two processors are busy with four. All of e2e took 344 s with four, 416 s with six (each scenario 1.7 times
# as long) and 994 s with two, on a machine whose other work grew in that order. The limit is for such a machine.
PARALLEL ?= 4
TIMEOUT  ?= 30m
# How many busy loops test-busy runs.
LOOPS   ?= 2
# Where what is compiled goes, and for which architectures cross does so.
OUT     ?= build
ARCH    ?= amd64 arm64 armv7 riscv64
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
# The database of known vulnerabilities is a Go module. Its version is fixed so that a commit that passes lint keeps
# passing it; VULNDB=latest checks against the newest.
VULNDB  ?= v0.0.0-20261105234957-e22db6528018

# containers/image and containers/storage: pure Go signatures, no btrfs headers. grpc without its traces: they need
# templates, which keep the linker from dropping methods that are not called (a fifth of davit).
tags    := containers_image_openpgp,exclude_graphdriver_btrfs,grpcnotrace
ldflags := -s -w -X main.version=$(VERSION)
plugins := $(shell sed -n 's,^\t\(github.com/containernetworking/plugins/plugins/.*\),\1,p' go.mod)
# Tools of those who work on davit are in a module of their own.
tool    := go tool -modfile=tools/go.mod
libexec := $(OUT)/libexec/davit
units   := $(wildcard deploy/*.service deploy/*.slice deploy/*.timer)

# What a plain `go test ./...`, or an editor, needs to build the same code.
export GOFLAGS := -tags=$(tags)
# All is compiled with the toolchain that go.mod names, also where an older one is installed: what is wrong in Go's own
# library is wrong in davit.
export GOTOOLCHAIN := auto

.DEFAULT_GOAL := build
.PHONY: $(OUT)/vulndb/latest build davit davit-run cni cross demo node test test-busy test-unit test-e2e test-long test-faults test-oci test-vm test-power test-cross bench lint install uninstall clean help deps-build deps-node deps-vm deps-bench

## build: compile davit, its launcher and the CNI plugins into build/ (the default; OUT=directory)
build: davit davit-run cni

davit: deps-build
	CGO_ENABLED=0 go build -trimpath -ldflags '$(ldflags)' -o $(OUT)/bin/ ./agent/cmd/davit

# The launcher runs in front of every container's start: static, with nothing it does not need.
davit-run: deps-build
	CGO_ENABLED=1 go build -trimpath -tags seccomp,netgo,osusergo \
		-ldflags '$(ldflags) -linkmode external -extldflags -static' -o $(libexec)/ ./agent/cmd/davit-run

cni:
	@mkdir -p $(libexec)/cni
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(libexec)/cni/ $(plugins)

## cross: compile them for amd64, arm64, armv7 and riscv64 into build/ARCH/ (ARCH=arm64 picks)
cross:
	@for arch in $(ARCH); do ./deps.sh build $$arch && ./cross.sh $$arch || exit 1; done

## demo: watch a manifest become a service on a throwaway node (KEEP=1 leaves a shell in it)
demo: deps-node
	go run ./e2e/demo $(if $(KEEP),-keep)

## node: a shell in a throwaway node (RUN=script.sh DIR=folder copies the folder to /trial and runs the script there)
node: deps-node
	@go build -o $(OUT)/e2e/ ./e2e/trial
	@$(OUT)/e2e/trial $(if $(RUN)$(DIR),-folder '$(DIR)' '$(RUN)')

## test: run all tests; needs root for the scenarios
test: test-unit test-e2e

## test-busy: run all tests beside two busy loops, as on a machine that has other work (LOOPS=2)
test-busy:
	@loops=; for loop in $$(seq $(LOOPS)); do \
		while [ -d /proc/$$$$ ]; do :; done & loops="$$loops $$!"; done; \
	trap "kill $$loops 2>/dev/null" EXIT; trap 'exit 130' INT TERM; \
	$(MAKE) --no-print-directory test TIMEOUT=60m

## test-unit: run the tests that need neither root nor a node
# Their random histories are the same each time, so that what fails is the change at hand; test-faults takes others.
test-unit: deps-build
	RAPID_SEED=1 go test -short ./...

## test-e2e: run the scenarios of e2e/testdata on throwaway nodes (RUN=name picks)
test-e2e: deps-node
	go test -count=1 -timeout $(TIMEOUT) -parallel $(PARALLEL) ./e2e/... $(if $(RUN),-run 'TestScenarios/$(RUN)' -v)

## test-long: run the scenarios in their full length (RUN=name picks), and draw ten times as many manifests
test-long: deps-node
	go test -count=1 -timeout 3h ./e2e -long -run 'TestScenarios/$(RUN)' -v
	go test -count=1 -timeout 30m ./reconcile -sets 10000 -run TestWhatIsAcceptedCanBeRun -v

## test-faults: kill davit and its launcher, and have the disk fail, at every point; damage each file; mix faults for an hour; take random histories
test-faults: deps-node
	go test -count=1 -timeout 4h ./e2e -faults -run 'KilledAt|FaultsAt|TestScenarios/(launcher-killed|damaged-state|random-mix)$$' -v
	go test -count=1 -timeout 30m ./reconcile -mutations 10000 -rapid.checks 2000 -run 'Mutations|Converge' -v
	go test -count=1 -timeout 2h ./reconcile -operations 300 -rapid.checks 3000 -run TestHistoriesOfAnOperator -v

## test-oci: run all of the OCI's validation programs against davit-run
test-oci: deps-node
	go test -count=1 -timeout 9m ./e2e -run Conformance -conformance -v

## test-vm: run the scenarios of e2e/testdata/vm, and what of the OCI's validation nodes lack the kernel for, in virtual machines (RUN=name picks); takes minutes
test-vm: deps-vm
	go test -count=1 -timeout 60m ./e2e -vm -release=$(RELEASE) -run '^Test(Machines|ConformanceInMachines)$$/$(RUN)' -v

## test-power: cut a virtual machine's power at 100 moments of updates and judge what that leaves; takes more than an hour
test-power: deps-vm
	go test -count=1 -timeout 6h ./e2e -outages=$(OUTAGES) -seed=$(SEED) -release=$(RELEASE) -run TestPowerLoss -v

## test-cross: compile for all architectures and run what comes of it, emulated; takes minutes
test-cross:
	./deps.sh build cross $(ARCH)
	go test -count=1 -timeout 60m ./e2e -cross -run TestCross -v

## bench: measure davit beside its peers, and write docs/benchmarks.md (RUN=name picks, ROUNDS=3 is quick)
bench: deps-bench
	go run ./e2e/bench $(if $(RUN),-run '$(RUN)') $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(PEERS),-peers $(PEERS))

## lint: check format, go vet, staticcheck and known vulnerabilities (VULNDB=latest: those of today)
lint: deps-build $(OUT)/vulndb/$(VULNDB)
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
		test -z "$$unformatted" || { echo "gofmt: run gofmt -w on:" $$unformatted >&2; exit 1; }
	go vet ./...
	go -C tools vet ./...
	$(tool) staticcheck ./...
	$(tool) govulncheck -db 'file://$(abspath $(OUT))/vulndb/$(VULNDB)' ./...

$(OUT)/vulndb/$(VULNDB): | deps-build
	@rm -rf $@ $@.new
	records=$$(go mod download -json golang.org/x/vulndb@$(VULNDB) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p')/data/osv && \
		go run golang.org/x/vulndb/cmd/indexdb@$(VULNDB) -vulns "$$records" -out $@.new
	@mv $@.new $@

## install: install below PREFIX (/usr/local) and DESTDIR
install: build
	install -D -m 755 $(OUT)/bin/davit $(DESTDIR)$(PREFIX)/bin/davit
	install -D -m 755 $(libexec)/davit-run $(DESTDIR)$(PREFIX)/libexec/davit/davit-run
	install -d -m 755 $(DESTDIR)$(PREFIX)/libexec/davit/cni
	install -m 755 $(libexec)/cni/* $(DESTDIR)$(PREFIX)/libexec/davit/cni
	install -d -m 755 $(DESTDIR)/etc/davit
	install -d -m 700 $(DESTDIR)/etc/davit/manifests
	install -d -m 755 $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in $(units); do \
		sed 's,/usr/local/,$(PREFIX)/,g' $$unit > $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}; done
	install -D -m 755 deploy/davit-git-sync $(DESTDIR)$(PREFIX)/libexec/davit/davit-git-sync
	install -D -m 755 deploy/git-remote-davit $(DESTDIR)$(PREFIX)/libexec/davit/git-remote-davit
	install -D -m 644 deploy/apparmor.d/davit-default $(DESTDIR)/etc/apparmor.d/davit-default
	install -D -m 644 deploy/sysusers.d/davit.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/davit.conf
	install -D -m 644 deploy/tmpfiles.d/davit.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/davit.conf

## uninstall: remove what install installed; manifests and data stay
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/davit
	rm -rf $(DESTDIR)$(PREFIX)/libexec/davit
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/systemd/system/,$(notdir $(units)))
	rm -f $(DESTDIR)/etc/apparmor.d/davit-default
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/davit.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/davit.conf

## clean: remove build/
clean:
	rm -rf build

## help: list these targets
help:
	@sed -n 's/^## \([^:]*\): /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

deps-build:
	@./deps.sh build

deps-node:
	@./deps.sh build node

deps-vm:
	@./deps.sh build vm

deps-bench:
	@./deps.sh build node bench
