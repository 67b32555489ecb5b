/* The least that a user's program needs of an installed Reeve: the header compiles, the library
 * links. */
#include <reeve.h>
#include <stdio.h>

int main(void)
{
    printf("%s: %s\n", reeve_error_name(REEVE_ETIMEDOUT), reeve_strerror(REEVE_ETIMEDOUT));
    return 0;
}
