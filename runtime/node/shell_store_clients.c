/* The store's shell: what clients say.
 *
 * A client publishes an entry that names an object when it has *sent* the object's SEAL; nobody
 * waits for the answer. So whoever learns of the object from the entry may ask, over its own
 * socket, before we have read the SEAL. But it lies in ours by then: sent is received, on a unix
 * socket. Hence: before we act on a word about an object that is not here and should be, we read
 * all that clients have sent. What is not known then was never sealed (tests/model/seal.pml, 2).
 *
 * What comes in meanwhile may be such a word, too. All words but those that make objects known wait
 * until everything before them has been read. */
#include "runtime/base/assert.h"
#include "runtime/node/shell_store_internal.h"

static bool is_about_object(const struct reeve_local_message *message)
{
    return message->kind == REEVE_LOCAL_GET || message->kind == REEVE_LOCAL_UNPIN ||
           message->kind == REEVE_LOCAL_FREE || message->kind == REEVE_LOCAL_GIVE ||
           message->kind == REEVE_LOCAL_HOLD;
}

/* What is said to be on another node is asked for there. */
static bool should_be_known(
    const struct reeve_store_shell *shell, const struct reeve_local_message *message)
{
    return (message->node == 0 || message->node == shell->node) &&
           !reeve_store_knows(shell->store, message->object);
}

static void client_say(
    struct reeve_store_shell *shell, uint32_t client, const struct reeve_local_message *message)
{
    struct reeve_store_event event = {.client = client,
        .request = message->request,
        .node = message->node,
        .segment = message->segment,
        .id = message->object,
        .process = message->process,
        .offset = message->offset,
        .size = message->size};
    uint32_t given = message->flags & REEVE_LOCAL_OBJECT_GIVEN ? REEVE_STORE_GIVEN : 0;
    uint32_t anchor = message->flags & REEVE_LOCAL_OBJECT_ANCHOR ? REEVE_STORE_ANCHOR : 0;
    switch (message->kind) {
    case REEVE_LOCAL_CREATE:
        event.kind = REEVE_STORE_CREATE;
        event.skew = message->count;
        event.flags = message->flags & REEVE_LOCAL_OBJECT_AHEAD ? REEVE_STORE_AHEAD : 0;
        reeve_store_shell_look_at_memory(shell, message->size);
        break;
    case REEVE_LOCAL_SEAL:
        event.kind = REEVE_STORE_SEAL;
        event.flags = anchor |
                      (message->flags & REEVE_LOCAL_OBJECT_REST ? REEVE_STORE_KEEP_REST : 0) |
                      (message->flags & REEVE_LOCAL_OBJECT_SILENT ? REEVE_STORE_SILENT : 0);
        break;
    case REEVE_LOCAL_ABORT: event.kind = REEVE_STORE_ABORT; break;
    case REEVE_LOCAL_GET:
        event.kind = REEVE_STORE_GET;
        reeve_store_shell_look_at_memory(shell, message->size);
        event.flags = given | (message->flags & REEVE_LOCAL_OBJECT_HELD ? REEVE_STORE_HELD : 0);
        break;
    case REEVE_LOCAL_UNPIN:
        event.kind = REEVE_STORE_UNPIN;
        event.flags = anchor;
        break;
    case REEVE_LOCAL_FREE:
        event.kind = REEVE_STORE_FREE;
        event.flags = given | (message->flags & REEVE_LOCAL_OBJECT_HELD ? REEVE_STORE_HELD : 0) |
                      (message->flags & REEVE_LOCAL_OBJECT_STRAY ? REEVE_STORE_STRAY : 0);
        event.number = message->task;
        break;
    case REEVE_LOCAL_HOLD:
        event.kind = REEVE_STORE_HOLD;
        event.number = message->task;
        event.heir = message->process;
        event.call = message->token;
        event.attempt = message->count;
        break;
    default:
        event.kind = REEVE_STORE_GIVE;
        event.flags = given | anchor;
        event.call = message->token;
        event.attempt = message->count;
        break;
    }
    reeve_store_shell_event(shell, &event);
}

static void late_add(
    struct reeve_store_shell *shell, uint32_t client, const struct reeve_local_message *message)
{
    struct late_message *late = reeve_fifo_push(&shell->late);
    REEVE_ASSERT(late != NULL);
    late->client = client;
    late->message = *message;
}

static void late_serve(struct reeve_store_shell *shell)
{
    while (shell->late.count != 0) {
        size_t count = shell->late.count; /* those that come while we read are for the next round */
        shell->hearing = true;
        shell->callbacks.hear(shell->arg);
        shell->hearing = false;
        for (struct late_message late; count > 0; count--) {
            reeve_fifo_pop(&shell->late, &late);
            client_say(shell, late.client, &late.message);
        }
    }
}

void reeve_store_shell_hear_first(struct reeve_store_shell *shell, struct reeve_object_id id)
{
    if (shell->callbacks.hear == NULL || shell->hearing || reeve_store_knows(shell->store, id))
        return;
    shell->hearing = true;
    shell->callbacks.hear(shell->arg);
    shell->hearing = false;
    late_serve(shell);
}

bool reeve_store_shell_client_message(
    struct reeve_store_shell *shell, uint32_t client, const struct reeve_local_message *message)
{
    bool about_object = is_about_object(message);
    if (!about_object && message->kind != REEVE_LOCAL_CREATE && message->kind != REEVE_LOCAL_SEAL &&
        message->kind != REEVE_LOCAL_ABORT)
        return false;
    if (about_object && shell->hearing) {
        late_add(shell, client, message);
    } else if (about_object && shell->callbacks.hear != NULL && should_be_known(shell, message)) {
        late_add(shell, client, message);
        late_serve(shell);
    } else {
        client_say(shell, client, message);
    }
    return true;
}
