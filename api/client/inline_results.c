/* Several results in inline mode: the futures in the one value of a call that has been run, each of
 * which becomes one of its results. */
#include "api/client/error.h"
#include "api/client/inline_internal.h"

#include <stdio.h>
#include <stdlib.h>

static void mismatch(
    struct reeve_error_info *error, const struct reeve_submit *submit, size_t given)
{
    reeve_error_set(error, REEVE_ETYPE,
        "%u results were asked for, and the function has given %zu futures in place of them",
        submit->result_count, given);
    reeve_error_function(error, submit->function->name);
    error->attempt = 1;
    snprintf(error->node, sizeof(error->node), "inline");
}

int inline_results_publish(struct value *value, const struct reeve_submit *submit, uint64_t *ret,
    struct reeve_error_info *error)
{
    size_t count = submit->result_count, given = 0;
    uint64_t *ids = NULL;
    int rc = REEVE_OK;
    if (!value->error && value->nested_count != count) {
        value->error = calloc(1, sizeof *value->error);
        if (!value->error)
            rc = inline_no_memory(error);
        else
            mismatch(value->error, submit, value->nested_count);
    }
    if (!rc && !value->error) {
        rc = inline_ids_give(value->nested, count, &ids, error);
        for (; !rc && given < count; given++)
            ret[given] = ids[given];
        free(ids);
    }
    for (; !rc && given < count; given += !rc) {
        pthread_mutex_lock(&inline_self.lock);
        value->references++;
        pthread_mutex_unlock(&inline_self.lock);
        rc = inline_publish(value, &ret[given], error);
    }
    if (rc)
        inline_ids_withdraw(ret, given);
    pthread_mutex_lock(&inline_self.lock);
    inline_value_drop_locked(value);
    pthread_mutex_unlock(&inline_self.lock);
    return rc;
}
