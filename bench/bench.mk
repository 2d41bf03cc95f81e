# The benchmark: its programs, and `make bench`. Included by the Makefile.

STORM      := $(call objects,bench/generator)
RIVALS     := $(call objects,bench/rivals)
BENCH_BASE := $(BUILD)/base/buf.o $(BUILD)/base/clock.o

BENCH_PROGRAMS := $(addprefix $(BUILD)/bench/,storm bare rival limit_xadd limit_batch)

$(BUILD)/bench/storm: $(STORM) $(BENCH_BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lev -lm

$(BUILD)/bench/bare: $(BUILD)/bench/bare.o $(BUILD)/bench/serve.o $(HTTP) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lev -lhttp_parser -lmsgpackc -linih -lcrypto -lm

$(BUILD)/bench/rivals/main.o: $(BUILD)/gen/bench/rivals/schema.sql.inc
$(BUILD)/bench/rival: $(RIVALS) $(BUILD)/bench/serve.o $(BUILD)/bench/generator/response.o $(HTTP) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lev -lhttp_parser -lhiredis -lpq -lmsgpackc -linih -lcrypto -lm

$(BUILD)/bench/limit_%: $(BUILD)/bench/limit_%.o $(LINK) $(BASE)
	$(CC) $(CFLAGS) -o $@ $^ -lhiredis -lpq -lmsgpackc -linih -lcrypto -lm
