/* Staging for the daemon: the shell around objectstore/stage.c, which decides. What a stage asks of
 * the store may be answered at once, and a stage may end while it is being added, or while another
 * is taken away: so its commands are taken in one place, never twice at a time. */
#include <inttypes.h>
#include <reeve_errors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/assert.h"
#include "runtime/node/shell_store_internal.h"

struct stage_wait {
    reeve_store_staged callback;
    void *arg;
};

static char refused_text[REEVE_STORE_TEXT_SIZE];

int reeve_stage_init(struct reeve_store_shell *shell)
{
    reeve_map64_init(&shell->stage_waits);
    shell->stages = reeve_stages_create(shell->store, shell->capacity_bytes);
    return shell->stages != NULL ? REEVE_OK : REEVE_ENOMEM;
}

void reeve_stage_fini(struct reeve_store_shell *shell)
{
    shell->stages = reeve_stages_free(shell->stages);
    reeve_map64_fini_values(&shell->stage_waits);
}

static void ended(struct reeve_store_shell *shell, const struct reeve_stage_command *command)
{
    if (command->code != REEVE_OK)
        shell->stage_failed = command->lost;
    if (command->stage == shell->stage_added) {
        shell->stage_ended = *command;
        return;
    }
    struct stage_wait *wait = reeve_map64_remove(&shell->stage_waits, command->stage);
    struct stage_wait told = *wait;
    free(wait);
    told.callback(told.arg, command->stage, command->code, command->text);
}

static void take_commands(struct reeve_store_shell *shell)
{
    struct reeve_stage_command command;
    if (shell->stage_running)
        return; /* whoever does goes on with them */
    shell->stage_running = true;
    while (reeve_stages_next(shell->stages, &command)) {
        if (command.kind == REEVE_STAGE_SAY)
            reeve_store_shell_event(shell, &command.event);
        else
            ended(shell, &command);
    }
    shell->stage_running = false;
}

void reeve_stage_got(struct reeve_store_shell *shell, const struct reeve_store_command *command)
{
    reeve_stages_got(shell->stages, command);
    take_commands(shell);
}

int reeve_store_shell_stage(struct reeve_store_shell *shell,
    const struct reeve_store_wanted *wanted, uint32_t count, reeve_store_staged callback, void *arg,
    uint64_t *ret_stage, const char **ret_text)
{
    *ret_text = refused_text;
    uint64_t missing = reeve_stages_missing(shell->stages, wanted, count), total;
    if (missing > 0)
        reeve_store_shell_look_at_memory(shell, missing);
    int code = reeve_stages_add(shell->stages, wanted, count, ret_stage, &total);
    if (code == REEVE_ETOOLARGE)
        snprintf(refused_text, sizeof(refused_text),
            "the arguments have %" PRIu64 " bytes together; the store of this node holds %" PRIu64,
            total, shell->capacity_bytes);
    else if (code != REEVE_OK)
        snprintf(refused_text, sizeof(refused_text), "no memory");
    if (code != REEVE_OK)
        return code;
    if (!shell->stage_running) { /* else it is being added by a callback */
        shell->stage_added = *ret_stage;
        shell->stage_ended.stage = 0;
        take_commands(shell);
        shell->stage_added = 0;
        if (shell->stage_ended.stage != 0) {
            memcpy(refused_text, shell->stage_ended.text, sizeof(refused_text));
            return shell->stage_ended.code;
        }
    }
    struct stage_wait *wait = malloc(sizeof(*wait));
    if (wait == NULL || reeve_map64_put(&shell->stage_waits, *ret_stage, wait, NULL) != REEVE_OK) {
        free(wait);
        reeve_store_shell_unstage(shell, *ret_stage);
        snprintf(refused_text, sizeof(refused_text), "no memory");
        return REEVE_ENOMEM;
    }
    *wait = (struct stage_wait){callback, arg};
    return REEVE_EAGAIN;
}

struct reeve_object_id reeve_store_shell_stage_failed(const struct reeve_store_shell *shell)
{
    return shell->stage_failed;
}

void reeve_store_shell_unstage(struct reeve_store_shell *shell, uint64_t number)
{
    reeve_stages_drop(shell->stages, number);
    free(reeve_map64_remove(&shell->stage_waits, number));
    take_commands(shell);
}
