#include "base/address.h"
#include "tests/unit/unit.h"

static bool reads(const char *text, struct address *address)
{
    struct guarded g = guarded_copy(span_of(text));
    bool right = address_read(g.span, address);

    guarded_free(&g);
    return right;
}

/* As it is written out, or "none". */
static const char *written(const char *text)
{
    static char out[ADDRESS_TEXT_BYTES];
    struct address address;

    if (!reads(text, &address))
        return "none";
    address_format(address, out);
    return out;
}

static bool has(const char *network, const char *address)
{
    struct network n;
    struct address a;

    assert_true(network_read(span_of(network), &n));
    assert_true(reads(address, &a));
    return network_has(&n, a);
}

static bool is_network(const char *text)
{
    struct guarded g = guarded_copy(span_of(text));
    struct network network;
    bool right = network_read(g.span, &network);

    guarded_free(&g);
    return right;
}

TEST(addresses_have_one_form)
{
    assert_string_equal(written("192.0.2.1"), "192.0.2.1");
    assert_string_equal(written("::ffff:192.0.2.1"), "192.0.2.1");
    assert_string_equal(written("192.0.2.1:80"), "192.0.2.1");
    assert_string_equal(written("2001:DB8:0:0::1"), "2001:db8::1");
    assert_string_equal(written("[2001:db8::1]"), "2001:db8::1");
    assert_string_equal(written("[2001:db8::1]:65535"), "2001:db8::1");
    assert_string_equal(written("::1"), "::1");
}

TEST(what_is_no_address)
{
    static const char *const none[] = {
        "",
        " ",
        "unknown",
        "_hidden",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1 ",
        " 192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:x",
        "0x7f.0.0.1",
        "192.0.2.1:65536",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[192.0.2.1]",
        "::1]",
        "fe80::1%eth0",
        ":80",
        "[]",
        "[]:80",
        "2001:db8::1:g",
        "localhost",
        "1.2.3.4.5",
        "192.0.2.1/",
        "192.0.2.1,x",
        "[::1]:999999",
        "\"192.0.2.1\"",
        "192.0.02.1.",
        "::ffff:1.2.3",
    };

    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_string_equal(written(none[i]), "none");
}

TEST(a_client_is_an_address_or_a_network_of_64_bits)
{
    struct address a, b;

    assert_true(reads("2001:db8:1:2:3:4:5:6", &a) && reads("2001:db8:1:2::9", &b));
    assert_true(address_equal(address_of_client(a), address_of_client(b)));
    assert_true(reads("2001:db8:1:3::9", &b));
    assert_false(address_equal(address_of_client(a), address_of_client(b)));
    assert_true(reads("192.0.2.1", &a) && reads("192.0.2.2", &b));
    assert_false(address_equal(address_of_client(a), address_of_client(b)));
}

TEST(networks_have_what_their_prefix_says)
{
    assert_true(has("10.0.0.0/8", "10.255.0.1"));
    assert_false(has("10.0.0.0/8", "11.0.0.1"));
    assert_true(has("10.0.0.0/9", "10.127.255.255"));
    assert_false(has("10.0.0.0/9", "10.128.0.0"));
    assert_true(has("192.0.2.1", "192.0.2.1") && has("192.0.2.1/32", "192.0.2.1"));
    assert_false(has("192.0.2.1", "192.0.2.2"));
    assert_true(has("0.0.0.0/0", "203.0.113.9"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("::/0", "203.0.113.9"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("::1", "::1"));
    assert_false(has("::1", "::2"));
}

TEST(what_is_no_network)
{
    assert_false(is_network(""));
    assert_false(is_network("/8"));
    assert_false(is_network("10.0.0.0/"));
    assert_false(is_network("10.0.0.0/33"));
    assert_false(is_network("10.0.0.0/-1"));
    assert_false(is_network("10.0.0.1/8")); /* more is set than the prefix says: a slip */
    assert_false(is_network("2001:db8::/129"));
    assert_false(is_network("2001:db8::1/64"));
    assert_false(is_network("[::1]/128"));
    assert_false(is_network("10.0.0.0/8/8"));
    assert_false(is_network("localhost"));
}

int main(void)
{
    return RUN(cmocka_unit_test(addresses_have_one_form), cmocka_unit_test(what_is_no_address),
               cmocka_unit_test(a_client_is_an_address_or_a_network_of_64_bits),
               cmocka_unit_test(networks_have_what_their_prefix_says),
               cmocka_unit_test(what_is_no_network));
}
