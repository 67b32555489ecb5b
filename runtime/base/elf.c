/* Reads what elf.h of the C library describes: magic, byte order, machine.
 *
 *     0      4     5          6          18
 *     | \177ELF | class | byte order | … | machine u16 | */
#include "runtime/base/elf.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/macros.h"

static const struct {
    uint16_t machine;
    const char *name;
} names[] = {
    {EM_X86_64, "x86_64"},
    {EM_386, "i386"},
    {EM_AARCH64, "aarch64"},
    {EM_ARM, "arm"},
    {EM_RISCV, "riscv"},
    {EM_PPC64, "ppc64"},
    {EM_S390, "s390"},
    {EM_MIPS, "mips"},
};

const char *reeve_elf_architecture(const uint8_t *header, size_t size, char text[32])
{
    if (size < REEVE_ELF_HEADER_SIZE || memcmp(header, ELFMAG, SELFMAG) != 0)
        return NULL;
    bool big = header[EI_DATA] == ELFDATA2MSB;
    uint16_t machine = (uint16_t)(header[big ? 19 : 18] | header[big ? 18 : 19] << 8);
    for (size_t i = 0; i < REEVE_ARRAY_COUNT(names); i++) {
        if (names[i].machine == machine)
            return names[i].name;
    }
    snprintf(text, 32, "ELF machine %u", machine);
    return text;
}

const char *reeve_elf_architecture_of(int fd, char text[32])
{
    uint8_t header[REEVE_ELF_HEADER_SIZE];
    ssize_t size = pread(fd, header, sizeof(header), 0);
    return reeve_elf_architecture(header, size > 0 ? (size_t)size : 0, text);
}
