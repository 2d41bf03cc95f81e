/*
 * Tickets from people, and files of keys. Nothing that was not signed is right, what was signed is
 * its own text, and no other text is the same ticket.
 */
#include "base/ticket.h"

#include "tests/fuzz/fuzz.h"

static void check_signed(const uint8_t *data, size_t size)
{
    struct ticket_keys keys = {.count = 1, .key[0] = {.id = 7}};
    struct ticket ticket = {.kind = TICKET_ADMISSION, .show = 3, .number = 9}, again;
    char text[TICKET_TEXT_BYTES], other[TICKET_TEXT_BYTES];

    ticket_set_user(&ticket, (struct span){(const char *)data, size});
    if (size >= 4)
        memcpy(&ticket.number, data, 4);
    ticket.expires_ms = ticket.number;
    ticket_write(&keys, &ticket, text);
    CHECK(ticket_read(&keys, span_of(text), &again) == ERR_NONE);
    CHECK(again.number == ticket.number && again.show == 3 && again.kind == TICKET_ADMISSION);
    ticket_write(&keys, &again, other);
    CHECK(strcmp(text, other) == 0);
    if (size == 0)
        return;
    text[data[0] % (TICKET_TEXT_BYTES - 1)] = (char)data[size - 1];
    if (strcmp(text, other) != 0)
        CHECK(ticket_read(&keys, span_of(text), &again) == ERR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct ticket_keys keys;
    struct ticket ticket;
    const char *why = NULL;

    if (ticket_keys_read(text, &keys, &why)) {
        CHECK(keys.count >= 1 && keys.count <= TICKET_KEYS_MAX);
        for (size_t i = 0; i < keys.count; i++)
            CHECK(keys.key[i].id != 0);
    } else {
        CHECK(why != NULL);
    }
    keys.count = 1;
    memset(keys.key[0].secret, 1, sizeof keys.key[0].secret);
    CHECK(ticket_read(&keys, text, &ticket) == ERR_INPUT);
    check_signed(data, size);
    return 0;
}
