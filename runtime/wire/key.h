/* The cluster key: 32 random bytes that every daemon and tool of a cluster holds. Whoever holds it
 * may do anything.
 *
 * A key file is one line of 64 hexadecimal digits, mode 0600. Where a key comes from, first match
 * wins:
 *
 *     1. the file named by the caller (--key-file)
 *     2. REEVE_KEY           the digits themselves
 *     3. REEVE_KEY_FILE      a file's name
 *     4. $XDG_STATE_HOME/reeve/key, or ~/.local/state/reeve/key
 *
 * `text` is REEVE_TEXT_SIZE bytes and says what is wrong and what to do. */
#ifndef REEVE_WIRE_KEY_H
#define REEVE_WIRE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEVE_KEY_SIZE 32

/* New random key. REEVE_OK, or REEVE_ESYSTEM when libsodium cannot start. */
int reeve_key_make(uint8_t key[REEVE_KEY_SIZE], char *text);

/* REEVE_EKEY: no such file, not a key, or readable by others (it is refused then). REEVE_ESYSTEM
 * otherwise. */
int reeve_key_load(const char *path, uint8_t key[REEVE_KEY_SIZE], char *text);

/* Writes a new file and never replaces one: REEVE_EBUSY when there is one. The folder is made
 * (mode 0700) if need be. Readers see the whole key or no file. */
int reeve_key_save(const char *path, const uint8_t key[REEVE_KEY_SIZE], char *text);

/* The default path. REEVE_ESTATE when neither XDG_STATE_HOME nor a home folder is known. */
int reeve_key_default_path(char *path, size_t size, char *text);

/* Finds the key as listed above; `path` is the caller's file or NULL. REEVE_EKEY when there is
 * none. With `make` set, a missing key file at the default path is made. */
int reeve_key_resolve(const char *path, bool make, uint8_t key[REEVE_KEY_SIZE], char *text);

#endif
