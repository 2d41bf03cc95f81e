# usher: `make help` lists what there is to make.

CC      ?= gcc
BUILD   ?= build
CFLAGS  ?= -O2 -g
STRICT  := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes \
           -Wswitch-enum -Wvla -Wmissing-prototypes -fno-omit-frame-pointer
COMPILE  = $(CC) $(STRICT) $(CFLAGS) -I. -I$(BUILD)/gen $(shell pkg-config --cflags libpq) -MMD -MP

sources  = $(sort $(wildcard $(1)/*.c))
objects  = $(patsubst %.c,$(BUILD)/%.o,$(call sources,$(1)))

BASE      := $(call objects,base)
HTTP      := $(call objects,http)
LINK      := $(call objects,link)
GATEWAY   := $(call objects,gateway)
ALLOCATOR := $(call objects,allocator)
CTL       := $(call objects,ctl)
COURIER   := $(call objects,courier)
TRACE     := $(call objects,trace)

PROGRAMS := $(addprefix $(BUILD)/,usher-gateway usher-allocator usher-courier usherctl)

.DEFAULT_GOAL := build
.PHONY: build clean
build: $(PROGRAMS) ## build the programs into build/

$(BUILD)/usher-gateway: $(GATEWAY) $(HTTP) $(TRACE) $(BUILD)/link/dsn.o $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lcurl -lev -lhttp_parser -lwslay -ljansson -ljwt -lhiredis -lpq -lmsgpackc -linih -lcrypto -lm

$(BUILD)/usher-allocator: $(ALLOCATOR) $(LINK) $(TRACE) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lcurl -lhiredis -lpq -lmsgpackc -linih -lcrypto -lm

$(BUILD)/usher-courier: $(COURIER) $(LINK) $(TRACE) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lcurl -lhiredis -lpq -ljansson -lmsgpackc -linih -lcrypto -lm

$(BUILD)/usherctl: $(CTL) $(LINK) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lcurl -lhiredis -lpq -ljansson -lmsgpackc -linih -lcrypto -lm

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# The decision script is one text for Redis, several for the reader.
DECIDE := lua/model.lua lua/state.lua lua/seats.lua lua/admission.lua lua/operations.lua lua/payments.lua \
          lua/several.lua lua/waiting.lua lua/admin.lua lua/decide.lua
$(BUILD)/gen/lua/decide.lua: $(DECIDE)
	@mkdir -p $(@D)
	cat $(DECIDE) > $@

$(BUILD)/gen/lua/decide.lua.inc: $(BUILD)/gen/lua/decide.lua
	xxd -i < $< > $@

$(BUILD)/allocator/decider.o: $(patsubst %,$(BUILD)/gen/lua/%.lua.inc,decide take load switch mend stamp report room_look room_tell room_arrive)

$(BUILD)/allocator/arrival.o: $(BUILD)/gen/lua/room_leave.lua.inc

# Scripts and statements travel inside the programs: a text becomes one C array.
$(BUILD)/gen/%.inc: %
	@mkdir -p $(@D)
	xxd -i < $< > $@

# usherctl carries the migrations, in the order of their numbers.
MIGRATIONS := $(sort $(wildcard sql/[0-9][0-9][0-9][0-9]_*.sql))
$(BUILD)/gen/migrations.inc: $(patsubst %,$(BUILD)/gen/%.inc,$(MIGRATIONS)) ctl/migrations.sh
	sh ctl/migrations.sh $(MIGRATIONS) > $@

$(BUILD)/ctl/migrate.o: $(BUILD)/gen/migrations.inc

# The links' own test starts its servers itself: tests/link/test_link.py.
$(BUILD)/tests/link/link_probe: $(BUILD)/tests/link/link_probe.o $(LINK) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lcmocka -lhiredis -lpq -lmsgpackc -linih -lcrypto -lm

.PHONY: test-link
test-link: $(BUILD)/tests/link/link_probe ## the blocking links against real servers
	BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q tests/link

# The benchmark has its own rules.
include bench/bench.mk

include ops/ops.mk

include ops/package.mk

include http/http.mk

include gateway/gateway.mk

include tests/checks.mk

include tests/faults/faults.mk

include tests/model/model.mk

include tests/fuzz/fuzz.mk

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -type f -name '*.d' -print 2>/dev/null)
