/* An allocator's figures, as they stand in Redis: read, written and read again, they are the same.
 */
#include "base/metrics.h"

#include "base/allocator_report.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct metric_value values[ALLOCATOR_METRICS_COUNT], again[ALLOCATOR_METRICS_COUNT];
    struct span input = fuzz_span(data, size);
    size_t count = fuzz_take_byte(&input) % 3 + 1;
    struct buf text, page;
    const struct metric_value *sets[] = {values};
    const char *labels[] = {"partition=\"1\""};

    if (metrics_read(input, values, count) != ERR_NONE)
        return 0;
    CHECK(metrics_read(input, again, count + 1) != ERR_NONE);
    buf_init(&text, 1 << 20);
    metrics_write(&text, values, count);
    CHECK(!text.failed && text.len <= input.len);
    CHECK(metrics_read(buf_span(&text), again, count) == ERR_NONE);
    CHECK(memcmp(values, again, count * sizeof *values) == 0);
    buf_init(&page, 1 << 20);
    metrics_render(&page, allocator_metric_rows, count, sets, labels, 1);
    CHECK(!page.failed && page.len > 0 && page.bytes[page.len - 1] == '\n');
    buf_free(&page);
    buf_free(&text);
    return 0;
}
