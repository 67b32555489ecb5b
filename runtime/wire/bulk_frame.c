/* The bytes of a stream of pieces; the layout is in bulk_frame.h. */
#include "runtime/wire/bulk_frame.h"

#include <sodium.h>
#include <string.h>

#define VERSION 2u

static void put(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *in, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

static const uint8_t magic[4] = {'R', 'V', 'B', VERSION};

/* Labels tell the uses apart; all that follows them has a fixed size. */
static void derive(const char *label, uint64_t uid, const struct reeve_bulk_terms *terms,
    const uint8_t *key, uint8_t *out, size_t size)
{
    crypto_generichash_state state;
    uint8_t number[8];
    put(number, uid, sizeof number);
    crypto_generichash_init(&state, key, REEVE_BULK_KEY_SIZE, size);
    crypto_generichash_update(&state, (const uint8_t *)label, strlen(label) + 1);
    crypto_generichash_update(&state, number, sizeof number);
    if (terms != NULL)
        crypto_generichash_update(&state, (const uint8_t *)terms, sizeof *terms);
    crypto_generichash_final(&state, out, size);
}

void reeve_bulk_session_key(
    const uint8_t key[REEVE_BULK_KEY_SIZE], uint8_t ret[REEVE_BULK_KEY_SIZE])
{
    derive("reeve bulk session", 0, NULL, key, ret, REEVE_BULK_KEY_SIZE);
}

void reeve_bulk_greeting_write(
    uint8_t out[REEVE_BULK_GREETING_SIZE], const struct reeve_bulk_terms *terms)
{
    memcpy(out, magic, sizeof magic);
    out[4] = terms->best;
    memcpy(out + 5, terms->listener_nonce, REEVE_BULK_NONCE_SIZE);
}

bool reeve_bulk_greeting_read(
    const uint8_t in[REEVE_BULK_GREETING_SIZE], struct reeve_bulk_terms *terms)
{
    terms->best = in[4];
    memcpy(terms->listener_nonce, in + 5, REEVE_BULK_NONCE_SIZE);
    return memcmp(in, magic, sizeof magic) == 0 && terms->best >= REEVE_BULK_POLY1305;
}

void reeve_bulk_hello_write(uint8_t out[REEVE_BULK_HELLO_SIZE], uint64_t uid,
    const struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE])
{
    memcpy(out, magic, sizeof magic);
    out[4] = terms->kind;
    put(out + 5, uid, 8);
    memcpy(out + 13, terms->dialler_nonce, REEVE_BULK_NONCE_SIZE);
    derive(
        "reeve bulk hello", uid, terms, key, out + 13 + REEVE_BULK_NONCE_SIZE, REEVE_BULK_MAC_SIZE);
}

bool reeve_bulk_hello_read(const uint8_t in[REEVE_BULK_HELLO_SIZE], uint64_t *ret_uid)
{
    *ret_uid = get(in + 5, 8);
    return memcmp(in, magic, sizeof magic) == 0;
}

bool reeve_bulk_hello_verify(const uint8_t in[REEVE_BULK_HELLO_SIZE],
    struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE])
{
    uint8_t good[REEVE_BULK_HELLO_SIZE];
    terms->kind = in[4];
    memcpy(terms->dialler_nonce, in + 13, REEVE_BULK_NONCE_SIZE);
    reeve_bulk_hello_write(good, get(in + 5, 8), terms, key);
    return sodium_memcmp(good, in, sizeof good) == 0 && terms->kind >= REEVE_BULK_POLY1305 &&
           terms->kind <= terms->best;
}

void reeve_bulk_welcome_write(uint8_t out[REEVE_BULK_MAC_SIZE],
    const struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE])
{
    derive("reeve bulk welcome", 0, terms, key, out, REEVE_BULK_MAC_SIZE);
}

bool reeve_bulk_welcome_verify(const uint8_t in[REEVE_BULK_MAC_SIZE],
    const struct reeve_bulk_terms *terms, const uint8_t key[REEVE_BULK_KEY_SIZE])
{
    uint8_t good[REEVE_BULK_MAC_SIZE];
    reeve_bulk_welcome_write(good, terms, key);
    return sodium_memcmp(good, in, sizeof good) == 0;
}

void reeve_bulk_stream_key(const struct reeve_bulk_terms *terms,
    const uint8_t key[REEVE_BULK_KEY_SIZE], uint8_t ret[REEVE_BULK_KEY_SIZE])
{
    derive("reeve bulk stream", 0, terms, key, ret, REEVE_BULK_KEY_SIZE);
}

void reeve_bulk_header_write(
    uint8_t out[REEVE_BULK_HEADER_SIZE], const struct reeve_bulk_header *header)
{
    put(out, header->number, 8);
    put(out + 8, header->size, 8);
    put(out + 16, header->length, 4);
    put(out + 20, header->other, 4);
    memset(out + REEVE_BULK_NUMBERS_SIZE, 0, REEVE_BULK_MAC_SIZE);
}

bool reeve_bulk_header_read(const uint8_t in[REEVE_BULK_HEADER_SIZE], struct reeve_bulk_header *ret)
{
    ret->number = get(in, 8);
    ret->size = get(in + 8, 8);
    ret->length = (uint32_t)get(in + 16, 4);
    ret->other = (uint32_t)get(in + 20, 4);
    return ret->length > 0 && ret->length <= REEVE_BULK_LENGTH_MAX && ret->length <= ret->size;
}

void reeve_bulk_header_seal(uint8_t header[REEVE_BULK_HEADER_SIZE],
    const struct reeve_bulk_mac *mac, uint64_t sequence, const uint8_t *bytes, size_t size)
{
    reeve_bulk_mac_make(mac, sequence, header, bytes, size, header + REEVE_BULK_NUMBERS_SIZE);
}

bool reeve_bulk_header_verify(const uint8_t header[REEVE_BULK_HEADER_SIZE],
    const struct reeve_bulk_mac *mac, uint64_t sequence, const uint8_t *bytes, size_t size)
{
    return reeve_bulk_mac_verify(
        mac, sequence, header, bytes, size, header + REEVE_BULK_NUMBERS_SIZE);
}
