/* HTTP/1.1 over libuv: requests in, answers out, many a connection. Nothing here knows of tasks.
 *
 *     client ──> bytes ──> parser ──> request 1 ─┐
 *                                     request 2 ─┼──> the program's handler, at once
 *                                     request 3 ─┘
 *     client <── answer 1, 2, 3 <── request_answer, in any order, at any time
 *
 * Clients may send requests without waiting for answers (pipelining), and get the answers in order.
 * A connection stays until its client or HTTP says otherwise. One that asks for more than it reads
 * is not read from until it has caught up. */
#ifndef HTTP_SERVER_CONNECTION_H
#define HTTP_SERVER_CONNECTION_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define TARGET_SIZE_MAX 511
#define BODY_SIZE_MAX   ((size_t)1 << 20)

struct connection;

struct request {
    enum http_method method;
    char target[TARGET_SIZE_MAX + 1]; /* "/path?query" */
    char *body;                       /* not ended by a zero */
    size_t body_size;
    void *call; /* the program's */
    /* From here on connection.c's. */
    struct connection *connection; /* NULL: its client has gone */
    struct request *next;          /* of the same connection, later */
    int refused;                   /* a status known before it was whole; 0: none */
    size_t target_size;
    bool keep_alive;
    char *answer; /* NULL: not answered yet */
    size_t answer_size;
};

struct server {
    uv_loop_t *loop;
    void (*on_request)(struct request *request); /* answers it now or later, once */
    void (*on_gone)(struct request *request);    /* nobody reads the answer any more; it is still
                                                    to be given */
    /* From here on connection.c's. */
    uv_tcp_t listener;
    uv_prepare_t flusher;
    struct connection *connections, *changed;
};

/* Listens on an address as "127.0.0.1"; port 0: any. Gives the port. Returns 0 or a libuv code. */
int server_listen(struct server *server, const char *address, int *port);

/* Closes everything; the loop then has nothing of it left to wait for. */
void server_close(struct server *server);

/* The request ends with this. `text` is copied, and sent with a newline. */
void request_answer(struct request *request, int status, const char *text);

#endif
