# Starting and stopping a whole usher, and the test run. Included by the Makefile.

PORT    ?= 8080
ADDRESS ?= 127.0.0.1
RUN_DIR ?= run
run up down status wipe: export PORT := $(PORT)
run up down status wipe: export ADDRESS := $(ADDRESS)
run up down status wipe: export RUN_DIR := $(RUN_DIR)
run up down status wipe manual: export BUILD := $(BUILD)

.PHONY: deps built run up down status wipe test test-long manual

deps: ## install the Debian packages that are missing (ops/packages.txt)
	@ops/install build run

run: built ## start everything here and stay; Ctrl-C stops it (PORT=8080 ADDRESS=127.0.0.1 RUN_DIR=run)
	@ops/run

up: built ## the same in the background, back when it is ready
	@ops/up

# A make of its own, begun when the compiler is there; -q asks whether there is anything to do.
built: deps
	@$(MAKE) -q build >/dev/null 2>&1 || echo 'usher: building'
	@$(MAKE) --no-print-directory -s -j$$(nproc) build

down: ## stop what `make run` or `make up` started in RUN_DIR
	@ops/down

status: ## show what runs in RUN_DIR
	@ops/status || true

wipe: ## remove RUN_DIR with its database and all bookings
	@ops/wipe

test: ## install what is missing, build, and run every test; ends with `N passed, N failed`
	@ops/install build run test deb
	@ops/test

test-long: ## what takes minutes: the protocol's model, and breaking things while people book
	@ops/install build run test
	@ops/test model faults faults-machines

manual: build ## bring the options in the man pages up to date with --help
	@ops/manual
