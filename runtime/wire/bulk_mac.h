/* The mac of a piece, with the key of its stream; there are two kinds, and the two ends agree on
 * the better one that both can make (bulk_frame.h).
 *
 *     AES-GMAC   the tag of AES-256-GCM: the piece's bytes as associated data, its 24 bytes of
 *                numbers as the message (whose encryption is thrown away)
 *     Poly1305   over the numbers and the bytes, with a key that is used once: the first 32 bytes
 *                of the ChaCha20 stream (IETF); as in frame.h
 *
 * Either is broken by two different pieces under one key and nonce. The nonce is the number of
 * pieces before it in the stream, and the key belongs to one stream, made from the fresh nonces of
 * both its ends: so no pair is used twice, and a piece is good at one place of one stream only.
 *
 * On a 2-core VM: 6.2 GB/s, 3.8 GB/s, by libsodium; the first needs a processor that has
 * instructions for it, which libsodium asks (sodium_init must have been called). */
#ifndef REEVE_WIRE_BULK_MAC_H
#define REEVE_WIRE_BULK_MAC_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEVE_BULK_KEY_SIZE     32u
#define REEVE_BULK_MAC_SIZE     16u
#define REEVE_BULK_NUMBERS_SIZE 24u /* of a piece's header: what comes before the mac */

/* The better ones are the larger. */
enum reeve_bulk_kind { REEVE_BULK_POLY1305 = 1, REEVE_BULK_AES_GMAC = 2 };

/* What this processor can make. */
enum reeve_bulk_kind reeve_bulk_mac_best(void);

struct reeve_bulk_mac {
    crypto_aead_aes256gcm_state aes;
    uint8_t key[REEVE_BULK_KEY_SIZE];
    enum reeve_bulk_kind kind;
};

void reeve_bulk_mac_init(
    struct reeve_bulk_mac *mac, enum reeve_bulk_kind kind, const uint8_t key[REEVE_BULK_KEY_SIZE]);
/* Of the piece `sequence`, counted from 0. */
void reeve_bulk_mac_make(const struct reeve_bulk_mac *mac, uint64_t sequence,
    const uint8_t numbers[REEVE_BULK_NUMBERS_SIZE], const uint8_t *bytes, size_t size,
    uint8_t ret[REEVE_BULK_MAC_SIZE]);
bool reeve_bulk_mac_verify(const struct reeve_bulk_mac *mac, uint64_t sequence,
    const uint8_t numbers[REEVE_BULK_NUMBERS_SIZE], const uint8_t *bytes, size_t size,
    const uint8_t good[REEVE_BULK_MAC_SIZE]);

#endif
