/* An HTTP server that answers by remote calls: whatever takes time, or may crash, is done by
 * workers, on as many machines as there are; the server itself is one thread that never waits.
 *
 *     clients ══ TCP ══ libuv loop ──── fn_remote ────> workers
 *                          ▲                               │
 *                          └── reeve_fd, reeve_next_ready ─┘
 *
 *     http_server [PORT [ADDRESS]]        default: 8080, 127.0.0.1; port 0: any
 *
 *     curl http://127.0.0.1:8080/fibonacci?n=90
 *
 * It ends on SIGINT and SIGTERM. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <reeve.h>

#include "connection.h"

#define TIME_LIMIT_MS 2000
#define TEXT_MAX      640

static const char usage_text[] =
    "GET  /fibonacci?n=N   a Fibonacci number, by a worker\n"
    "GET  /here?n=N        the same, by the server itself\n"
    "GET  /primes?n=N      how many primes there are below N; takes long\n"
    "POST /words           how many words the body has";

/* ---- on the workers -------------------------------------------------------------------------- */

enum { BAD_NUMBER = 1 };

REEVE_REMOTE(int64_t, fibonacci, (int64_t, n))
{
    int64_t a = 0, b = 1;
    if (n < 0 || n > 91)
        reeve_fail(BAD_NUMBER, "n is %" PRId64 ": expected 0 to 91", n);
    for (; n > 0 && n <= 91; n--) {
        int64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

REEVE_REMOTE(int64_t, primes, (int64_t, n))
{
    int64_t count = 0;
    for (int64_t i = 2; i < n && !reeve_cancelled(); i++) {
        bool prime = true;
        for (int64_t j = 2; j * j <= i && prime; j++)
            prime = i % j != 0;
        count += prime;
    }
    return count;
}

REEVE_REMOTE(int64_t, words, (reeve_bytes, text))
{
    const char *at = text.data;
    int64_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < text.size; i++) {
        bool space = strchr(" \t\r\n\v\f", at[i]) != NULL && at[i] != '\0';
        count += !space && !inside;
        inside = !space;
    }
    return count;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* A number is all that any of these functions gives. */
static void answer_later(struct request *request, reeve_future_int64_t call)
{
    request->call = (void *)(uintptr_t)call.id;
    if (reeve_watch(call, (uintptr_t)request) == REEVE_OK)
        return;
    reeve_release(call);
    request_answer(request, HTTP_STATUS_SERVICE_UNAVAILABLE, reeve_last_error()->message);
}

static int status_of(const reeve_error_info *error)
{
    switch (error->code) {
    case REEVE_EFUNCTION: return HTTP_STATUS_BAD_REQUEST;
    case REEVE_ETASKTIMEOUT: return HTTP_STATUS_GATEWAY_TIMEOUT;
    case REEVE_EAGAIN:
    case REEVE_EFULL: return HTTP_STATUS_SERVICE_UNAVAILABLE;
    default: return HTTP_STATUS_INTERNAL_SERVER_ERROR;
    }
}

static void answer_ready(uv_poll_t *watcher, int status, int events)
{
    uint64_t tag;
    (void)watcher, (void)status, (void)events;
    while (reeve_next_ready(&tag) == REEVE_OK) {
        struct request *request = (struct request *)(uintptr_t)tag;
        reeve_future_int64_t call = {(uintptr_t)request->call};
        char text[TEXT_MAX];
        int64_t number;
        int code = reeve_get(int64_t, call, &number);
        if (code == REEVE_OK)
            snprintf(text, sizeof text, "%" PRId64, number);
        else
            snprintf(text, sizeof text, "%s", reeve_last_error()->message);
        request_answer(request, code == REEVE_OK ? 200 : status_of(reeve_last_error()), text);
    }
}

/* The client has gone: what it has asked for is not worth a worker. */
static void give_up(struct request *request)
{
    reeve_future_int64_t call = {(uintptr_t)request->call};
    reeve_cancel(call, NULL);
}

/* ---- routes ---------------------------------------------------------------------------------- */

/* The n of "n=123", which is the whole query. */
static bool number_of(const char *query, int64_t *ret)
{
    char *end = NULL;
    if (strncmp(query, "n=", 2) == 0)
        *ret = strtoll(query + 2, &end, 10);
    return end != NULL && end != query + 2 && *end == '\0';
}

static void handle(struct request *request)
{
    static const struct {
        const char *path;
        enum http_method method;
        bool number;
    } routes[] = {{"/", HTTP_GET, false}, {"/fibonacci", HTTP_GET, true}, {"/here", HTTP_GET, true},
        {"/primes", HTTP_GET, true}, {"/words", HTTP_POST, false}};
    char *query = strchrnul(request->target, '?');
    if (*query)
        *query++ = '\0';
    size_t route = 0, count = sizeof routes / sizeof *routes;
    while (route < count && strcmp(request->target, routes[route].path) != 0)
        route++;
    int64_t n = 0;
    char text[TEXT_MAX];
    if (route == count)
        return request_answer(request, HTTP_STATUS_NOT_FOUND, usage_text);
    if (request->method != routes[route].method)
        return request_answer(request, HTTP_STATUS_METHOD_NOT_ALLOWED, usage_text);
    if (routes[route].number && !number_of(query, &n))
        return request_answer(request, HTTP_STATUS_BAD_REQUEST, "expected ?n= and a number");
    const reeve_task_options *options = REEVE_TASK_OPTIONS(.timeout_ms = TIME_LIMIT_MS);
    switch (route) {
    case 0: return request_answer(request, HTTP_STATUS_OK, usage_text);
    case 1: return answer_later(request, fibonacci_remote(n));
    case 2:
        snprintf(text, sizeof text, "%" PRId64, n >= 0 && n <= 91 ? fibonacci(n) : -1);
        return request_answer(request, HTTP_STATUS_OK, text);
    case 3: return answer_later(request, primes_remote_opts(options, n));
    default:
        return answer_later(
            request, words_remote((reeve_bytes){request->body, request->body_size}));
    }
}

/* ---- the program ----------------------------------------------------------------------------- */

static struct server server = {.on_request = handle, .on_gone = give_up};
static uv_poll_t ready;
static uv_signal_t signals[2];

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle, (void)number;
    server_close(&server);
    uv_close((uv_handle_t *)&ready, NULL);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
}

int main(int argc, char **argv)
{
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    const char *address = argc > 2 ? argv[2] : "127.0.0.1";
    int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8080, code;
    signal(SIGPIPE, SIG_IGN);
    server.loop = uv_default_loop();
    if ((code = server_listen(&server, address, &port)) != 0)
        return fprintf(stderr, "http_server: %s, port %d: %s\n", address, port, uv_strerror(code)),
               1;
    uv_poll_init(server.loop, &ready, reeve_fd());
    uv_poll_start(&ready, UV_READABLE, answer_ready);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(server.loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, i == 0 ? SIGINT : SIGTERM);
    }
    printf("listening on http://%s:%d/\n", address, port);
    fflush(stdout);
    uv_run(server.loop, UV_RUN_DEFAULT);
    reeve_shutdown();
    answer_ready(NULL, 0, 0); /* those whose clients have gone, and whose calls have ended now */
    uv_loop_close(server.loop);
    return 0;
}
