/* For tests of what runs in inline mode: how a test, or a group of them, begins and ends. */
#ifndef REEVE_TESTS_UNIT_API_INLINE_MODE_H
#define REEVE_TESTS_UNIT_API_INLINE_MODE_H

#include <reeve.h>

static inline int inline_mode_begin(void **state)
{
    (void)state;
    return reeve_init(0, NULL, REEVE_OPTIONS(.mode = REEVE_MODE_INLINE));
}

static inline int inline_mode_end(void **state)
{
    (void)state;
    reeve_shutdown();
    return 0;
}

#endif
