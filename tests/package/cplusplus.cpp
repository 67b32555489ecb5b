// A program in C++: everything that the typed front door has, as a user of C++ would write it. Prints "good" when all
// answers are right, and a line for each that is not.
#include <reeve.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

REEVE_STRUCT(place, (double, x), (double, y), (reeve_string, name))
REEVE_STRUCT(both, (place, from), (place, to), (bool, straight))

REEVE_REMOTE(int64_t, multiply, (int64_t, a), (int64_t, b))
{
    return a * b;
}

REEVE_REMOTE(place, centre, (both, way))
{
    place middle = {(way.from.x + way.to.x) / 2, (way.from.y + way.to.y) / 2, "middle"};
    return middle;
}

REEVE_REMOTE(reeve_array_place, places, (reeve_string_array, names))
{
    place *made = static_cast<place *>(reeve_alloc(names.count * sizeof(place)));
    for (size_t i = 0; i < names.count; i++)
        made[i] = place{double(i), 0, names.items[i]};
    return reeve_array_place{made, names.count};
}

REEVE_REMOTE(void, nothing)
{
}

REEVE_REMOTE(bool, is_long, (reeve_string, text), (reeve_int32_array, numbers))
{
    return std::strlen(text) + numbers.count > 5;
}

REEVE_REMOTE(double, throws, (double, x))
{
    try {
        if (x < 0)
            throw std::runtime_error("below zero");
    } catch (const std::exception &what) {
        reeve_fail(7, "%s", what.what());
    }
    return x;
}

REEVE_REMOTE(int64_t, leaks_an_exception, (int64_t, x))
{
    throw std::runtime_error("nobody catches this");
    return x;
}

REEVE_REMOTE(int64_t, knows_itself, (int64_t, x))
{
    reeve_context context;
    bool known = reeve_get_context(&context) == REEVE_OK && context.attempt == 1 && reeve_progress(1, 2) == REEVE_OK;
    reeve_log(REEVE_DEBUG, "%s", "said in C++");
    return known ? x : 0;
}

REEVE_REMOTE(reeve_future_int64_t, later, (int64_t, x))
{
    return multiply_remote(x, x);
}

REEVE_REMOTE_RESULTS(divide, ((int64_t, quotient), (int64_t, remainder), (reeve_string, text)), (int64_t, a), (int64_t, b))
{
    if (b == 0) {
        reeve_fail(8, "by zero");
        return;
    }
    results->quotient = a / b;
    results->remainder = a % b;
    results->text = "divided";
}

REEVE_REMOTE_RESULTS(constants, ((double, pi), (bool, truth)))
{
    *results = {3.25, true};
}

REEVE_ACTOR(meter, (int64_t, value))
REEVE_CONSTRUCTOR(meter)
{
    return REEVE_OK;
}
REEVE_METHOD_RESULTS(meter, step, ((int64_t, before), (reeve_string, text)), (int64_t, by))
{
    results->before = self->value;
    results->text = "stepped";
    self->value += by;
}
REEVE_METHOD_RESULTS(meter, seen, ((int64_t, value), (bool, truth)))
{
    *results = {self->value, true};
}

REEVE_STREAM(int64_t, powers, (int64_t, most))
{
    for (int64_t power = 1; power <= most; power *= 2)
        if (powers_yield(power) != REEVE_OK)
            return;
}

REEVE_STREAM(place, corners)
{
    for (int i = 0; i < 4; i++) {
        place corner = {double(i & 1), double(i >> 1), i == 3 ? "last" : "corner"};
        if (corners_yield(corner) != REEVE_OK)
            return;
    }
    reeve_fail(9, "no fifth corner");
}

// Declared as in a header, defined further down.
namespace mathematics {
REEVE_REMOTE_DECLARE(size_t, twice, (size_t, x))
}

static int wrong;

static void expect(bool right, const char *what)
{
    if (right)
        return;
    wrong++;
    std::printf("%s: %s\n", what, reeve_last_error()->message);
}

static void calls()
{
    int64_t number = 0;
    auto product = multiply_remote(6, 7);
    auto more = reeve_call(multiply, product, 2);
    expect(multiply_get(more, &number) == REEVE_OK && number == 84, "a future as an argument");
    expect(multiply_get(product, &number) == REEVE_OK && number == 42, "a call");
    auto with = multiply_remote_opts(REEVE_TASK_OPTIONS(.name = "times", .cpus = 0.5), 3, 4);
    expect(multiply_get_timeout(with, 60000, &number) == REEVE_OK && number == 12, "options, in any order");
    auto without = reeve_call_opts(REEVE_TASK_OPTIONS(), multiply, 3, 5);
    expect(multiply_get(without, &number) == REEVE_OK && number == 15, "no options");
    expect(nothing_get(nothing_remote()) == REEVE_OK, "no result");
    size_t size = 0;
    expect(mathematics::twice_get(mathematics::twice_remote(21), &size) == REEVE_OK && size == 42, "in a namespace");

    reeve_future_int64_t inner = {0};
    expect(later_get(later_remote(9), &inner) == REEVE_OK && reeve_get(int64_t, inner, &number) == REEVE_OK &&
               number == 81,
        "a future as a result");
}

static void values()
{
    both way = {{0, 0, "a"}, {4, 2, "b"}, true};
    place middle = {};
    expect(centre_get(centre_remote(way), &middle) == REEVE_OK && middle.x == 2 && middle.y == 1 &&
               std::strcmp(middle.name, "middle") == 0,
        "structs");
    reeve_clear(place, &middle);

    const int32_t numbers[] = {1, 2, 3};
    reeve_int32_array array = {numbers, 3};
    bool yes = false;
    expect(is_long_get(is_long_remote("word", array), &yes) == REEVE_OK && yes, "a string and an array");
    auto text = reeve_put(reeve_string, "kept");
    auto whether = reeve_call(is_long, text, array);
    expect(is_long_get(whether, &yes) == REEVE_OK && yes, "a value that was put");
    reeve_release(text);
    std::vector<reeve_string> names = {"here", "there"};
    reeve_array_place all = {};
    expect(places_get(places_remote(reeve_string_array{names.data(), names.size()}), &all) == REEVE_OK && all.count == 2 &&
               std::strcmp(all.items[1].name, "there") == 0,
        "arrays of strings and of structs");
    reeve_clear(reeve_array_place, &all);
    auto bytes = reeve_put_bytes("abc", 3);
    reeve_bytes span = {};
    expect(reeve_get(reeve_bytes, reeve_future_as(reeve_bytes, bytes), &span) == REEVE_OK && span.size == 3, "bytes");
    reeve_clear(reeve_bytes, &span);
}

static void several()
{
    divide_futures parts = divide_remote(17, 5);
    int64_t number = 0;
    auto product = reeve_call(multiply, parts.quotient, parts.remainder);
    expect(multiply_get(product, &number) == REEVE_OK && number == 6, "results as arguments");
    divide_results all = {};
    expect(divide_get(parts, &all) == REEVE_OK && all.quotient == 3 && all.remainder == 2 &&
               std::strcmp(all.text, "divided") == 0,
        "several results");
    divide_clear(&all);
    auto failed = reeve_call_opts(REEVE_TASK_OPTIONS(.cpus = 0.5), divide, 1, 0);
    expect(reeve_get(int64_t, failed.remainder, &number) == REEVE_EFUNCTION && reeve_last_error()->user_code == 8,
        "a failure of all");
    expect(reeve_release(failed.quotient) == REEVE_OK && reeve_release(failed.text) == REEVE_OK, "released");
    constants_results two = {};
    expect(constants_get(constants_remote(), &two) == REEVE_OK && two.pi == 3.25 && two.truth, "without parameters");
    meter_ref actor = meter_create();
    meter_step_results step = {};
    meter_seen_results seen = {};
    meter_step_futures stepped = meter_step_remote(actor, 7);
    expect(meter_seen_get(meter_seen_remote(actor), &seen) == REEVE_OK && seen.value == 7 && seen.truth, "a method's results");
    expect(meter_step_get(stepped, &step) == REEVE_OK && step.before == 0 && std::strcmp(step.text, "stepped") == 0,
        "a method's results in order");
    meter_step_clear(&step);
    reeve_actor_release(actor);
}

static void streams()
{
    powers_stream stream = powers_remote(1000);
    int64_t power = 0, sum = 0;
    int rc;
    while ((rc = powers_next(stream, &power)) == REEVE_OK)
        sum += power;
    expect(rc == REEVE_EEND && sum == 1023, "a stream");
    auto others = corners_remote_opts(REEVE_TASK_OPTIONS(.max_retries = 1));
    place corner = {};
    int count = 0;
    while ((rc = corners_next_timeout(others, 60000, &corner)) == REEVE_OK) {
        expect(std::strcmp(corner.name, count++ == 3 ? "last" : "corner") == 0, "an item");
        reeve_clear(place, &corner);
    }
    expect(rc == REEVE_EFUNCTION && count == 4 && reeve_last_error()->user_code == 9, "an error after the items");
    auto dropped = reeve_call(powers, INT64_MAX);
    expect(powers_next(dropped, &power) == REEVE_OK && power == 1 && reeve_release(dropped) == REEVE_OK, "dropped");
}

static void many()
{
    std::vector<int64_t> a(100), b(100), products(100);
    std::vector<multiply_future> open(100);
    for (int64_t i = 0; i < 100; i++)
        a[i] = i, b[i] = i + 1;
    expect(multiply_remote_many(100, a.data(), b.data(), open.data()) == REEVE_OK, "many calls");
    size_t ready = 0;
    expect(reeve_wait(open.data(), open.size(), open.size(), 60000, NULL, &ready) == REEVE_OK && ready == 100, "wait");
    expect(multiply_get_many(open.data(), 100, products.data(), NULL) == REEVE_OK && products[99] == 9900, "many gets");
}

static void inside()
{
    uint64_t done = 7, total = 7;
    int64_t number = 0;
    auto asked = knows_itself_remote(3);
    expect(reeve_get_progress(asked, &done, &total) == REEVE_OK && total != 7, "progress");
    expect(knows_itself_get(asked, &number) == REEVE_OK && number == 3, "what a task knows of itself");
    reeve_context context;
    expect(reeve_get_context(&context) == REEVE_EINVAL, "no task, no context");
}

static void failures(bool in_workers)
{
    double x;
    expect(throws_get(throws_remote(-1), &x) == REEVE_EFUNCTION && reeve_last_error()->user_code == 7 &&
               std::strcmp(reeve_last_error()->message, "below zero") == 0,
        "a failure");
    int64_t number;
    if (!in_workers)
        return;
    auto lost = leaks_an_exception_remote_opts(REEVE_TASK_OPTIONS(.max_retries = REEVE_NO_RETRIES), 1);
    expect(leaks_an_exception_get(lost, &number) == REEVE_EWORKERDIED, "an exception that nobody catches");
}

REEVE_STRUCT(entry, (int64_t, sum), (reeve_string, by))
REEVE_ACTOR(ledger, (int64_t, sum), (double, spare[2]), (std::string *, by))
REEVE_GROUPS(ledger, (questions, 2))
REEVE_CONSTRUCTOR(ledger, (int64_t, start), (reeve_string, by))
{
    self->sum = start;
    self->by = new std::string(by);
    return REEVE_OK;
}
REEVE_DESTRUCTOR(ledger)
{
    delete self->by;
}
REEVE_SAVE(ledger, entry)
{
    return entry{self->sum, self->by->c_str()};
}
REEVE_RESTORE(ledger, (entry, saved))
{
    self->sum = saved.sum;
    return REEVE_OK;
}
REEVE_METHOD(int64_t, ledger, add, (int64_t, amount))
{
    self->sum += amount;
    reeve_actor_save();
    return self->sum;
}
REEVE_METHOD(void, ledger, crash)
{
    std::abort();
}
REEVE_GROUP_METHOD(questions, entry, ledger, look)
{
    return entry{self->sum, self->by->c_str()};
}

static void an_actor(bool in_workers)
{
    int64_t sum = 0;
    entry seen = {0, nullptr};
    ledger_ref made = ledger_create_opts(
                   REEVE_ACTOR_OPTIONS(.name = "c++", .max_restarts = 1), 5, "me"),
               found;
    expect(ledger_by_name("c++", &found) == REEVE_OK && found.number == made.number, "a name");
    expect(ledger_add_get(reeve_call(ledger_add, found, multiply_remote(6, 7)), &sum) == REEVE_OK &&
               sum == 47,
        "a method");
    expect(ledger_look_get(ledger_look_remote(reeve_in_group(ledger, made, questions)), &seen) ==
                   REEVE_OK &&
               seen.sum == 47 && std::strcmp(seen.by, "me") == 0,
        "a method of a group");
    reeve_clear(entry, &seen);
    if (in_workers) {
        expect(
            ledger_crash_get(ledger_crash_remote(made)) == REEVE_EACTORDIED, "an actor that dies");
        expect(ledger_add_get(ledger_add_remote(made, 1), &sum) == REEVE_OK && sum == 48,
            "and is made again");
    }
    auto kept = reeve_actor_retain(made);
    static_assert(std::is_same<decltype(kept), ledger_ref>::value, "of the same type");
    expect(reeve_actor_release(made) == REEVE_OK, "one of two handles is released");
    expect(ledger_add_get(ledger_add_remote(kept, 2), &sum) == REEVE_OK && sum == 49 + in_workers,
        "the other one keeps it");
    expect(reeve_actor_release(kept) == REEVE_OK && reeve_actor_release(kept) == REEVE_EHANDLE,
        "and is the last");
    ledger_ref none = {};
    expect(reeve_actor_retain(none).number == 0, "one of nothing");
}

static void actors()
{
    const reeve_actor_options *options = REEVE_ACTOR_OPTIONS(.shared = 1, .concurrency = 4);
    expect(options->concurrency == 4 && options->size == sizeof *options, "options of actors");
    const reeve_actor_options *named = REEVE_ACTOR_OPTIONS(.name = "n", .detached = 1, .get_if_exists = 1);
    expect(named->detached == 1 && named->get_if_exists == 1, "options of detached actors");
    reeve_pool *pool = reeve_pool_create(2);
    reeve_pool_call call;
    auto added = multiply_remote(6, 7);
    expect(reeve_pool_add(pool, reeve_pool_choose(pool), added, 5) == REEVE_OK && reeve_pool_count(pool) == 1 &&
               reeve_pool_next(pool, REEVE_FOREVER, &call) == REEVE_OK && call.tag == 5 &&
               reeve_release(call.future) == REEVE_OK && reeve_pool_next(pool, 0, &call) == REEVE_EEND,
        "a pool");
    reeve_pool_free(pool);
    expect(reeve_reply_later().id == 0 && reeve_last_error()->code == REEVE_EINVAL, "no method, no token");
    expect(reeve_reply_fail(reeve_reply_token{1}, 2, "%d", 3) == REEVE_EHANDLE, "no such token");
}

int main(int argc, char **argv)
{
    bool in_workers = argc > 1;
    if (reeve_init(argc, argv, REEVE_OPTIONS(.job_name = "c++", .slots = 2)) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    calls();
    values();
    several();
    streams();
    many();
    inside();
    failures(in_workers);
    an_actor(in_workers);
    actors();
    reeve_shutdown();
    std::printf(wrong == 0 ? "good\n" : "%d wrong\n", wrong);
    return wrong != 0;
}

namespace mathematics {
REEVE_REMOTE_DEFINE(size_t, twice, (size_t, x))
{
    return 2 * x;
}
}
