/* Functions that yield, of the test programs of streams. */
#ifndef REEVE_TESTS_E2E_YIELDS_H
#define REEVE_TESTS_E2E_YIELDS_H

#include <signal.h>

#include "tests/e2e/programs/say.h"

#define WINDOW 512

REEVE_STREAM(int64_t, count_to, (int64_t, n))
{
    for (int64_t i = 0; i < n; i++)
        if (count_to_yield(i) != REEVE_OK)
            return;
}

/* Says where it has to wait for its reader, by the last report that there is, and why it ends. */
REEVE_STREAM(int64_t, endless, (reeve_string, mail))
{
    int64_t i = 0;
    int rc;
    while ((rc = endless_yield(i)) == REEVE_OK) {
        i++;
        if (i >= WINDOW && i < WINDOW + 3)
            report(mail, "yielded %" PRId64, i);
    }
    report(mail, "stopped %s %d", reeve_error_name(rc), reeve_cancelled());
}

/* `then`: 1: fails, 2: dies. */
REEVE_STREAM(reeve_string, words, (int64_t, n), (int64_t, then))
{
    char word[32];
    for (int64_t i = 0; i < n; i++) {
        snprintf(word, sizeof(word), "word %" PRId64, i);
        if (words_yield(word) != REEVE_OK)
            return;
    }
    if (then == 1)
        reeve_fail(77, "after %" PRId64 " words", n);
    if (then == 2)
        (void)raise(SIGKILL);
}

/* Dies once: in the process that can make the file. */
__attribute__((unused)) static void die_once(const char *once)
{
    int fd = open(once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)raise(SIGKILL);
}

REEVE_STREAM(int64_t, dies_at, (int64_t, n), (int64_t, at), (reeve_string, once))
{
    for (int64_t i = 0; i < n; i++) {
        if (i == at)
            die_once(once);
        if (dies_at_yield(i) != REEVE_OK)
            return;
    }
}

/* Of that size each, all bytes the item's number. */
REEVE_STREAM(reeve_bytes, blocks, (int64_t, n), (int64_t, size))
{
    uint8_t *bytes = malloc((size_t)size + 1);
    for (int64_t i = 0; i < n && bytes; i++) {
        memset(bytes, (int)i, (size_t)size);
        if (blocks_yield((reeve_bytes){bytes, (size_t)size}) != REEVE_OK)
            break;
    }
    free(bytes);
}

#endif
