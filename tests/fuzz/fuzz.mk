# Fuzzing: libFuzzer targets with properties, under ASan and UBSan. Included by the Makefile.
#
# A target is a file in tests/fuzz/ that has LLVMFuzzerTestOneInput; its corpus is
# tests/fuzz/corpus/<target>/, kept small: beginnings, and what fuzzing found worth keeping or broke.

FUZZ_COMMA   := ,
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_CC      := clang
FUZZ_CFLAGS  := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=undefined -Wno-string-conversion
FUZZ_MODULES := $(addprefix gateway/,fields.o json.o jwt.o keyring.o origin.o pubkey.o render.o seatmap.o \
                                     show.o signature.o token.o websocket.o)
FUZZ_LIBS    := -lev -lhttp_parser -lwslay -ljansson -ljwt -lmsgpackc -linih -lcrypto -lm

.PHONY: fuzz fuzz-corpus fuzz-programs fuzz-seeds
fuzz: ## each fuzz target for SECONDS_EACH=30; TARGETS= names some of them
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/fuzz CC=$(FUZZ_CC) CFLAGS="$(FUZZ_CFLAGS)" fuzz-programs
	@BUILD=$(BUILD)/fuzz tests/fuzz/run fuzz $(or $(TARGETS),$(FUZZ_TARGETS))

fuzz-corpus: ## replay what the fuzz targets keep: seconds
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/fuzz CC=$(FUZZ_CC) CFLAGS="$(FUZZ_CFLAGS)" fuzz-programs
	@BUILD=$(BUILD)/fuzz tests/fuzz/run corpus $(or $(TARGETS),$(FUZZ_TARGETS))

fuzz-seeds: ## write the corpora's beginnings anew (tests/fuzz/seeds.py)
	/usr/bin/python3 tests/fuzz/seeds.py

# Made with the compiler and flags above, into a build folder of its own.
FUZZ_PROGRAMS := $(patsubst %,$(BUILD)/fuzz-%,$(FUZZ_TARGETS))
fuzz-programs: $(FUZZ_PROGRAMS)

# An archive: each target takes what it needs, and its coverage is of that.
$(BUILD)/libfuzzed.a: $(BASE) $(HTTP) $(BUILD)/trace/context.o $(addprefix $(BUILD)/,$(FUZZ_MODULES))
	rm -f $@
	ar rcs $@ $^

$(FUZZ_PROGRAMS): $(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/%.o $(BUILD)/libfuzzed.a
	$(CC) $(subst fuzzer-no-link,fuzzer,$(CFLAGS)) $(FUZZ_WRAP) -o $@ $^ $(FUZZ_LIBS)

# config_load ends the program: the target catches that, and gives back what was taken.
$(BUILD)/fuzz-config: FUZZ_WRAP := $(patsubst %,-Wl$(FUZZ_COMMA)--wrap=%,exit calloc strdup free fopen fclose __getdelim)
