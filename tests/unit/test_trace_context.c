#include "tests/unit/unit.h"
#include "trace/context.h"

static const char right[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(trace_parents_are_checked)
{
    static const char *const wrong[] = {
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
        "01-00000000000000000000000000000000-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "AB-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    };
    struct trace_context c, untouched;

    memset(&untouched, 0x5a, sizeof untouched);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy(span_of(wrong[i]));
        c = untouched;
        assert_false(trace_context_read(g.span, &c));
        assert_memory_equal(&c, &untouched, sizeof c);
        guarded_free(&g);
    }
}

TEST(what_is_read_is_written)
{
    struct trace_context c;
    char text[TRACE_BYTES_MAX + 1];

    assert_true(trace_context_read(span_of(right), &c));
    assert_memory_equal(c.trace, "\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36",
                        TRACE_ID_BYTES);
    assert_memory_equal(c.span, "\x00\xf0\x67\xaa\x0b\xa9\x02\xb7", TRACE_SPAN_BYTES);
    assert_true(c.is_sampled);
    trace_context_write(&c, text);
    assert_string_equal(text, right);
}

TEST(a_later_version_is_read_as_ours_and_goes_on_as_ours)
{
    static const struct {
        const char *came, *goes_on;
    } some[] = {
        {right, right},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe",
         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe"},
        {"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", right},
        {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", right},
        {"fe-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-will.be,then", right},
        {"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe",
         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"},
    };

    for (size_t i = 0; i < COUNT(some); i++) {
        struct guarded g = guarded_copy(span_of(some[i].came));
        char text[TRACE_BYTES_MAX + 1];
        struct trace_context c;

        assert_true(trace_context_read(g.span, &c));
        trace_context_pass(g.span, &c, text);
        assert_string_equal(text, some[i].goes_on);
        assert_int_equal(c.is_sampled, trace_is_sampled(span_of(text)));
        guarded_free(&g);
    }
}

TEST(the_flag_alone_says_whether_it_is_recorded)
{
    static const struct {
        const char *flags;
        bool is_sampled;
    } some[] = {{"00", false}, {"01", true},  {"02", false},
                {"03", true},  {"fe", false}, {"ff", true}};
    char text[sizeof right];
    struct trace_context c;

    for (size_t i = 0; i < COUNT(some); i++) {
        memcpy(text, right, sizeof text);
        memcpy(text + TRACE_BYTES_MAX - 2, some[i].flags, 2);
        assert_true(trace_context_read(span_of(text), &c));
        assert_int_equal(c.is_sampled, some[i].is_sampled);
        assert_int_equal(trace_is_sampled(span_of(text)), some[i].is_sampled);
    }
    assert_false(trace_is_sampled(SPAN("")));
}

TEST(a_begun_trace_is_valid_whatever_is_drawn)
{
    static const uint64_t drawn[][3] = {{0, 0, 0}, {UINT64_MAX, UINT64_MAX, UINT64_MAX}, {1, 2, 3}};

    for (size_t i = 0; i < COUNT(drawn); i++) {
        struct trace_context begun = trace_context_begin(drawn[i], i % 2 == 0), read;
        struct trace_context child = trace_context_child(&begun, drawn[i][1]);
        char text[TRACE_BYTES_MAX + 1];

        trace_context_write(&begun, text);
        assert_true(trace_context_read(span_of(text), &read));
        assert_int_equal(read.is_sampled, i % 2 == 0);
        trace_context_write(&child, text);
        assert_true(trace_context_read(span_of(text), &read));
        assert_memory_equal(read.trace, begun.trace, TRACE_ID_BYTES);
    }
}

TEST(a_ratio_is_a_share)
{
    static const struct {
        const char *text;
        uint32_t of_million;
    } some[] = {{"0", 0},        {"1", 1000000},   {"0.01", 10000},     {"0.5", 500000},
                {"0.000001", 1}, {"1.0", 1000000}, {"0.999999", 999999}};
    static const char *const wrong[] = {"",     "2",   "1.1",       "-1", ".5",   "0.",      "0.1x",
                                        "1e-2", "0,1", "0.0000001", "x",  " 0.1", "1.000001"};
    uint32_t of_million = 7;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(trace_ratio_read(wrong[i], &of_million));
    assert_int_equal(of_million, 7);
    for (size_t i = 0; i < COUNT(some); i++) {
        assert_true(trace_ratio_read(some[i].text, &of_million));
        assert_int_equal(of_million, some[i].of_million);
    }
}

TEST(a_ratio_takes_that_share)
{
    unsigned taken = 0;

    for (uint64_t i = 0; i < 1000000; i++) {
        assert_false(trace_ratio_takes(0, i));
        assert_true(trace_ratio_takes(1000000, i * UINT64_C(0x9e3779b97f4a7c15)));
        taken += trace_ratio_takes(10000, i * UINT64_C(0x9e3779b97f4a7c15));
    }
    assert_in_range(taken, 9000, 11000);
}

int main(void)
{
    return RUN(cmocka_unit_test(trace_parents_are_checked),
               cmocka_unit_test(what_is_read_is_written),
               cmocka_unit_test(a_later_version_is_read_as_ours_and_goes_on_as_ours),
               cmocka_unit_test(the_flag_alone_says_whether_it_is_recorded),
               cmocka_unit_test(a_begun_trace_is_valid_whatever_is_drawn),
               cmocka_unit_test(a_ratio_is_a_share), cmocka_unit_test(a_ratio_takes_that_share));
}
