/* The shared library of with_library.c. */
#include <stdint.h>

__attribute__((visibility("default"))) int64_t library_part(int64_t x);

int64_t library_part(int64_t x)
{
    return x + 1;
}
