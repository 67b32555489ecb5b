/* progress.c: writing and reading the records of progress.h. */
#include "runtime/channel/progress.h"

#include <stddef.h>

#define TRIES \
    64 /* a writer is in the midst of it for some nanoseconds, or has been stopped there */

static bool is_of(const struct reeve_progress *record, const struct reeve_progress_key *key)
{
    return atomic_load_explicit(&record->task, memory_order_relaxed) == key->task &&
           atomic_load_explicit(&record->owner, memory_order_relaxed) == key->owner &&
           atomic_load_explicit(&record->attempt, memory_order_relaxed) == key->attempt;
}

void reeve_progress_write(struct reeve_progress_table *table, uint32_t *last,
    const struct reeve_progress_key *key, uint64_t done, uint64_t total)
{
    struct reeve_progress *record = NULL;
    for (uint32_t i = 0; i < REEVE_PROGRESS_RECORDS && record == NULL; i++)
        if (is_of(&table->records[i], key))
            record = &table->records[i];
    if (record == NULL) { /* in turn: those of tasks further out are begun before */
        *last = (*last + 1) % REEVE_PROGRESS_RECORDS;
        record = &table->records[*last];
    }
    uint32_t sequence = atomic_load_explicit(&record->sequence, memory_order_relaxed);
    /* The fence keeps the stores below behind this one; the release at the end keeps them before
     * that. */
    atomic_store_explicit(&record->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&record->attempt, key->attempt, memory_order_relaxed);
    atomic_store_explicit(&record->owner, key->owner, memory_order_relaxed);
    atomic_store_explicit(&record->task, key->task, memory_order_relaxed);
    atomic_store_explicit(&record->done, done, memory_order_relaxed);
    atomic_store_explicit(&record->total, total, memory_order_relaxed);
    atomic_store_explicit(&record->sequence, sequence + 2, memory_order_release);
}

static bool record_read(const struct reeve_progress *record, const struct reeve_progress_key *key,
    uint64_t *ret_done, uint64_t *ret_total)
{
    for (int i = 0; i < TRIES; i++) {
        uint32_t before = atomic_load_explicit(&record->sequence, memory_order_acquire);
        bool found = is_of(record, key);
        *ret_done = atomic_load_explicit(&record->done, memory_order_relaxed);
        *ret_total = atomic_load_explicit(&record->total, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire); /* the loads above come before the next one */
        if (before % 2 == 0 &&
            atomic_load_explicit(&record->sequence, memory_order_relaxed) == before)
            return found && before != 0;
    }
    return false;
}

bool reeve_progress_read(const struct reeve_progress_table *table,
    const struct reeve_progress_key *key, uint64_t *ret_done, uint64_t *ret_total)
{
    for (uint32_t i = 0; i < REEVE_PROGRESS_RECORDS; i++)
        if (record_read(&table->records[i], key, ret_done, ret_total))
            return true;
    *ret_done = *ret_total = 0;
    return false;
}
