/* Hello, challenge, proof, refused; the protocol is told in handshake.h. */
#include "runtime/wire/handshake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <reeve_errors.h>

#include "runtime/base/assert.h"
#include "runtime/base/utf8.h"
#include "runtime/wire/address.h"
#include "runtime/wire/reeve.pb-c.h"

#define MAC_SIZE 32

/* --- transcript --------------------------------------------------------------------------- */

static void add_u64(crypto_generichash_state *state, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    crypto_generichash_update(state, bytes, sizeof bytes);
}

static void add_bytes(crypto_generichash_state *state, const void *bytes, size_t size)
{
    add_u64(state, size);
    crypto_generichash_update(state, bytes, size);
}

static void add_string(crypto_generichash_state *state, const char *text)
{
    add_bytes(state, text, strlen(text));
}

static void add_identity(crypto_generichash_state *state, const struct reeve_identity *identity)
{
    add_u64(state, identity->uid);
    add_u64(state, identity->incarnation);
    add_u64(state, identity->role);
    add_string(state, identity->address);
    add_string(state, identity->release);
}

/* Everything the dialler has said. */
static void begin(crypto_generichash_state *state, const uint8_t *key, const char *label,
    const struct reeve_handshake *handshake, size_t mac_size)
{
    crypto_generichash_init(state, key, REEVE_KEY_SIZE, mac_size);
    add_string(state, label);
    add_u64(state, handshake->version);
    add_identity(state, &handshake->dialler);
    add_string(state, handshake->dialled);
    add_u64(state, handshake->time_ms);
    add_bytes(state, handshake->dialler_nonce, REEVE_NONCE_SIZE);
}

static void hello_mac(
    const struct reeve_handshake *handshake, const uint8_t *key, uint8_t mac[MAC_SIZE])
{
    crypto_generichash_state state;
    begin(&state, key, "reeve hello", handshake, MAC_SIZE);
    crypto_generichash_final(&state, mac, MAC_SIZE);
}

static void full_mac(const struct reeve_handshake *handshake, const uint8_t *key, const char *label,
    uint8_t *mac, size_t mac_size)
{
    crypto_generichash_state state;
    begin(&state, key, label, handshake, mac_size);
    add_identity(&state, &handshake->answerer);
    add_bytes(&state, handshake->answerer_nonce, REEVE_NONCE_SIZE);
    crypto_generichash_final(&state, mac, mac_size);
}

/* Its layout, like the hello's, is that of all versions. */
static void refused_mac(const struct reeve_handshake *handshake, const uint8_t *key,
    uint32_t version, int code, const char *text, uint8_t mac[MAC_SIZE])
{
    crypto_generichash_state state;
    begin(&state, key, "reeve refused", handshake, MAC_SIZE);
    add_u64(&state, version);
    add_u64(&state, (uint64_t)(int64_t)code);
    add_string(&state, text);
    crypto_generichash_final(&state, mac, MAC_SIZE);
}

static bool mac_equal(const uint8_t mac[MAC_SIZE], const ProtobufCBinaryData *claimed)
{
    return claimed->len == MAC_SIZE && sodium_memcmp(mac, claimed->data, MAC_SIZE) == 0;
}

/* --- reading and writing ------------------------------------------------------------------ */

void reeve_copy_peer_text(char *out, size_t capacity, const char *text)
{
    size_t length = 0;
    for (; text != NULL && text[length] != 0 && length + 1 < capacity; length++)
        out[length] =
            (unsigned char)text[length] < ' ' || text[length] == 0x7f ? '?' : text[length];
    out[length] = 0;
    reeve_utf8_mend(out);
}

/* Finishes a frame: the header before what has been packed behind it. */
static size_t finish(uint8_t *out, enum reeve_frame_type type, size_t packed_size)
{
    reeve_frame_header_write(out, type);
    REEVE_ASSERT(REEVE_FRAME_HEADER_SIZE + packed_size <= REEVE_HANDSHAKE_SIZE_MAX);
    return REEVE_FRAME_HEADER_SIZE + packed_size;
}

/* The protobuf bytes of a handshake frame of the given type; NULL when it is none. */
static const uint8_t *payload(
    const uint8_t *frame, size_t size, enum reeve_frame_type type, size_t *payload_size)
{
    static const uint8_t zero[16];
    struct reeve_frame_header header;
    if (size > REEVE_HANDSHAKE_SIZE_MAX || reeve_frame_header_read(frame, size, &header) != 0 ||
        header.type != type || header.sequence != 0 || memcmp(frame + 12, zero, sizeof zero) != 0)
        return NULL;
    *payload_size = size - REEVE_FRAME_HEADER_SIZE;
    return frame + REEVE_FRAME_HEADER_SIZE;
}

static void identity_out(const struct reeve_identity *identity, Reeve__Identity *out)
{
    reeve__identity__init(out);
    out->uid = identity->uid;
    out->incarnation = identity->incarnation;
    out->role = identity->role;
    out->address = (char *)identity->address;
    out->release = (char *)identity->release;
}

static bool identity_in(const Reeve__Identity *in, struct reeve_identity *ret)
{
    struct reeve_address address;
    char why[REEVE_TEXT_SIZE];
    memset(ret, 0, sizeof *ret);
    if (in->uid == 0 || in->role < 1 || in->role > 3 || strlen(in->address) >= REEVE_ADDRESS_SIZE ||
        reeve_address_parse_peer(in->address, &address, why) != REEVE_OK)
        return false;
    if (in->release != NULL && strlen(in->release) >= REEVE_RELEASE_SIZE)
        return false;
    ret->uid = in->uid;
    ret->incarnation = in->incarnation;
    ret->role = in->role;
    snprintf(ret->address, sizeof ret->address, "%s", in->address);
    if (in->release != NULL) {
        reeve_copy_peer_text(ret->release, sizeof ret->release, in->release);
        if (strcmp(ret->release, in->release) != 0)
            return false;
    }
    return true;
}

static ProtobufCBinaryData binary(const uint8_t *data, size_t size)
{
    return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
}

/* --- hello -------------------------------------------------------------------------------- */

size_t reeve_handshake_hello(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const char *dialled, uint64_t time_ms,
    const uint8_t nonce[REEVE_NONCE_SIZE], uint8_t *out)
{
    memset(handshake, 0, sizeof *handshake);
    handshake->version = self->version;
    handshake->dialler = self->identity;
    REEVE_ASSERT(strlen(dialled) < sizeof handshake->dialled);
    snprintf(handshake->dialled, sizeof handshake->dialled, "%s", dialled);
    handshake->time_ms = time_ms;
    memcpy(handshake->dialler_nonce, nonce, REEVE_NONCE_SIZE);
    uint8_t mac[MAC_SIZE];
    hello_mac(handshake, self->key, mac);

    Reeve__Identity from;
    identity_out(&handshake->dialler, &from);
    Reeve__Hello hello = REEVE__HELLO__INIT;
    hello.version = handshake->version;
    hello.from = &from;
    hello.dialled = handshake->dialled;
    hello.time_ms = time_ms;
    hello.nonce = binary(handshake->dialler_nonce, REEVE_NONCE_SIZE);
    hello.mac = binary(mac, MAC_SIZE);
    return finish(
        out, REEVE_FRAME_HELLO, reeve__hello__pack(&hello, out + REEVE_FRAME_HEADER_SIZE));
}

/* May a hello that dialled this have meant us? Names cannot be compared, ports and abstract
 * names can: with this, a hello for another daemon of this machine, or of the same gateway, is
 * not taken for ours. */
static bool dialled_us(const struct reeve_handshake_self *self, const char *dialled)
{
    struct reeve_address theirs, ours;
    char why[REEVE_TEXT_SIZE];
    if (reeve_address_parse_peer(dialled, &theirs, why) != REEVE_OK ||
        reeve_address_parse_peer(self->identity.address, &ours, why) != REEVE_OK ||
        theirs.scheme != ours.scheme)
        return false;
    if (theirs.scheme == REEVE_ADDRESS_ABSTRACT)
        return strcmp(theirs.host, ours.host) == 0;
    return theirs.port == ours.port || theirs.port == self->listen_port;
}

/* What is wrong with a hello whose mac is right. */
static int hello_check(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, uint64_t time_ms, char *text)
{
    if (handshake->version != self->version) {
        snprintf(text, REEVE_TEXT_SIZE,
            "%.50s (release %.16s) speaks version %" PRIu32
            " of the protocol, %.50s (release %.16s) "
            "speaks version %" PRIu32 ": run the same release on both",
            self->identity.address, self->identity.release, self->version,
            handshake->dialler.address, handshake->dialler.release, handshake->version);
        return REEVE_EVERSION;
    }
    uint64_t skew_ms =
        time_ms > handshake->time_ms ? time_ms - handshake->time_ms : handshake->time_ms - time_ms;
    if (skew_ms > REEVE_HANDSHAKE_SKEW_MS) {
        snprintf(text, REEVE_TEXT_SIZE,
            "the clocks of %.60s and %.60s differ by %" PRIu64 " s: set them (the limit is %u s)",
            self->identity.address, handshake->dialler.address, skew_ms / 1000,
            REEVE_HANDSHAKE_SKEW_MS / 1000);
        return REEVE_EPROTOCOL;
    }
    if (handshake->dialler.uid == self->identity.uid) {
        snprintf(text, REEVE_TEXT_SIZE, "%.100s is our own address", handshake->dialled);
        return REEVE_EADDRESS;
    }
    if (reeve_address_is_tls(self->identity.address) !=
        reeve_address_is_tls(handshake->dialler.address)) {
        bool ours = reeve_address_is_tls(self->identity.address);
        snprintf(text, REEVE_TEXT_SIZE,
            "%.60s is encrypted, %.60s is not: start the latter with tls+tcp:// addresses, too",
            ours ? self->identity.address : handshake->dialler.address,
            ours ? handshake->dialler.address : self->identity.address);
        return REEVE_EADDRESS;
    }
    if (!dialled_us(self, handshake->dialled)) {
        snprintf(text, REEVE_TEXT_SIZE,
            "%.50s was dialled, but the daemon there is %.50s: start it with --advertise %.50s "
            "if that is how it is reached",
            handshake->dialled, self->identity.address, handshake->dialled);
        return REEVE_EADDRESS;
    }
    return REEVE_OK;
}

int reeve_handshake_read_hello(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, uint64_t time_ms,
    char *text)
{
    size_t packed_size;
    const uint8_t *packed = payload(frame, size, REEVE_FRAME_HELLO, &packed_size);
    Reeve__Hello *hello = packed != NULL ? reeve__hello__unpack(NULL, packed_size, packed) : NULL;
    struct reeve_handshake read;
    memset(&read, 0, sizeof read);
    int error = REEVE_EPROTOCOL;
    snprintf(text, REEVE_TEXT_SIZE, "malformed hello");
    if (hello != NULL && hello->nonce.len == REEVE_NONCE_SIZE &&
        strlen(hello->dialled) < sizeof read.dialled && identity_in(hello->from, &read.dialler)) {
        read.version = hello->version;
        snprintf(read.dialled, sizeof read.dialled, "%s", hello->dialled);
        read.time_ms = hello->time_ms;
        memcpy(read.dialler_nonce, hello->nonce.data, REEVE_NONCE_SIZE);
        uint8_t mac[MAC_SIZE];
        hello_mac(&read, self->key, mac);
        if (!mac_equal(mac, &hello->mac)) {
            snprintf(text, REEVE_TEXT_SIZE, "hello made with another cluster key");
            error = REEVE_EKEY;
        } else {
            error = hello_check(&read, self, time_ms, text);
            if (error == REEVE_EPROTOCOL)
                error = REEVE_ESYSTEM; /* the clocks: to be told, unlike what is malformed */
            *handshake = read;
        }
    }
    if (hello != NULL)
        reeve__hello__free_unpacked(hello, NULL);
    return error;
}

/* --- challenge and refused ---------------------------------------------------------------- */

size_t reeve_handshake_challenge(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t nonce[REEVE_NONCE_SIZE], uint8_t *out)
{
    handshake->answerer = self->identity;
    memcpy(handshake->answerer_nonce, nonce, REEVE_NONCE_SIZE);
    uint8_t mac[MAC_SIZE];
    full_mac(handshake, self->key, "reeve challenge", mac, MAC_SIZE);

    Reeve__Identity from;
    identity_out(&handshake->answerer, &from);
    Reeve__Challenge challenge = REEVE__CHALLENGE__INIT;
    challenge.version = handshake->version;
    challenge.from = &from;
    challenge.to_uid = handshake->dialler.uid;
    challenge.to_incarnation = handshake->dialler.incarnation;
    challenge.hello_nonce = binary(handshake->dialler_nonce, REEVE_NONCE_SIZE);
    challenge.nonce = binary(handshake->answerer_nonce, REEVE_NONCE_SIZE);
    challenge.mac = binary(mac, MAC_SIZE);
    return finish(out, REEVE_FRAME_CHALLENGE,
        reeve__challenge__pack(&challenge, out + REEVE_FRAME_HEADER_SIZE));
}

size_t reeve_handshake_refused(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, int code, const char *text, uint8_t *out)
{
    uint8_t mac[MAC_SIZE];
    refused_mac(handshake, self->key, self->version, code, text, mac);
    Reeve__Refused refused = REEVE__REFUSED__INIT;
    refused.version = self->version;
    refused.to_uid = handshake->dialler.uid;
    refused.hello_nonce = binary(handshake->dialler_nonce, REEVE_NONCE_SIZE);
    refused.code = code;
    refused.text = (char *)text;
    refused.mac = binary(mac, MAC_SIZE);
    return finish(
        out, REEVE_FRAME_REFUSED, reeve__refused__pack(&refused, out + REEVE_FRAME_HEADER_SIZE));
}

int reeve_handshake_echoed_nonce(const uint8_t *frame, size_t size, uint8_t nonce[REEVE_NONCE_SIZE])
{
    size_t packed_size;
    const uint8_t *packed;
    int error = REEVE_EPROTOCOL;
    if ((packed = payload(frame, size, REEVE_FRAME_CHALLENGE, &packed_size)) != NULL) {
        Reeve__Challenge *challenge = reeve__challenge__unpack(NULL, packed_size, packed);
        if (challenge != NULL && challenge->hello_nonce.len == REEVE_NONCE_SIZE) {
            memcpy(nonce, challenge->hello_nonce.data, REEVE_NONCE_SIZE);
            error = REEVE_OK;
        }
        if (challenge != NULL)
            reeve__challenge__free_unpacked(challenge, NULL);
    } else if ((packed = payload(frame, size, REEVE_FRAME_REFUSED, &packed_size)) != NULL) {
        Reeve__Refused *refused = reeve__refused__unpack(NULL, packed_size, packed);
        if (refused != NULL && refused->hello_nonce.len == REEVE_NONCE_SIZE) {
            memcpy(nonce, refused->hello_nonce.data, REEVE_NONCE_SIZE);
            error = REEVE_OK;
        }
        if (refused != NULL)
            reeve__refused__free_unpacked(refused, NULL);
    }
    return error;
}

int reeve_handshake_read_challenge(struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, char *text)
{
    size_t packed_size;
    const uint8_t *packed = payload(frame, size, REEVE_FRAME_CHALLENGE, &packed_size);
    Reeve__Challenge *challenge =
        packed != NULL ? reeve__challenge__unpack(NULL, packed_size, packed) : NULL;
    struct reeve_handshake read = *handshake;
    int error = REEVE_EPROTOCOL;
    snprintf(text, REEVE_TEXT_SIZE, "malformed challenge");
    if (challenge != NULL && challenge->nonce.len == REEVE_NONCE_SIZE &&
        challenge->hello_nonce.len == REEVE_NONCE_SIZE &&
        memcmp(challenge->hello_nonce.data, handshake->dialler_nonce, REEVE_NONCE_SIZE) == 0 &&
        challenge->to_uid == self->identity.uid &&
        challenge->to_incarnation == self->identity.incarnation &&
        challenge->version == handshake->version && challenge->from->uid != self->identity.uid &&
        identity_in(challenge->from, &read.answerer)) {
        memcpy(read.answerer_nonce, challenge->nonce.data, REEVE_NONCE_SIZE);
        uint8_t mac[MAC_SIZE];
        full_mac(&read, self->key, "reeve challenge", mac, MAC_SIZE);
        if (mac_equal(mac, &challenge->mac)) {
            *handshake = read;
            error = REEVE_OK;
        } else {
            snprintf(text, REEVE_TEXT_SIZE, "challenge made with another cluster key");
            error = REEVE_EKEY;
        }
    }
    if (challenge != NULL)
        reeve__challenge__free_unpacked(challenge, NULL);
    return error;
}

int reeve_handshake_read_refused(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, int *code,
    char *text)
{
    size_t packed_size;
    const uint8_t *packed = payload(frame, size, REEVE_FRAME_REFUSED, &packed_size);
    Reeve__Refused *refused =
        packed != NULL ? reeve__refused__unpack(NULL, packed_size, packed) : NULL;
    if (refused == NULL)
        return REEVE_EPROTOCOL;
    uint8_t mac[MAC_SIZE];
    refused_mac(handshake, self->key, refused->version, refused->code, refused->text, mac);
    bool valid =
        refused->to_uid == self->identity.uid && refused->code != 0 &&
        refused->hello_nonce.len == REEVE_NONCE_SIZE &&
        memcmp(refused->hello_nonce.data, handshake->dialler_nonce, REEVE_NONCE_SIZE) == 0 &&
        mac_equal(mac, &refused->mac);
    if (valid) {
        *code = refused->code;
        reeve_copy_peer_text(text, REEVE_TEXT_SIZE, refused->text);
    }
    reeve__refused__free_unpacked(refused, NULL);
    return valid ? REEVE_OK : REEVE_EPROTOCOL;
}

/* --- proof -------------------------------------------------------------------------------- */

size_t reeve_handshake_proof(
    const struct reeve_handshake *handshake, const struct reeve_handshake_self *self, uint8_t *out)
{
    uint8_t mac[MAC_SIZE];
    full_mac(handshake, self->key, "reeve proof", mac, MAC_SIZE);
    Reeve__Proof proof = REEVE__PROOF__INIT;
    proof.from_uid = self->identity.uid;
    proof.from_incarnation = self->identity.incarnation;
    proof.mac = binary(mac, MAC_SIZE);
    return finish(
        out, REEVE_FRAME_PROOF, reeve__proof__pack(&proof, out + REEVE_FRAME_HEADER_SIZE));
}

int reeve_handshake_read_proof(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, const uint8_t *frame, size_t size, char *text)
{
    size_t packed_size;
    const uint8_t *packed = payload(frame, size, REEVE_FRAME_PROOF, &packed_size);
    Reeve__Proof *proof = packed != NULL ? reeve__proof__unpack(NULL, packed_size, packed) : NULL;
    int error = REEVE_EPROTOCOL;
    snprintf(text, REEVE_TEXT_SIZE, "malformed proof");
    if (proof != NULL && proof->from_uid == handshake->dialler.uid &&
        proof->from_incarnation == handshake->dialler.incarnation) {
        uint8_t mac[MAC_SIZE];
        full_mac(handshake, self->key, "reeve proof", mac, MAC_SIZE);
        error = mac_equal(mac, &proof->mac) ? REEVE_OK : REEVE_EKEY;
        if (error != REEVE_OK)
            snprintf(text, REEVE_TEXT_SIZE, "proof made with another cluster key");
    }
    if (proof != NULL)
        reeve__proof__free_unpacked(proof, NULL);
    return error;
}

void reeve_handshake_keys(const struct reeve_handshake *handshake,
    const struct reeve_handshake_self *self, struct reeve_handshake_keys *ret)
{
    uint8_t keys[2 * REEVE_FRAME_KEY_SIZE];
    full_mac(handshake, self->key, "reeve session", keys, sizeof keys);
    memcpy(ret->dialler_to_answerer, keys, REEVE_FRAME_KEY_SIZE);
    memcpy(ret->answerer_to_dialler, keys + REEVE_FRAME_KEY_SIZE, REEVE_FRAME_KEY_SIZE);
    sodium_memzero(keys, sizeof keys);
}
