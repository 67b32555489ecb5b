/* Frame headers and macs; the layout is in frame.h. */
#include "runtime/wire/frame.h"

#include <string.h>

#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"

#define MAC_AT   12
#define MAC_SIZE crypto_aead_chacha20poly1305_ietf_ABYTES
_Static_assert(MAC_AT + MAC_SIZE == REEVE_FRAME_HEADER_SIZE, "the mac ends the header");
_Static_assert(REEVE_FRAME_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "key size");

static void put_u64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_u64(const uint8_t *in)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

static void header_write(uint8_t *frame, enum reeve_frame_type type, uint64_t sequence)
{
    frame[0] = 'R';
    frame[1] = 'V';
    frame[2] = REEVE_WIRE_VERSION;
    frame[3] = (uint8_t)type;
    put_u64(frame + 4, sequence);
    memset(frame + MAC_AT, 0, MAC_SIZE);
}

static void mac_of(
    uint8_t mac[MAC_SIZE], const uint8_t *frame, size_t size, uint64_t sequence, const uint8_t *key)
{
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
    put_u64(nonce + 4, sequence);
    unsigned char no_text[1] = {0};
    unsigned long long mac_size;
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
        no_text, mac, &mac_size, no_text, 0, frame, size, NULL, nonce, key);
}

void reeve_frame_header_write(uint8_t frame[REEVE_FRAME_HEADER_SIZE], enum reeve_frame_type type)
{
    header_write(frame, type, 0);
}

int reeve_frame_header_read(const uint8_t *frame, size_t size, struct reeve_frame_header *ret)
{
    if (size < REEVE_FRAME_HEADER_SIZE || frame[0] != 'R' || frame[1] != 'V' ||
        frame[3] < REEVE_FRAME_HELLO || frame[3] > REEVE_FRAME_GOODBYE)
        return REEVE_EPROTOCOL;
    ret->version = frame[2];
    ret->type = (enum reeve_frame_type)frame[3];
    ret->sequence = get_u64(frame + 4);
    return REEVE_OK;
}

void reeve_frame_seal(uint8_t *frame, size_t size, enum reeve_frame_type type, uint64_t sequence,
    const uint8_t key[REEVE_FRAME_KEY_SIZE])
{
    REEVE_ASSERT(size >= REEVE_FRAME_HEADER_SIZE);
    header_write(frame, type, sequence);
    mac_of(frame + MAC_AT, frame, size, sequence, key);
}

int reeve_frame_verify(
    uint8_t *frame, size_t size, uint64_t sequence, const uint8_t key[REEVE_FRAME_KEY_SIZE])
{
    REEVE_ASSERT(size >= REEVE_FRAME_HEADER_SIZE);
    uint8_t claimed[MAC_SIZE], mac[MAC_SIZE];
    memcpy(claimed, frame + MAC_AT, MAC_SIZE);
    memset(frame + MAC_AT, 0, MAC_SIZE);
    mac_of(mac, frame, size, sequence, key);
    return sodium_memcmp(mac, claimed, MAC_SIZE) == 0 ? REEVE_OK : REEVE_EPROTOCOL;
}
