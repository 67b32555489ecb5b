/* Connections: reading, parsing, queues of requests, writing. See connection.h. */
#include "connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_SIZE     16384
#define WAITING_MAX 256       /* requests of one connection that are not answered */
#define UNSENT_MAX  (1 << 18) /* bytes of answers that its client does not take */
#define BACKLOG     1024
#define HEAD_MAX    256

struct connection {
    uv_tcp_t tcp;
    struct server *server;
    struct connection *next, *before; /* of the server */
    struct connection *next_changed;  /* those with something to send */
    http_parser parser;
    struct request *coming;       /* being read */
    struct request *first, **end; /* read, and not answered or not their turn yet */
    size_t waiting;               /* so many of them */
    bool reading, changed;
    bool last;      /* no more requests will be read */
    bool ended;     /* its client sends no more */
    bool finishing; /* all has been answered, and it will be closed */
    char *out;      /* to be sent */
    size_t out_size, out_capacity;
    size_t in_begin, in_end; /* of `in`: not parsed yet */
    char in[IN_SIZE];
};

static void *need(void *memory)
{
    if (!memory) {
        fputs("http_server: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static struct request *request_new(void)
{
    return need(calloc(1, sizeof(struct request)));
}

static void request_free(struct request *request)
{
    free(request->body);
    free(request->answer);
    free(request);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    free(c->out);
    free(c);
}

static void connection_close(struct connection *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    for (struct request *request = c->first, *next; request; request = next) {
        next = request->next;
        request->connection = NULL;
        if (request->answer)
            request_free(request);
        else
            c->server->on_gone(request); /* request_answer frees it */
    }
    if (c->coming)
        request_free(c->coming);
    *(c->before ? &c->before->next : &c->server->connections) = c->next;
    if (c->next)
        c->next->before = c->before;
    for (struct connection **at = &c->server->changed; *at; at = &(*at)->next_changed)
        if (*at == c) {
            *at = c->next_changed;
            break;
        }
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void read_on(struct connection *c);

struct write {
    uv_write_t request;
    struct connection *connection;
    char bytes[];
};

static void on_written(uv_write_t *request, int status)
{
    struct write *write = request->data;
    struct connection *c = write->connection;
    free(write);
    if (status < 0 && status != UV_ECANCELED)
        connection_close(c);
    else if (!uv_is_closing((uv_handle_t *)&c->tcp))
        read_on(c);
}

/* Most answers go out at once; what the socket has no room for is sent when it has. */
static int send_all(struct connection *c, const char *bytes, size_t size)
{
    uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        return sent;
    size_t rest = size - (sent > 0 ? (size_t)sent : 0);
    if (rest == 0)
        return 0;
    struct write *write = need(malloc(sizeof *write + rest));
    memcpy(write->bytes, bytes + (size - rest), rest);
    write->connection = c;
    write->request.data = write;
    buffer = uv_buf_init(write->bytes, (unsigned)rest);
    return uv_write(&write->request, (uv_stream_t *)&c->tcp, &buffer, 1, on_written);
}

static void on_shut(uv_shutdown_t *request, int status)
{
    struct connection *c = request->data;
    free(request);
    if (!uv_is_closing((uv_handle_t *)&c->tcp) && (c->ended || status < 0))
        connection_close(c);
}

/* Closes when all has been sent, and then the client has seen it. To close before would cut off an
 * answer for whoever is still sending. */
static void finish(struct connection *c)
{
    if (c->finishing)
        return;
    c->finishing = true;
    uv_shutdown_t *request = need(malloc(sizeof *request));
    request->data = c;
    if (uv_shutdown(request, (uv_stream_t *)&c->tcp, on_shut) != 0) {
        free(request);
        connection_close(c);
    } else {
        read_on(c);
    }
}

/* Sends the answers that have come, up to the first that has not. */
static void flush(struct connection *c)
{
    c->changed = false;
    c->out_size = 0;
    bool keep_alive = true;
    while (c->first && c->first->answer && keep_alive) {
        struct request *request = c->first;
        if (c->out_size + request->answer_size > c->out_capacity) {
            c->out_capacity = 2 * (c->out_size + request->answer_size);
            c->out = need(realloc(c->out, c->out_capacity));
        }
        memcpy(c->out + c->out_size, request->answer, request->answer_size);
        c->out_size += request->answer_size;
        keep_alive = request->keep_alive;
        c->first = request->next;
        c->end = c->first ? c->end : &c->first;
        c->waiting--;
        request_free(request);
    }
    if (c->out_size > 0 && send_all(c, c->out, c->out_size) != 0)
        connection_close(c);
    else if (!keep_alive || (c->last && !c->first))
        finish(c);
    else
        read_on(c);
}

/* Before the loop sleeps: all answers that one turn of it has brought, one write a connection. */
static void flush_changed(uv_prepare_t *flusher)
{
    struct server *server = flusher->data;
    while (server->changed) {
        struct connection *c = server->changed;
        server->changed = c->next_changed;
        flush(c);
    }
}

static void mark_changed(struct connection *c)
{
    if (c->changed)
        return;
    c->changed = true;
    c->next_changed = c->server->changed;
    c->server->changed = c;
}

void request_answer(struct request *request, int status, const char *text)
{
    struct connection *c = request->connection;
    size_t size = strlen(text) + 1;
    if (!c) {
        request_free(request);
        return;
    }
    request->answer = need(malloc(HEAD_MAX + size));
    int head = snprintf(request->answer, HEAD_MAX,
        "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "
        "%zu\r\n%s\r\n",
        status, http_status_str((enum http_status)status), size,
        request->keep_alive ? "" : "Connection: close\r\n");
    memcpy(request->answer + head, text, size - 1);
    request->answer[(size_t)head + size - 1] = '\n';
    request->answer_size = (size_t)head + size;
    mark_changed(c);
}

/* ---- parsing --------------------------------------------------------------------------------- */

static int on_begin(http_parser *parser)
{
    struct connection *c = parser->data;
    c->coming = request_new();
    return 0;
}

static int on_target(http_parser *parser, const char *at, size_t size)
{
    struct request *request = ((struct connection *)parser->data)->coming;
    if (request->target_size + size > TARGET_SIZE_MAX) {
        request->refused = HTTP_STATUS_URI_TOO_LONG;
        return 0;
    }
    memcpy(request->target + request->target_size, at, size);
    request->target_size += size;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t size)
{
    struct request *request = ((struct connection *)parser->data)->coming;
    if (request->body_size + size > BODY_SIZE_MAX) {
        request->refused = HTTP_STATUS_PAYLOAD_TOO_LARGE;
        return -1; /* the rest is not worth reading */
    }
    request->body = need(realloc(request->body, request->body_size + size));
    memcpy(request->body + request->body_size, at, size);
    request->body_size += size;
    return 0;
}

/* It is whole, or as whole as it will be. */
static void queue(struct connection *c, bool keep_alive)
{
    struct request *request = c->coming;
    c->coming = NULL;
    request->method = (enum http_method)c->parser.method;
    request->connection = c;
    request->keep_alive = keep_alive;
    *c->end = request;
    c->end = &request->next;
    c->last = !keep_alive;
    c->waiting++;
    if (request->refused)
        request_answer(
            request, request->refused, http_status_str((enum http_status)request->refused));
    else
        c->server->on_request(request);
}

static int on_whole(http_parser *parser)
{
    struct connection *c = parser->data;
    queue(c, http_should_keep_alive(parser) != 0);
    if (c->last || c->waiting >= WAITING_MAX)
        http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {.on_message_begin = on_begin,
    .on_url = on_target,
    .on_body = on_body,
    .on_message_complete = on_whole};

/* What cannot be understood is answered in its turn, and is the last that is read. */
static void refuse(struct connection *c, enum http_errno error)
{
    if (!c->coming)
        c->coming = request_new();
    if (!c->coming->refused)
        c->coming->refused = error == HPE_HEADER_OVERFLOW
                                 ? HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE
                                 : HTTP_STATUS_BAD_REQUEST;
    queue(c, false);
}

static void parse(struct connection *c)
{
    while (c->in_begin < c->in_end && !c->last && c->waiting < WAITING_MAX) {
        if (HTTP_PARSER_ERRNO(&c->parser) == HPE_PAUSED)
            http_parser_pause(&c->parser, 0);
        c->in_begin += http_parser_execute(
            &c->parser, &settings, c->in + c->in_begin, c->in_end - c->in_begin);
        enum http_errno error = HTTP_PARSER_ERRNO(&c->parser);
        if (error != HPE_OK && error != HPE_PAUSED)
            refuse(c, error);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *c = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(c->in, IN_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    (void)buffer;
    c->in_begin = 0;
    c->in_end = size > 0 && !c->last ? (size_t)size : 0; /* nothing after the last request counts */
    c->ended = size < 0;
    c->last = c->last || c->ended;
    if (size < 0 && (size != UV_EOF || c->finishing))
        return connection_close(c);
    if (c->ended)
        mark_changed(c); /* what it has asked for it still gets */
    read_on(c);
}

/* Parses what has been read, and reads on if there is room for more. */
static void read_on(struct connection *c)
{
    parse(c);
    bool wanted = c->finishing
                      ? !c->ended
                      : !c->last && c->in_begin == c->in_end && c->waiting < WAITING_MAX &&
                            uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) < UNSENT_MAX;
    if (wanted == c->reading)
        return;
    c->reading = wanted;
    if (!wanted)
        uv_read_stop((uv_stream_t *)&c->tcp);
    else if (uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0)
        connection_close(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = listener->data;
    if (status < 0)
        return; /* no descriptors left: those that are open go on */
    struct connection *c = need(calloc(1, sizeof *c));
    c->server = server;
    c->end = &c->first;
    c->tcp.data = c;
    c->parser.data = c;
    http_parser_init(&c->parser, HTTP_REQUEST);
    uv_tcp_init(server->loop, &c->tcp);
    c->next = server->connections;
    if (c->next)
        c->next->before = c;
    server->connections = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0)
        return connection_close(c);
    uv_tcp_nodelay(&c->tcp, 1);
    read_on(c);
}

int server_listen(struct server *server, const char *address, int *port)
{
    struct sockaddr_in in;
    int size = sizeof in, code = uv_ip4_addr(address, *port, &in);
    if (code == 0)
        code = uv_tcp_init(server->loop, &server->listener);
    if (code != 0)
        return code;
    server->listener.data = server;
    code = uv_tcp_bind(&server->listener, (struct sockaddr *)&in, 0);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    if (code == 0)
        code = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&in, &size);
    if (code != 0)
        return code;
    *port = ntohs(in.sin_port);
    uv_prepare_init(server->loop, &server->flusher);
    server->flusher.data = server;
    return uv_prepare_start(&server->flusher, flush_changed);
}

void server_close(struct server *server)
{
    while (server->connections)
        connection_close(server->connections);
    uv_close((uv_handle_t *)&server->listener, NULL);
    uv_close((uv_handle_t *)&server->flusher, NULL);
}
