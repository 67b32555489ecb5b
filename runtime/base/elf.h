/* For which kind of machine an executable was built. */
#ifndef REEVE_BASE_ELF_H
#define REEVE_BASE_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEVE_ELF_HEADER_SIZE 20u

/* The name of the architecture in the first bytes of an ELF file: "aarch64", or "ELF machine
 * 250"; NULL when it is no ELF file. `text` holds the name where it is not a static one. */
const char *reeve_elf_architecture(const uint8_t *header, size_t size, char text[32]);

/* Of an open file, read from its beginning; the offset stays. */
const char *reeve_elf_architecture_of(int fd, char text[32]);

#endif
