# What a developer runs: the unit tests, and the checks of form. Included by the Makefile.

# ---- unit tests ----

# Pure modules outside base/ that have a test in tests/unit/, and the libraries they take.
UNIT_MODULES := $(addprefix http/,chunked.c head.c parser.c response.c timeouts.c) \
                $(addprefix gateway/,csv.c fields.c json.c jwt.c keyring.c origin.c problem.c pubkey.c \
                             rate.c render.c router.c seatmap.c seed_seat.c show.c signature.c \
                             token.c) \
                $(addprefix allocator/,capacity.c hot_show.c pace.c payment_clock.c tally.c) \
                courier/outside.c link/dsn.c trace/context.c trace/record.c
UNIT_MODULES += $(addprefix gateway/,live_seats.c live_state.c seat_status.c websocket.c)
UNIT_LIBS    := -lcmocka -lpq -lmsgpackc -linih -lcrypto -lhttp_parser -lwslay -ljansson -ljwt -lm

UNIT_TESTS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
UNIT_OBJECTS  := $(patsubst %.c,$(BUILD)/%.o,$(UNIT_MODULES))
SANITIZE      := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined

$(UNIT_TESTS): $(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(UNIT_OBJECTS) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ $(UNIT_LIBS)

.PHONY: test-unit asan-unit asan
test-unit: $(UNIT_TESTS) ## the unit tests
	sh tests/unit/run.sh $(UNIT_TESTS)

asan-unit: ## the unit tests under the address and undefined behaviour sanitizers
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS="$(SANITIZE)" test-unit

asan: ## the programs under the same sanitizers, into build/asan
	$(MAKE) BUILD=$(BUILD)/asan CFLAGS="$(SANITIZE)" build

# ---- form ----

OWN_C       := $(sort $(foreach d,base http link trace gateway allocator courier ctl tests bench,$(shell find $(d) -name '*.c' 2>/dev/null)))
OWN_H       := $(sort $(foreach d,base http link trace gateway allocator courier ctl tests bench,$(shell find $(d) -name '*.h' 2>/dev/null)))
OWN_LUA     := $(wildcard lua/*.lua)
OWN_SHELL   := $(sort $(shell grep -rlIE '^\#!/bin/(ba)?sh' ops tests ctl gateway bench .ci 2>/dev/null) $(wildcard ops/*.sh ctl/*.sh gateway/*.sh tests/unit/*.sh))
PYTHON      := /usr/bin/python3

.PHONY: format check-format check-headers check-includes check-web compdb help
format: ## let clang-format lay out all C
	clang-format -i $(OWN_C) $(OWN_H)

check-format: ## fail if clang-format would change anything
	clang-format --dry-run -Werror $(OWN_C) $(OWN_H)

# Every header compiles alone: it includes what it needs.
HEADERS_ALONE := $(patsubst %.h,$(BUILD)/alone/%.h.ok,$(OWN_H))
$(HEADERS_ALONE): $(BUILD)/alone/%.ok: %
	@mkdir -p $(@D)
	$(COMPILE) -MF $@.d -MT $@ -Wno-unused-function -fsyntax-only -x c $<
	@touch $@

check-headers: $(HEADERS_ALONE) ## compile every header alone

check-includes: ## who may include what, and a self-test of that check
	$(PYTHON) tests/check_includes.py --self-test
	$(PYTHON) tests/check_includes.py

check-web: ## that the pages' parts find each other and come from nowhere else
	$(PYTHON) tests/check_web.py --self-test
	$(PYTHON) tests/check_web.py

# One row per compiled file, without compiling: what clang-tidy and editors read.
compdb: compile_commands.json ## compile_commands.json for editors and clang-tidy
compile_commands.json: $(OWN_C) $(MAKEFILE_LIST)
	@{ echo '['; first=; for c in $(OWN_C); do echo "$$first{\"directory\": \"$(CURDIR)\", \"file\": \"$$c\", \"arguments\": [$(foreach w,$(patsubst -M%,,$(COMPILE)),\"$(w)\", )\"-c\", \"$$c\"]}"; first=,; done; echo ']'; } > $@

# clang-tidy looks at the programs; what it needs of generated text is made first. cppcheck looks at
# all; what it is told to leave out, clang-tidy sees with fewer false alarms, and NULL at the end of
# a list of words is what the attribute `sentinel` is for.
TIDY_C    := $(filter-out tests/%,$(OWN_C))
GENERATED := $(addprefix $(BUILD)/gen/,$(sort $(shell grep -hoE '"[^"]+\.inc"' $(OWN_C) | tr -d '"')))
CPPCHECK   = cppcheck --quiet --std=c11 --inline-suppr --error-exitcode=1 -D__linux__ -I. -j2 \
             --enable=warning,performance,portability --suppress=varFuncNullUB --suppress=nullPointer

.PHONY: lint lint-c lint-lua lint-shell
lint: lint-c lint-lua lint-shell ## clang-tidy, cppcheck, luacheck, shellcheck
lint-c: compile_commands.json $(GENERATED)
	@echo cppcheck: $(words $(OWN_C)) files, clang-tidy: $(words $(TIDY_C))
	@$(CPPCHECK) $(OWN_C)
	@echo $(TIDY_C) | xargs -n1 -P2 clang-tidy --quiet -p . 2>&1 | grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -' | sed '/^$$/d' | tee $(BUILD)/lint.txt
	@! grep -qE ' (error|warning): ' $(BUILD)/lint.txt

lint-lua: $(BUILD)/gen/lua/decide.lua
	luacheck --quiet $< $(filter-out $(DECIDE),$(OWN_LUA))

lint-shell:
	shellcheck -x $(OWN_SHELL)

help: ## list what there is to make
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/##/' | sort | awk -F'## *' '{printf "  %-16s %s\n", $$1, $$2}'
