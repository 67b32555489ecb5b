/* Options: defaults, environment, limits, and structs of another version. */
#include "api/client/options.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static struct reeve_error_info error;

static void defaults(void **state)
{
    (void)state;
    struct reeve_settings settings;
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.mode, REEVE_MODE_CLUSTER);
    assert_null(settings.address);
    assert_int_equal(settings.slots, 0);
    struct reeve_task_settings task;
    assert_int_equal(reeve_task_options_resolve(NULL, &task, &error), REEVE_OK);
    assert_int_equal(task.cpu_milli, 1000);
    assert_int_equal(task.max_retries, 3);
    assert_int_equal(task.timeout_ms, 0);
    assert_int_equal(task.retry_failures, 0);
    assert_int_equal(task.priority, 0);
}

static void environment_is_read_and_options_win(void **state)
{
    (void)state;
    setenv("REEVE_MODE", "inline", 1);
    setenv("REEVE_ADDRESS", "head:7711", 1);
    setenv("REEVE_SLOTS", "5", 1);
    setenv("REEVE_STORE_SIZE", "512M", 1);
    struct reeve_settings settings;
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.mode, REEVE_MODE_INLINE);
    assert_string_equal(settings.address, "head:7711");
    assert_int_equal(settings.slots, 5);
    assert_int_equal(settings.store_size_bytes, 512 << 20);
    assert_false(settings.prefault);
    assert_int_equal(
        reeve_options_resolve(REEVE_OPTIONS(.mode = REEVE_MODE_CLUSTER, .address = "other:1",
                                  .slots = 2, .store_size_bytes = 1, .prefault = 1),
            &settings, &error),
        REEVE_OK);
    assert_int_equal(settings.mode, REEVE_MODE_CLUSTER);
    assert_string_equal(settings.address, "other:1");
    assert_int_equal(settings.slots, 2);
    assert_int_equal(settings.store_size_bytes, 1);
    assert_true(settings.prefault);
    assert_int_equal(
        reeve_options_resolve(REEVE_OPTIONS(.prefault = 2), &settings, &error), REEVE_EINVAL);
    assert_string_equal(error.message, "the option prefault is 2: expected 0 or 1");

    static const char *const wrong[][2] = {{"REEVE_MODE", "fast"}, {"REEVE_SLOTS", "many"},
        {"REEVE_SLOTS", "-1"}, {"REEVE_SLOTS", "0"}, {"REEVE_SLOTS", "5000"},
        {"REEVE_STORE_SIZE", "5T5"}, {"REEVE_STORE_SIZE", "99999999999G"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("REEVE_MODE", "inline", 1);
        setenv("REEVE_SLOTS", "5", 1);
        setenv("REEVE_STORE_SIZE", "512M", 1);
        setenv(wrong[i][0], wrong[i][1], 1);
        assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_EINVAL);
        assert_non_null(strstr(error.message, wrong[i][0]));
    }
    setenv("REEVE_MODE", "inline", 1);
    setenv("REEVE_SLOTS", "auto", 1);
    setenv("REEVE_STORE_SIZE", "30%", 1);
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.slots, 0);
    assert_int_equal(settings.store_size_bytes, 0);
    setenv("REEVE_STORE_SIZE", "1.5GiB", 1);
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.store_size_bytes, 3u << 29);
    unsetenv("REEVE_MODE");
    unsetenv("REEVE_ADDRESS");
    unsetenv("REEVE_SLOTS");
    unsetenv("REEVE_STORE_SIZE");
}

static void weight_and_pending_size(void **state)
{
    (void)state;
    struct reeve_settings settings;
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.weight, 0);
    assert_int_equal(settings.pending_size_bytes, 0);
    setenv("REEVE_WEIGHT", "300", 1);
    setenv("REEVE_PENDING_SIZE", "1MiB", 1);
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.weight, 300);
    assert_int_equal(settings.pending_size_bytes, 1 << 20);
    assert_int_equal(
        reeve_options_resolve(
            REEVE_OPTIONS(.weight = 7, .pending_size_bytes = 1 << 21), &settings, &error),
        REEVE_OK);
    assert_int_equal(settings.weight, 7);
    assert_int_equal(settings.pending_size_bytes, 1 << 21);
    setenv("REEVE_PENDING_SIZE", "10%", 1);
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.pending_percent, 10);
    assert_int_equal(settings.pending_size_bytes, 0);
    static const char *const wrong[][2] = {{"REEVE_WEIGHT", "0"}, {"REEVE_WEIGHT", "10001"},
        {"REEVE_WEIGHT", "heavy"}, {"REEVE_PENDING_SIZE", "1000"}, {"REEVE_PENDING_SIZE", "much"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("REEVE_WEIGHT", "300", 1);
        setenv("REEVE_PENDING_SIZE", "1MiB", 1);
        setenv(wrong[i][0], wrong[i][1], 1);
        assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_EINVAL);
        assert_non_null(strstr(error.message, wrong[i][0]));
    }
    unsetenv("REEVE_WEIGHT");
    unsetenv("REEVE_PENDING_SIZE");
    assert_int_equal(
        reeve_options_resolve(REEVE_OPTIONS(.weight = 10001), &settings, &error), REEVE_EINVAL);
}

static void leaks(void **state)
{
    (void)state;
    struct reeve_settings settings;
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.leaks, REEVE_LEAKS_OFF);
    setenv("REEVE_LEAKS", "1", 1);
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_OK);
    assert_int_equal(settings.leaks, REEVE_LEAKS_PRINT);
    assert_int_equal(
        reeve_options_resolve(REEVE_OPTIONS(.leaks = REEVE_LEAKS_NOTE), &settings, &error),
        REEVE_OK);
    assert_int_equal(settings.leaks, REEVE_LEAKS_NOTE);
    setenv("REEVE_LEAKS", "many", 1);
    assert_int_equal(reeve_options_resolve(NULL, &settings, &error), REEVE_EINVAL);
    unsetenv("REEVE_LEAKS");
    assert_int_equal(
        reeve_options_resolve(REEVE_OPTIONS(.leaks = 3), &settings, &error), REEVE_EINVAL);
}

static void structs_of_other_versions(void **state)
{
    (void)state;
    struct reeve_settings settings;
    reeve_options options = {.size = 0};
    assert_int_equal(reeve_options_resolve(&options, &settings, &error), REEVE_EINVAL);
    options = (reeve_options){
        .size = offsetof(reeve_options, key), .mode = REEVE_MODE_INLINE, .key = "not seen"};
    assert_int_equal(reeve_options_resolve(&options, &settings, &error), REEVE_OK);
    assert_int_equal(settings.mode, REEVE_MODE_INLINE);
    assert_null(settings.key);
    struct {
        reeve_options known;
        uint64_t news;
    } newer = {{.size = sizeof newer}, 0};
    assert_int_equal(reeve_options_resolve(&newer.known, &settings, &error), REEVE_OK);
    newer.news = 1; /* asks for something that this library cannot do */
    assert_int_equal(reeve_options_resolve(&newer.known, &settings, &error), REEVE_EINVAL);
}

static void task_options(void **state)
{
    (void)state;
    struct reeve_task_settings task;
#define OK(...) \
    assert_int_equal(reeve_task_options_resolve(REEVE_TASK_OPTIONS(__VA_ARGS__), &task, &error), 0)
#define BAD(...)      \
    assert_int_equal( \
        reeve_task_options_resolve(REEVE_TASK_OPTIONS(__VA_ARGS__), &task, &error), REEVE_EINVAL)
    OK(.cpus = 0.001);
    assert_int_equal(task.cpu_milli, 1);
    OK(.cpus = 0.3);
    assert_int_equal(task.cpu_milli, 300);
    OK(.cpus = 64);
    assert_int_equal(task.cpu_milli, 64000);
    OK(.max_retries = REEVE_NO_RETRIES);
    assert_int_equal(task.max_retries, 0);
    OK(.max_retries = 7, .timeout_ms = 50, .name = "n");
    assert_int_equal(task.max_retries, 7);
    assert_int_equal(task.timeout_ms, 50);
    assert_string_equal(task.name, "n");
    BAD(.cpus = 0.0001);
    BAD(.cpus = 0.0015);
    BAD(.cpus = -1);
    BAD(.cpus = 1e9);
    BAD(.cpus = __builtin_nan(""));
    BAD(.max_retries = -2);
    BAD(.timeout_ms = -1);
    OK(.retry_failures = 2);
    assert_int_equal(task.retry_failures, 2);
    assert_int_equal(task.retry_pause_ms, 1000);
    OK(.retry_failures = 2, .retry_pause_ms = REEVE_NO_PAUSE, .priority = -100);
    assert_int_equal(task.retry_pause_ms, 0);
    assert_int_equal(task.priority, -100);
    BAD(.retry_failures = 2, .retry_pause_ms = -2);
    BAD(.retry_pause_ms = 5);
    assert_non_null(strstr(error.message, "retry_failures is 0"));
    BAD(.priority = 101);
    BAD(.priority = -101);
    assert_int_equal(
        reeve_task_options_resolve(&(reeve_task_options){.cpus = 1}, &task, &error), REEVE_EINVAL);
}

static void actor_options(void **state)
{
    (void)state;
    struct reeve_actor_settings actor;
#undef OK
#undef BAD
#define OK(...)       \
    assert_int_equal( \
        reeve_actor_options_resolve(REEVE_ACTOR_OPTIONS(__VA_ARGS__), &actor, &error), 0)
#define BAD(...)                                                                       \
    assert_int_equal(                                                                  \
        reeve_actor_options_resolve(REEVE_ACTOR_OPTIONS(__VA_ARGS__), &actor, &error), \
        REEVE_EINVAL)
    OK(.concurrency = 0);
    assert_int_equal(actor.concurrency, 0);
    OK(.shared = 65535, .concurrency = 1024, .max_restarts = REEVE_FOREVER);
    assert_int_equal(actor.concurrency, 1024);
    assert_int_equal(actor.shared, 65535);
    assert_int_equal(actor.restarts_max, UINT32_MAX);
    BAD(.concurrency = 1025);
    assert_non_null(strstr(error.message, "concurrency is 1025: expected 1 to 1024"));
    BAD(.concurrency = 10000);
    BAD(.shared = 65536);
    OK(.name = "hits", .detached = 1, .get_if_exists = 1);
    assert_true(actor.detached && actor.get_if_exists);
    OK(.name = "hits");
    assert_false(actor.detached || actor.get_if_exists);
    BAD(.detached = 1);
    assert_non_null(strstr(error.message, "the option detached needs a name"));
    BAD(.get_if_exists = 1);
    BAD(.name = "hits", .detached = 2);
    BAD(.name = "hits", .get_if_exists = 2);
    BAD(.name = "hits", .detached = 1, .shared = 1);
    OK(.max_pending_calls = 7);
    assert_int_equal(actor.pending_max, 7);
    BAD(.max_pending_calls = 7, .shared = 1);
}

static int check(const char *name)
{
    return reeve_name_check("name", name, 8, &error);
}

/* The bytes of UTF-8 at the edges of what it allows, and of what is not printed. */
static void names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "12345678", " ", "~", "\xc2\xa0", "\xdf\xbf",
        "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "a\xc5\xbe"
        "b"};
    static const char *const bad[] = {"", "123456789", "\n", "a\tb", "\x1f", "\x7f", "\x80", "\xbf",
        "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x80", "\xc2\x9f", "\xc2 ", "\xe0\x9f\xbf", "\xe1\x80",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf1\x80\x80",
        "\xff", "ab\xe2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(check(good[i]), REEVE_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(check(bad[i]), REEVE_EINVAL);
    assert_int_equal(check("abc\x01"), REEVE_EINVAL);
    assert_non_null(strstr(error.message, "at byte 3"));
    assert_int_equal(check("12345678\x01"), REEVE_EINVAL); /* too long is what is said first */
    assert_non_null(strstr(error.message, "longer than 8 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(environment_is_read_and_options_win),
        cmocka_unit_test(weight_and_pending_size),
        cmocka_unit_test(leaks),
        cmocka_unit_test(structs_of_other_versions),
        cmocka_unit_test(task_options),
        cmocka_unit_test(actor_options),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
