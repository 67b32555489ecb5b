/* Large pages: mappings whose blocks can be some, and that nothing changes but how memory is
 * mapped. Whether the kernel grants any is the machine's affair: what is checked holds either way,
 * and where it does, that there are some. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runtime/base/pages.h"

#define BLOCK REEVE_PAGES_BLOCK

static int file_make(uint64_t size)
{
    int fd = memfd_create("pages", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static uint64_t bytes_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

/* The kernel can (6.1 and later), and may. */
static bool is_able(void)
{
    struct utsname name;
    int major = 0, minor = 0;
    char text[128] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
    if (file == NULL)
        return false;
    (void)!fgets(text, sizeof(text), file);
    fclose(file);
    assert_int_equal(uname(&name), 0);
    assert_int_equal(sscanf(name.release, "%d.%d", &major, &minor), 2);
    return (major > 6 || (major == 6 && minor >= 1)) && strstr(text, "[deny]") == NULL &&
           sysconf(_SC_PAGESIZE) == 4096;
}

static int mappings_count(void)
{
    int count = 0, c;
    FILE *file = fopen("/proc/self/maps", "re");
    assert_non_null(file);
    while ((c = fgetc(file)) != EOF)
        count += c == '\n';
    fclose(file);
    return count;
}

static void test_maps(void **state)
{
    (void)state;
    const struct {
        uint64_t offset, size;
    } cases[] = {{0, 3 * BLOCK}, {65536, BLOCK}, {BLOCK - 4096, BLOCK + 4096}, {8192, 4096},
        {BLOCK, 2 * BLOCK}, {0, BLOCK - 65536}};
    enum { COUNT = sizeof(cases) / sizeof(*cases) };
    int fd = file_make(4 * BLOCK), before = 0;
    for (size_t n = 0; n < 3 * COUNT; n++) {
        size_t i = n % COUNT;
        if (n == 2 * COUNT) /* by now a sanitizer has mapped what it needs for these addresses */
            before = mappings_count();
        uint8_t *memory =
            reeve_pages_map(fd, cases[i].offset, cases[i].size, PROT_READ | PROT_WRITE);
        assert_non_null(memory);
        if (cases[i].size >= BLOCK)
            assert_int_equal(((uintptr_t)memory - cases[i].offset) % BLOCK, 0);
        memory[0] = (uint8_t)(i + 1);
        memory[cases[i].size - 1] = (uint8_t)(i + 2);
        uint8_t first = 0, last = 0;
        assert_int_equal(pread(fd, &first, 1, (off_t)cases[i].offset), 1);
        assert_int_equal(pread(fd, &last, 1, (off_t)(cases[i].offset + cases[i].size - 1)), 1);
        assert_int_equal(first, i + 1);
        assert_int_equal(last, i + 2);
        assert_int_equal(munmap(memory, cases[i].size), 0);
    }
    assert_int_equal(mappings_count(), before); /* nothing is left beside them */
    close(fd);
    assert_null(reeve_pages_map(-1, 0, BLOCK, PROT_READ));
}

static void test_makes(void **state)
{
    (void)state;
    int fd = file_make(6 * BLOCK);
    uint8_t *memory = reeve_pages_map(fd, 0, 6 * BLOCK, PROT_READ | PROT_WRITE);
    assert_non_null(memory);
    memory[0] = memory[4096] = 6; /* the beginning of this block exists, */
    memory[2 * BLOCK + 4096] = 7; /* and a page in the midst of this one */
    memory[4 * BLOCK] = 8;        /* more of it may be ours or not */
    uint64_t before = bytes_of(fd);
    reeve_pages_make(memory + 8192, 4 * BLOCK); /* blocks 0, 1 and 3; 4 is not whole */
    uint64_t made = bytes_of(fd) - before;
    if (is_able())
        assert_int_equal(made, 3 * BLOCK - 8192);
    assert_true(made <= 3 * BLOCK - 8192);
    for (uint64_t i = 0; i < 6 * BLOCK; i += 4096) {
        uint8_t bytes[4096], expected = 0; /* read without a mapping, which would make the page */
        assert_int_equal(pread(fd, bytes, 4096, (off_t)i), 4096);
        if (i <= 4096)
            expected = 6;
        else if (i == 2 * BLOCK + 4096 || i == 4 * BLOCK)
            expected = i == 4 * BLOCK ? 8 : 7;
        assert_int_equal(bytes[0], expected);
        assert_int_equal(bytes[4095], 0);
    }
    made = bytes_of(fd);
    reeve_pages_make(memory + 4 * BLOCK + 8192, BLOCK); /* what stands before it does not exist */
    reeve_pages_make(memory, 4 * BLOCK);                /* nothing is to do */
    reeve_pages_make(memory + 5 * BLOCK, BLOCK - 4096); /* no whole block */
    reeve_pages_make(memory, 0);
    assert_int_equal(bytes_of(fd), made);
    reeve_pages_make(memory + 4 * BLOCK, BLOCK);
    if (is_able())
        assert_int_equal(bytes_of(fd), made + BLOCK - 4096);
    munmap(memory, 6 * BLOCK);
    close(fd);
}

static void test_advises(void **state)
{
    (void)state;
    uint64_t size = 5 * BLOCK + 100;
    uint8_t *memory = malloc(size);
    assert_non_null(memory);
    memset(memory, 3, size);
    reeve_pages_advise(memory, size);
    reeve_pages_advise(memory, 100);
    for (uint64_t i = 0; i < size; i++)
        if (memory[i] != 3)
            fail();
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_makes),
        cmocka_unit_test(test_advises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
