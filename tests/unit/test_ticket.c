#include "base/ticket.h"
#include "tests/unit/unit.h"

#define SECRET "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER "abababababababababababababababababababababababababababababababab"

static struct ticket_keys keys_of(const char *text)
{
    struct ticket_keys keys;
    const char *why = NULL;

    assert_true(ticket_keys_read(span_of(text), &keys, &why));
    return keys;
}

static struct ticket a_ticket(void)
{
    struct ticket t = {.kind = TICKET_PLACE, .show = 7, .number = 42, .expires_ms = 1767225600000};

    ticket_set_user(&t, SPAN("ann"));
    return t;
}

TEST(a_ticket_comes_back_as_it_was_signed)
{
    struct ticket_keys keys = keys_of("7 " SECRET "\n");
    struct ticket t = a_ticket(), read;
    char text[TICKET_TEXT_BYTES];

    ticket_write(&keys, &t, text);
    /* tests/system/harness/draw.py makes the same of it. */
    assert_string_equal(
        text, "AQcAAAAHAAAAKgGbdtqoAEmRXg19S0AulTQD_hhWH7zNJUlWoow5cSM8Y_ROUoLYqMq7ZhX529g");
    assert_int_equal(ticket_read(&keys, span_of(text), &read), ERR_NONE);
    assert_int_equal(read.kind, TICKET_PLACE);
    assert_int_equal(read.show, 7);
    assert_int_equal(read.number, 42);
    assert_true(read.expires_ms == 1767225600000);
    assert_true(ticket_is_for(&read, SPAN("ann")));
    assert_false(ticket_is_for(&read, SPAN("bob")));
    assert_false(ticket_is_for(&read, SPAN("")));
}

TEST(one_for_nobody_is_for_everybody)
{
    struct ticket t = a_ticket();

    ticket_set_user(&t, SPAN(""));
    assert_true(ticket_is_for(&t, SPAN("ann")) && ticket_is_for(&t, SPAN("")));
}

TEST(no_character_can_be_changed)
{
    struct ticket_keys keys = keys_of("7 " SECRET);
    struct ticket t = a_ticket(), read;
    char text[TICKET_TEXT_BYTES];

    ticket_write(&keys, &t, text);
    for (size_t i = 0; i < TICKET_TEXT_BYTES - 1; i++) {
        char was = text[i];
        for (const char *c = "ABZaz09-_ =.\n\x7f\xff"; *c != '\0'; c++) {
            text[i] = *c;
            if (*c != was)
                assert_int_equal(ticket_read(&keys, span_of(text), &read), ERR_INPUT);
        }
        text[i] = '\0';
        assert_int_equal(ticket_read(&keys, (struct span){text, TICKET_TEXT_BYTES - 1}, &read),
                         ERR_INPUT);
        text[i] = was;
    }
    assert_int_equal(ticket_read(&keys, span_of(text), &read), ERR_NONE);
    assert_int_equal(ticket_read(&keys, (struct span){text, TICKET_TEXT_BYTES - 2}, &read),
                     ERR_INPUT);
    assert_int_equal(ticket_read(&keys, (struct span){NULL, 0}, &read), ERR_INPUT);
}

TEST(keys_are_changed_one_after_the_other)
{
    struct ticket_keys before = keys_of("7 " SECRET), both = keys_of("9 " OTHER "\n7 " SECRET "\n");
    struct ticket_keys after = keys_of("# the old one is gone\n\n9 " OTHER "\n");
    struct ticket t = a_ticket(), read;
    char old[TICKET_TEXT_BYTES], new[TICKET_TEXT_BYTES];

    ticket_write(&before, &t, old);
    ticket_write(&both, &t, new);
    assert_int_equal(ticket_read(&both, span_of(old), &read), ERR_NONE);
    assert_int_equal(ticket_read(&both, span_of(new), &read), ERR_NONE);
    assert_int_equal(ticket_read(&after, span_of(new), &read), ERR_NONE);
    assert_int_equal(ticket_read(&after, span_of(old), &read), ERR_INPUT);
    assert_int_equal(ticket_read(&before, span_of(new), &read), ERR_INPUT);
}

TEST(a_kind_that_is_none_is_none_even_signed)
{
    struct ticket_keys keys = keys_of("7 " SECRET);
    struct ticket t = a_ticket(), read;
    char text[TICKET_TEXT_BYTES];

    t.kind = (enum ticket_kind)4;
    ticket_write(&keys, &t, text);
    assert_int_equal(ticket_read(&keys, span_of(text), &read), ERR_INPUT);
}

TEST(a_file_of_keys_that_is_none_says_why)
{
    static const char *const wrong[] = {
        "",
        "# nothing\n",
        "7\n",
        "7 " SECRET "0\n",
        "0 " SECRET "\n",
        "256 " SECRET "\n",
        "x " SECRET "\n",
        "7  " SECRET "\n",
        "7 g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
        "7 " SECRET "\n7 " OTHER "\n",
        "1 " SECRET "\n2 " SECRET "\n3 " SECRET "\n4 " SECRET "\n5 " SECRET "\n6 " SECRET
        "\n7 " SECRET "\n8 " SECRET "\n9 " SECRET "\n",
    };
    struct ticket_keys keys;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *why = NULL;
        assert_false(ticket_keys_read(span_of(wrong[i]), &keys, &why));
        assert_non_null(why);
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(a_ticket_comes_back_as_it_was_signed),
               cmocka_unit_test(one_for_nobody_is_for_everybody),
               cmocka_unit_test(no_character_can_be_changed),
               cmocka_unit_test(keys_are_changed_one_after_the_other),
               cmocka_unit_test(a_kind_that_is_none_is_none_even_signed),
               cmocka_unit_test(a_file_of_keys_that_is_none_says_why));
}
