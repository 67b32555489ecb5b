/* What the program holds, and where it was made: see reeve_leaks.h. Internal to api/client. */
#ifndef REEVE_CLIENT_LEAKS_H
#define REEVE_CLIENT_LEAKS_H

#include "api/client/backend.h"

/* Puts itself before `inner`: what goes through `*ret` is noted from then on. `prints`: and what is
 * left is printed when it is shut down. REEVE_ENOMEM. */
int reeve_leaks_watch(struct reeve_backend *inner, bool prints, struct reeve_backend **ret,
    struct reeve_error_info *error);

/* ---- places: leaks_place.c ------------------------------------------------------------------- */

/* The frames of the program that have led into the library, the innermost first: of a call by the
 * macros up to two functions that these have made, and then the one that the program has. */
#define REEVE_PLACE_FRAMES 3
struct reeve_place {
    void *frames[REEVE_PLACE_FRAMES]; /* return addresses; NULL: no more */
};

/* Once, before the first `here`. */
void reeve_place_init(void);
/* Where the program has called. */
struct reeve_place reeve_place_here(void);
/* In an order that holds as long as the process. */
int reeve_place_compare(const struct reeve_place *a, const struct reeve_place *b);
/* "FILE:LINE", "PROGRAM+0xOFFSET" or "". `function`: what was called, or "": functions that the
 * macros have made for it are not the place. */
void reeve_place_name(
    const struct reeve_place *place, const char *function, char *text, size_t size);
/* Picks the line from what addr2line says of the frames; false: there is none in it. */
bool reeve_place_pick(const char *said, const char *function, char *text, size_t size);

#endif
