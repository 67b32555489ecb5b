/* Which version of the library this is. */
#include <reeve.h>

REEVE_API const char *reeve_version(void)
{
    return REEVE_VERSION;
}
