/* Links over real sockets on loopback, for their tests: two or three in one process, on one loop,
 * in plain or by TLS. A guard fails each wait after ten seconds. */
#ifndef REEVE_TESTS_UNIT_WIRE_LINK_ENDS_H
#define REEVE_TESTS_UNIT_WIRE_LINK_ENDS_H

#include <uv.h>

#include "runtime/wire/link.h"
#include "tests/unit/test.h"

#define ENDS_GUARD_MS 10000

struct end {
    struct reeve_link *link;
    uint64_t uid;
    unsigned ups, downs, dials_failed, rejections, drains;
    reeve_peer peer; /* the latest that came up */
    struct reeve_peer_info info;
    int code; /* of the latest failure */
    char text[REEVE_TEXT_SIZE + 64];
    uint64_t messages, bytes, next_count;
    bool in_order;
    bool close_on_message, close_link_on_message;
    bool closed;
};

extern uv_loop_t ends_loop;
extern const uint8_t ends_key[REEVE_KEY_SIZE], ends_other_key[REEVE_KEY_SIZE];
extern const char *ends_any_port; /* the tests are run for each kind of address */

int end_try_open(struct end *end, uint64_t uid, const char *listen, const char *advertise,
    const uint8_t *with_key, uint32_t timeout_ms, char *text);
void end_open(struct end *end, uint64_t uid);
unsigned end_port(const struct end *end);
void end_close(struct end *end);
void ends_connect(struct end *from, struct end *to);
/* A message with that number, to the peer that came up last. */
int end_send(struct end *end, uint64_t count);

int ends_setup(void **state);
int ends_setup_tls(void **state);
int ends_teardown(void **state);

void ends_on_guard(uv_timer_t *timer);

/* Runs the ends_loop until the condition holds. */
#define RUN_UNTIL(condition)                                     \
    do {                                                         \
        bool late = false;                                       \
        uv_timer_t guard;                                        \
        uv_timer_init(&ends_loop, &guard);                       \
        guard.data = &late;                                      \
        uv_timer_start(&guard, ends_on_guard, ENDS_GUARD_MS, 0); \
        while (!(condition) && !late)                            \
            uv_run(&ends_loop, UV_RUN_ONCE);                     \
        uv_close((uv_handle_t *)&guard, NULL);                   \
        while (uv_is_active((uv_handle_t *)&guard))              \
            uv_run(&ends_loop, UV_RUN_NOWAIT);                   \
        uv_run(&ends_loop, UV_RUN_NOWAIT);                       \
        if (late)                                                \
            fail_msg("this did not come true: " #condition);     \
    } while (0)

#endif
