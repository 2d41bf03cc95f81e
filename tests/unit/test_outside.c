#include "courier/outside.h"
#include "tests/unit/unit.h"

static bool allows(const char *networks, const char *text)
{
    struct networks allowed;
    struct address address;

    assert_null(networks_read(span_of(networks), &allowed));
    assert_true(address_read(span_of(text), &address));
    return outside_allows(&allowed, address);
}

TEST(the_public_internet_is_allowed)
{
    static const char *const addresses[] = {"8.8.8.8",    "1.1.1.1",         "172.15.255.255",
                                            "172.32.0.0", "2606:4700::1111", "2a00:1450::1"};

    for (size_t i = 0; i < COUNT(addresses); i++)
        if (!allows("", addresses[i]))
            fail_msg("%s is not allowed", addresses[i]);
}

TEST(what_is_inside_is_not)
{
    static const char *const addresses[] = {
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001::1",
    };

    for (size_t i = 0; i < COUNT(addresses); i++)
        if (allows("", addresses[i]))
            fail_msg("%s is allowed", addresses[i]);
}

TEST(networks_can_be_opened)
{
    assert_true(allows("10.0.0.0/8, fd00::/8", "10.1.2.3"));
    assert_true(allows("10.0.0.0/8, fd00::/8", "fd00::1"));
    assert_false(allows("10.0.0.0/8", "192.168.0.1"));
    assert_true(allows("127.0.0.1", "127.0.0.1"));
    assert_false(allows("127.0.0.1", "127.0.0.2"));
}

TEST(what_is_no_list_of_networks_is_refused)
{
    static const char *const wrong[] = {
        "x", "10.0.0.0/33",     "10.0.0.1/8",
        ",", "10.0.0.0/8,,::1", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    struct networks networks;

    for (size_t i = 0; i < COUNT(wrong); i++)
        if (networks_read(span_of(wrong[i]), &networks) == NULL)
            fail_msg("%s was taken", wrong[i]);
}

TEST(a_secret_goes_outside_or_not)
{
    static const struct {
        const char *url;
        bool hears;
    } urls[] = {
        {"smtp://mail.example", false},
        {"smtp://u:p@mail.example:587", true},
        {"smtp://u@mail.example", true},
        {"smtp://u:p@localhost", false},
        {"smtp://u:p@localhost:25/here", false},
        {"smtp://u:p@localhost.example", true},
        {"smtp://u:p@127.0.0.1:25", false},
        {"smtp://u:p@127.1.2.3", false},
        {"smtp://u:p@127.0.0.1.example", true},
        {"smtp://u:p@[::1]:25", false},
        {"smtp://u:p@[::1", true},
        {"smtp://u:p@[::2]", true},
        {"smtp://127.0.0.1:p@10.0.0.1", true},
        {"smtp://u:p@127.0.0.1@mail.example", true},
        {"smtp://u:p@", true},
    };

    for (size_t i = 0; i < COUNT(urls); i++)
        if (outside_hears_secret(urls[i].url) != urls[i].hears)
            fail_msg("%s", urls[i].url);
}

int main(void)
{
    return RUN(cmocka_unit_test(the_public_internet_is_allowed),
               cmocka_unit_test(what_is_inside_is_not), cmocka_unit_test(networks_can_be_opened),
               cmocka_unit_test(what_is_no_list_of_networks_is_refused),
               cmocka_unit_test(a_secret_goes_outside_or_not));
}
