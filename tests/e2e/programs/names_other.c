/* Looks for another program's actor, of a type that has the same name and other methods. */
#include "tests/e2e/programs/say.h"

REEVE_ACTOR(counter, (int64_t, value))
REEVE_CONSTRUCTOR(counter)
{
    return REEVE_OK;
}
REEVE_METHOD(void, counter, clear)
{
    self->value = 0;
}

int main(int argc, char **argv)
{
    counter_ref c;
    if (reeve_init(argc, argv, NULL) != REEVE_OK)
        return reeve_perror("reeve_init"), 1;
    int code = counter_by_name(argv[1], &c);
    printf("%s\n%s\n", reeve_error_name(code), reeve_last_error()->message);
    reeve_shutdown();
    return 0;
}
