/* Which machine an executable is for. */
#include <fcntl.h>
#include <unistd.h>

#include "runtime/base/elf.h"
#include "tests/unit/test.h"

static void test_headers(void **state)
{
    (void)state;
    char text[32];
    uint8_t header[REEVE_ELF_HEADER_SIZE] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    header[18] = 183;
    assert_string_equal(reeve_elf_architecture(header, sizeof(header), text), "aarch64");
    header[18] = 250;
    header[19] = 1;
    assert_string_equal(reeve_elf_architecture(header, sizeof(header), text), "ELF machine 506");
    header[5] = 2; /* big end first */
    header[18] = 0;
    header[19] = 22;
    assert_string_equal(reeve_elf_architecture(header, sizeof(header), text), "s390");
    assert_null(reeve_elf_architecture(header, sizeof(header) - 1, text));
    header[1] = 'e';
    assert_null(reeve_elf_architecture(header, sizeof(header), text));
}

static void test_file(void **state)
{
    (void)state;
    char text[32];
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_non_null(reeve_elf_architecture_of(fd, text));
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_null(reeve_elf_architecture_of(fd, text));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers), cmocka_unit_test(test_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
