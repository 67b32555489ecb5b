/* The table of remote functions. See registry.h. */
#include "api/client/registry.h"

#include "api/client/actor.h"
#include "api/client/error.h"
#include "api/client/invoke.h"
#include "runtime/base/buffer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS_MAX 16

/* Constructors run one after the other, before threads: no lock. */
static struct reeve_function *list;
static struct reeve_function **table;
static size_t table_count;
static char *table_text;
static uint64_t table_hash;

REEVE_API void reeve_typed_register(struct reeve_function *function)
{
    if (table || function->size != sizeof *function || function->parameter_count > PARAMETERS_MAX)
        /* loaded after the seal, or built against another library: calling it is
         * REEVE_ENOFUNCTION */
        return;
    function->invoke = reeve_invoke_typed;
    function->role = reeve_actor_role_of(function);
    function->next = list;
    list = function;
}

static bool name_is_good(const char *name)
{
    if (!name || !*name || strlen(name) >= sizeof((struct reeve_error_info *)0)->function)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("_.:-/<>", *name))
            return false;
    return true;
}

static int add(
    const char *name, reeve_handler *handler, void *context, const struct reeve_type *item)
{
    struct reeve_error_info *error = reeve_error_thread();
    if (table)
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_register(\"%s\"): call it before reeve_init, in driver and workers alike",
            name ? name : "");
    if (!handler || !name_is_good(name))
        return reeve_error_set(error, REEVE_EINVAL,
            "reeve_register: a handler, and a name of letters, digits and _.:-/<> are needed");
    for (struct reeve_function *other = list; other; other = other->next)
        if (strcmp(other->name, name) == 0)
            return reeve_error_set(
                error, REEVE_EINVAL, "reeve_register: the name \"%s\" is taken", name);
    struct reeve_function *function = calloc(1, sizeof *function);
    char *copy = strdup(name);
    if (!function || !copy) {
        free(function);
        free(copy);
        return reeve_error_set(error, REEVE_ENOMEM, "reeve_register: no memory");
    }
    *function = (struct reeve_function){.size = sizeof *function,
        .name = copy,
        .invoke = reeve_invoke_handler,
        .handler = handler,
        .context = context,
        .item = item,
        .next = list};
    list = function;
    return REEVE_OK;
}

REEVE_API int reeve_register(const char *name, reeve_handler *handler, void *context)
{
    return add(name, handler, context, NULL);
}

REEVE_API int reeve_register_stream(const char *name, reeve_handler *handler, void *context)
{
    return add(name, handler, context, &reeve_type_void); /* of any type, in fact */
}

/* ---- the seal -------------------------------------------------------------------------------- */

static int write_type(struct reeve_buffer *text, const struct reeve_type *type)
{
    if (type->kind == REEVE_KIND_LIST)
        return write_type(text, type->members->type) | reeve_buffer_append_string(text, "[]");
    int rc = reeve_buffer_append_string(text, type->name);
    if (type->kind != REEVE_KIND_STRUCT)
        return rc;
    rc |= reeve_buffer_append_string(text, "{");
    for (uint32_t i = 0; i < type->member_count; i++) {
        if (i)
            rc |= reeve_buffer_append_string(text, ", ");
        rc |= write_type(text, type->members[i].type);
        rc |= reeve_buffer_append_format(text, " %s", type->members[i].name);
    }
    return rc | reeve_buffer_append_string(text, "}");
}

/* One line, without the newline. */
static int write_signature(struct reeve_buffer *text, const struct reeve_function *function)
{
    int rc = reeve_buffer_append_string(text, function->name);
    if (function->handler)
        return rc | reeve_buffer_append_string(text,
                        function->item ? "(packed) -> stream of packed" : "(packed) -> packed");
    rc |= reeve_buffer_append_string(text, "(");
    for (size_t i = 0; i < function->parameter_count; i++) {
        if (i)
            rc |= reeve_buffer_append_string(text, ", ");
        rc |= write_type(text, function->parameters[i].type);
    }
    rc |= reeve_buffer_append_string(text, function->item ? ") -> stream of " : ") -> ");
    return rc | write_type(text, function->item ? function->item : function->result);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(
        (*(struct reeve_function *const *)a)->name, (*(struct reeve_function *const *)b)->name);
}

static int build(struct reeve_function **functions, size_t count, struct reeve_error_info *error)
{
    struct reeve_buffer text, line;
    reeve_buffer_init(&text);
    reeve_buffer_init(&line);
    int rc = REEVE_OK;
    for (size_t i = 0; i < count && !rc; i++) {
        if (i && strcmp(functions[i]->name, functions[i - 1]->name) == 0)
            rc = reeve_error_set(error, REEVE_EINVAL,
                "two remote functions of this program are called \"%s\"", functions[i]->name);
        reeve_buffer_clear(&line);
        if (!rc && (write_signature(&line, functions[i]) || reeve_buffer_append(&line, "", 1)))
            rc = reeve_error_set(error, REEVE_ENOMEM, "no memory for the table of functions");
        char *signature = rc ? NULL : strdup((const char *)line.data);
        if (!rc && (!signature || reeve_buffer_append_format(&text, "%s\n", signature)))
            rc = reeve_error_set(error, REEVE_ENOMEM, "no memory for the table of functions");
        free((char *)(uintptr_t)functions[i]->signature);
        functions[i]->signature = signature;
        functions[i]->index = i;
    }
    if (!rc && reeve_buffer_append(&text, "", 1))
        rc = reeve_error_set(error, REEVE_ENOMEM, "no memory for the table of functions");
    reeve_buffer_fini(&line);
    if (rc) {
        reeve_buffer_fini(&text);
        return rc;
    }
    size_t size;
    table_text = (char *)reeve_buffer_detach(&text, &size);
    return REEVE_OK;
}

int reeve_registry_seal(struct reeve_error_info *error)
{
    if (table)
        return REEVE_OK;
    size_t count = 0;
    for (struct reeve_function *function = list; function; function = function->next)
        count++;
    struct reeve_function **functions = calloc(count + 1, sizeof *functions);
    if (!functions)
        return reeve_error_set(error, REEVE_ENOMEM, "no memory for the table of functions");
    size_t i = 0;
    for (struct reeve_function *function = list; function; function = function->next)
        functions[i++] = function;
    qsort(functions, count, sizeof *functions, by_name);
    int rc = build(functions, count, error);
    if (rc) {
        free(functions);
        return rc;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *at = table_text; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    table_hash = hash;
    table_count = count;
    table = functions;
    return REEVE_OK;
}

size_t reeve_registry_count(void)
{
    return table_count;
}

const struct reeve_function *reeve_registry_at(size_t index)
{
    return index < table_count ? table[index] : NULL;
}

const struct reeve_function *reeve_registry_find(const char *name)
{
    size_t low = 0, high = table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, table[middle]->name);
        if (order == 0)
            return table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

uint64_t reeve_registry_hash(void)
{
    return table_hash;
}

const char *reeve_registry_text(void)
{
    return table_text ? table_text : "";
}

/* ---- how two tables differ ------------------------------------------------------------------- */

struct line {
    const char *text;
    size_t size;
    size_t name_size; /* up to the parenthesis */
};

static bool next_line(const char **at, struct line *line)
{
    if (!**at)
        return false;
    line->text = *at;
    line->size = strcspn(*at, "\n");
    line->name_size = strcspn(*at, "(\n");
    *at += line->size;
    if (**at)
        (*at)++;
    return true;
}

static bool find_name(const char *text, const struct line *wanted, struct line *found)
{
    while (next_line(&text, found))
        if (found->name_size == wanted->name_size &&
            memcmp(found->text, wanted->text, wanted->name_size) == 0)
            return true;
    return false;
}

static void say(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(char *buffer, size_t size, const char *format, ...)
{
    size_t at = strlen(buffer);
    if (at && at + 3 < size) {
        memcpy(buffer + at, "; ", 3);
        at += 2;
    }
    va_list values;
    va_start(values, format);
    vsnprintf(buffer + at, size - at, format, values);
    va_end(values);
}

bool reeve_registry_difference(const char *ours, const char *theirs, char *buffer, size_t size)
{
    buffer[0] = 0;
    struct line our, their;
    for (const char *at = ours; next_line(&at, &our);) {
        if (!find_name(theirs, &our, &their))
            say(buffer, size, "the worker lacks %.*s", (int)our.size, our.text);
        else if (our.size != their.size || memcmp(our.text, their.text, our.size) != 0)
            say(buffer, size, "the driver has %.*s, the worker %.*s", (int)our.size, our.text,
                (int)their.size, their.text);
    }
    for (const char *at = theirs; next_line(&at, &their);)
        if (!find_name(ours, &their, &our))
            say(buffer, size, "the driver lacks %.*s", (int)their.size, their.text);
    return buffer[0] != 0;
}
