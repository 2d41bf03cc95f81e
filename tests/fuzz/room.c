/* A waiting room as Redis has it, and its marks as Postgres does: what is read is packed again to
 * the same, and whatever it says, nobody has a number beyond those that were given. */
#include "base/room.h"

#include "tests/fuzz/fuzz.h"

static void check_room(const struct room *r)
{
    for (uint32_t n = 0; n < 3; n++) {
        int64_t called_ms = room_called_ms(r, n);
        CHECK(called_ms >= 0);
    }
    CHECK(room_over(r, 1000000) <= room_gone(r, 1000000) || r->admission_ms < 0);
    if (r->arrivals > 0 && r->arrivals < 1000 && r->draws && r->has_key && r->opened_ms > 0) {
        uint32_t number = room_number(r, r->arrivals);
        CHECK(number >= 1 && number <= r->arrivals);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};
    struct room room, again;
    struct buf b;

    buf_init(&b, 65536);
    if (room_read(bytes, &room) == ERR_NONE) {
        check_room(&room);
        room_pack(&b, &room);
        CHECK(!b.failed && room_read(buf_span(&b), &again) == ERR_NONE);
        CHECK(again.serving == room.serving && again.marks == room.marks);
        buf_reset(&b);
    }
    memset(&room, 0, sizeof room);
    if (room_read_marks(bytes, &room) == ERR_NONE) {
        room_put_marks(&b, &room);
        CHECK(room_read_marks(buf_span(&b), &again) == ERR_NONE && again.marks == room.marks);
    }
    buf_free(&b);
    return 0;
}
