/* Addresses: what is accepted, what it becomes, and that each refusal says what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <reeve_errors.h>

#include "runtime/base/macros.h"
#include "runtime/wire/address.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url;
        uint16_t last;
    } cases[] = {
        {"tcp://10.0.0.1:6380", "tcp://10.0.0.1:6380", 6380},
        {"10.0.0.1:7000", "tcp://10.0.0.1:7000", 7000},
        {"10.0.0.1", "tcp://10.0.0.1:6380", 6380},
        {"tcp://head.example.com", "tcp://head.example.com:6380", 6380},
        {"node-7_b", "tcp://node-7_b:6380", 6380},
        {"127.0.0.1:0", "tcp://127.0.0.1:0", 0},
        {"tcp://0.0.0.0:6380-6400", "tcp://0.0.0.0:6380", 6400},
        {"*:6380", "tcp://0.0.0.0:6380", 6380},
        {"[::1]:6380", "tcp://[::1]:6380", 6380},
        {"tcp://[fe80::1:2]", "tcp://[fe80::1:2]:6380", 6380},
        {"tcp://h:65535", "tcp://h:65535", 65535},
        {"tcp://h:5-5", "tcp://h:5", 5},
        {"abstract://reeve/head-1", "abstract://reeve/head-1", 0},
        {"tls+tcp://head.example.com", "tls+tcp://head.example.com:6380", 6380},
        {"tls+tcp://*:6380-6390", "tls+tcp://0.0.0.0:6380", 6390},
        {"tls+tcp://[::1]:7", "tls+tcp://[::1]:7", 7},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(cases); i++) {
        struct reeve_address address;
        char why[REEVE_TEXT_SIZE], url[REEVE_ADDRESS_SIZE];
        assert_int_equal(reeve_address_parse(cases[i].text, &address, why), REEVE_OK);
        assert_string_equal(reeve_address_format(&address, url), cases[i].url);
        assert_int_equal(address.port_last, cases[i].last);
        struct reeve_address again; /* what is written is read back as the same */
        assert_int_equal(reeve_address_parse(url, &again, why), REEVE_OK);
        assert_string_equal(again.host, address.host);
        assert_int_equal(again.port, address.port);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "host is missing"},
        {"tcp://", "host is missing"},
        {":6380", "host is missing"},
        {"http://h:1", "scheme"},
        {"ipc:///tmp/x", "scheme"},
        {"tls://h:1", "scheme"},
        {"tls+tcp://", "host is missing"},
        {"tcp://h:", "port must be"},
        {"tcp://h:x", "port must be"},
        {"tcp://h:65536", "port must be"},
        {"tcp://h:-1", "port must be"},
        {"tcp://h:6380-", "port must be"},
        {"tcp://h:6400-6380", "range"},
        {"tcp://h:0-5", "range"},
        {"::1", "brackets"},
        {"fe80::1:6380", "brackets"},
        {"[::1", "] after"},
        {"[::1]6380", "expected"},
        {"[host]:1", "IPv6"},
        {"a b:1", "letters"},
        {"h/x:1", "letters"},
        {"a*:1", "stands alone"},
        {"abstract://", "name is missing"},
        {"abstract://a b", "name consists"},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxxxxxxxxxxxxxxx:1",
            "longer"},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(cases); i++) {
        struct reeve_address address;
        char why[REEVE_TEXT_SIZE] = "";
        assert_int_equal(reeve_address_parse(cases[i].text, &address, why), REEVE_EADDRESS);
        if (strstr(why, cases[i].why) == NULL)
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", cases[i].text, why, cases[i].why);
    }
    struct reeve_address address;
    char why[REEVE_TEXT_SIZE];
    assert_int_equal(reeve_address_parse_peer("*:1", &address, why), REEVE_EADDRESS);
    assert_int_equal(reeve_address_parse_peer("[::]:1", &address, why), REEVE_EADDRESS);
    assert_int_equal(reeve_address_parse_peer("h:0", &address, why), REEVE_EADDRESS);
    assert_int_equal(reeve_address_parse_peer("h:1-2", &address, why), REEVE_EADDRESS);
    assert_int_equal(reeve_address_parse_peer("h:1", &address, why), REEVE_OK);
    assert_int_equal(reeve_address_parse_peer("tls+tcp://*:1", &address, why), REEVE_EADDRESS);
    assert_int_equal(reeve_address_parse_peer("tls+tcp://h:0", &address, why), REEVE_EADDRESS);
}

static void test_advertised(void **state)
{
    (void)state;
    static const struct {
        const char *bound, *advertise, *expected;
    } cases[] = {
        {"127.0.0.1:1234", NULL, "tcp://127.0.0.1:1234"},
        {"0.0.0.0:1234", NULL, NULL},
        {"0.0.0.0:1234", "10.0.0.1", "tcp://10.0.0.1:1234"},
        {"0.0.0.0:1234", "10.0.0.1:99", "tcp://10.0.0.1:99"},
        {"0.0.0.0:1234", "tcp://gate.example.com:99", "tcp://gate.example.com:99"},
        {"0.0.0.0:1234", "tcp://gate.example.com", "tcp://gate.example.com:1234"},
        {"[::]:1234", "[::1]", "tcp://[::1]:1234"},
        {"[::]:1234", "[::1]:9", "tcp://[::1]:9"},
        {"0.0.0.0:1234", "*", NULL},
        {"0.0.0.0:1234", "h:1-3", NULL},
        {"0.0.0.0:1234", "h:0", NULL},
        {"0.0.0.0:1234", "abstract://x", NULL},
        {"abstract://x", NULL, "abstract://x"},
        {"tls+tcp://0.0.0.0:1234", "h", "tls+tcp://h:1234"},
        {"tls+tcp://0.0.0.0:1234", "h:9", "tls+tcp://h:9"},
        {"tls+tcp://0.0.0.0:1234", "tls+tcp://h", "tls+tcp://h:1234"},
        {"tls+tcp://0.0.0.0:1234", NULL, NULL},
        {"tls+tcp://0.0.0.0:1234", "tcp://h", NULL},
        {"0.0.0.0:1234", "tls+tcp://h", NULL},
    };
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(cases); i++) {
        struct reeve_address bound, address;
        char why[REEVE_TEXT_SIZE], url[REEVE_ADDRESS_SIZE];
        assert_int_equal(reeve_address_parse(cases[i].bound, &bound, why), REEVE_OK);
        int error = reeve_address_advertised(&bound, cases[i].advertise, &address, why);
        assert_int_equal(error, cases[i].expected != NULL ? REEVE_OK : REEVE_EADDRESS);
        if (error == REEVE_OK)
            assert_string_equal(reeve_address_format(&address, url), cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_advertised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
