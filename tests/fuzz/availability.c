/* Committed availability. What is taken comes back the same when packed. */
#include "base/availability.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct availability a, again;
    struct buf first, second;

    if (availability_read(fuzz_span(data, size), &a) != ERR_NONE)
        return 0;
    CHECK(a.tiers <= TIERS_MAX);
    for (size_t i = 0; i < a.tiers; i++)
        CHECK(a.tier[i].tier >= 1 && a.tier[i].tier <= TIERS_MAX);
    buf_init(&first, 65536);
    buf_init(&second, 65536);
    availability_pack(&first, &a);
    CHECK(!first.failed && first.len <= size);
    CHECK(availability_read(buf_span(&first), &again) == ERR_NONE);
    availability_pack(&second, &again);
    CHECK(span_equal(buf_span(&first), buf_span(&second)));
    CHECK(again.show == a.show && again.version == a.version && again.tiers == a.tiers);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
