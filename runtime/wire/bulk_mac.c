/* The mac of a piece: see bulk_mac.h. */
#include "runtime/wire/bulk_mac.h"

#include <string.h>

#include "runtime/base/assert.h"

#define NONCE_SIZE 12u
_Static_assert(REEVE_BULK_MAC_SIZE == crypto_onetimeauth_BYTES, "size of the mac");
_Static_assert(REEVE_BULK_MAC_SIZE == crypto_aead_aes256gcm_ABYTES, "size of the mac");
_Static_assert(REEVE_BULK_KEY_SIZE == crypto_stream_chacha20_ietf_KEYBYTES, "size of the key");
_Static_assert(REEVE_BULK_KEY_SIZE == crypto_aead_aes256gcm_KEYBYTES, "size of the key");
_Static_assert(NONCE_SIZE == crypto_aead_aes256gcm_NPUBBYTES, "size of the nonce");
_Static_assert(NONCE_SIZE == crypto_stream_chacha20_ietf_NONCEBYTES, "size of the nonce");

enum reeve_bulk_kind reeve_bulk_mac_best(void)
{
    return crypto_aead_aes256gcm_is_available() ? REEVE_BULK_AES_GMAC : REEVE_BULK_POLY1305;
}

void reeve_bulk_mac_init(
    struct reeve_bulk_mac *mac, enum reeve_bulk_kind kind, const uint8_t key[REEVE_BULK_KEY_SIZE])
{
    REEVE_ASSERT(kind <= reeve_bulk_mac_best());
    mac->kind = kind;
    memcpy(mac->key, key, sizeof mac->key);
    if (kind == REEVE_BULK_AES_GMAC)
        crypto_aead_aes256gcm_beforenm(&mac->aes, key);
}

static void gmac(const struct reeve_bulk_mac *mac, const uint8_t *nonce, const uint8_t *numbers,
    const uint8_t *bytes, size_t size, uint8_t *ret)
{
    uint8_t encrypted[REEVE_BULK_NUMBERS_SIZE];
    crypto_aead_aes256gcm_encrypt_detached_afternm(encrypted, ret, NULL, numbers,
        REEVE_BULK_NUMBERS_SIZE, bytes, size, NULL, nonce, &mac->aes);
}

static void poly1305(const struct reeve_bulk_mac *mac, const uint8_t *nonce, const uint8_t *numbers,
    const uint8_t *bytes, size_t size, uint8_t *ret)
{
    crypto_onetimeauth_state state;
    uint8_t once[crypto_onetimeauth_KEYBYTES];
    crypto_stream_chacha20_ietf(once, sizeof once, nonce, mac->key);
    crypto_onetimeauth_init(&state, once);
    crypto_onetimeauth_update(&state, numbers, REEVE_BULK_NUMBERS_SIZE);
    crypto_onetimeauth_update(&state, bytes, size);
    crypto_onetimeauth_final(&state, ret);
    sodium_memzero(once, sizeof once);
}

void reeve_bulk_mac_make(const struct reeve_bulk_mac *mac, uint64_t sequence,
    const uint8_t numbers[REEVE_BULK_NUMBERS_SIZE], const uint8_t *bytes, size_t size,
    uint8_t ret[REEVE_BULK_MAC_SIZE])
{
    uint8_t nonce[NONCE_SIZE] = {0};
    for (size_t i = 0; i < sizeof sequence; i++)
        nonce[4 + i] = (uint8_t)(sequence >> (8 * i));
    if (mac->kind == REEVE_BULK_AES_GMAC)
        gmac(mac, nonce, numbers, bytes, size, ret);
    else
        poly1305(mac, nonce, numbers, bytes, size, ret);
}

bool reeve_bulk_mac_verify(const struct reeve_bulk_mac *mac, uint64_t sequence,
    const uint8_t numbers[REEVE_BULK_NUMBERS_SIZE], const uint8_t *bytes, size_t size,
    const uint8_t good[REEVE_BULK_MAC_SIZE])
{
    uint8_t made[REEVE_BULK_MAC_SIZE];
    reeve_bulk_mac_make(mac, sequence, numbers, bytes, size, made);
    return sodium_memcmp(made, good, sizeof made) == 0;
}
