/* The least that a user's program needs of an installed Reeve: the header compiles, the library
 * links, and a cluster of its own starts from nothing but the folder it was installed to. */
#include <reeve.h>
#include <stdio.h>

REEVE_REMOTE(int, add, (int, a), (int, b))
{
    return a + b;
}

int main(int argc, char **argv)
{
    int sum;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    if (add_get(add_remote(19, 23), &sum) != REEVE_OK)
        return reeve_perror("add"), 1;
    reeve_shutdown();
    printf("%d\n", sum);
    return 0;
}
