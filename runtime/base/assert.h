/*
 * REEVE_ASSERT: a condition that only a bug of ours can break (a bad caller, a broken invariant),
 * never anything a peer, a user or the system does. Always on, also in release builds.
 */
#ifndef REEVE_BASE_ASSERT_H
#define REEVE_BASE_ASSERT_H

_Noreturn __attribute__((cold)) void reeve_assert_failed(
    const char *condition, const char *file, int line, const char *function);

#define REEVE_ASSERT(condition)         \
    (__builtin_expect(!!(condition), 1) \
            ? (void)0                   \
            : reeve_assert_failed(#condition, __FILE__, __LINE__, __func__))

#endif
