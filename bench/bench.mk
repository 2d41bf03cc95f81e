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

# QUICK=1: some minutes instead of twenty; its plots stay in $(BUILD). ONLY= names
# measures. A full run renews the figures and plots in docs/.
bench_arguments = --build $(BUILD) $(if $(ONLY),--only $(ONLY)) \
                  $(if $(QUICK),--quick,$(if $(ONLY),,--plots docs/bench --page docs/PERFORMANCE.md))

.PHONY: bench bench-wrk bench-deps bench-programs
bench-deps:
	@ops/install build run test

bench-programs: $(BENCH_PROGRAMS) ## build the benchmark's programs

bench: bench-deps ## usher beside its rivals and limits, every target judged (QUICK=1)
	@$(MAKE) --no-print-directory -s build bench-programs
	bench/run $(bench_arguments)

bench-wrk: bench-deps ## wrk against the usher that runs in RUN_DIR
	RUN_DIR=$(or $(RUN_DIR),run) BUILD=$(BUILD) bench/wrk

$(BUILD)/tests/bench/test_generator: $(BUILD)/tests/bench/test_generator.o $(BENCH_BASE) \
    $(addprefix $(BUILD)/bench/generator/,histogram.o response.o errand.o seats.o listener.o)
	$(CC) $(CFLAGS) -o $@ $^ -lcmocka

.PHONY: test-bench
test-bench: $(BUILD)/tests/bench/test_generator $(BUILD)/bench/storm ## the load generator's own tests
	$(BUILD)/tests/bench/test_generator
	BUILD=$(abspath $(BUILD)) /usr/bin/python3 -m pytest -q tests/bench
