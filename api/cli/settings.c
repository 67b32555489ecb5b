/* Which cluster, which key, which folder; and what is said when one is wrong. */
#include "api/cli/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/errors.h"
#include "runtime/base/hex.h"
#include "runtime/wire/address.h"
#include "runtime/wire/key.h"

int reeve_cli_state_dir(const char *given, char path[PATH_MAX], char *text)
{
    if (given) {
        if (snprintf(path, PATH_MAX, "%s", given) < PATH_MAX)
            return REEVE_OK;
        snprintf(text, REEVE_TEXT_SIZE, "the path of the state folder is too long");
        return REEVE_ESTATE;
    }
    int error = reeve_key_default_path(path, PATH_MAX, text);
    if (error == 0)
        *strrchr(path, '/') = 0;
    return error;
}

int reeve_cli_make_dir(const char *path, char *text)
{
    char part[PATH_MAX];
    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(part, 0700); /* what matters is whether the last one works */
        *slash = '/';
    }
    if ((mkdir(path, 0700) < 0 && errno != EEXIST) || access(path, W_OK | X_OK) < 0) {
        snprintf(text, REEVE_TEXT_SIZE, "the state folder %.150s cannot be written: %s", path,
            strerror(errno));
        return REEVE_ESTATE;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        snprintf(text, REEVE_TEXT_SIZE, "the state folder %.150s cannot be used: %s", path,
            strerror(errno));
        return REEVE_ESTATE;
    }
    close(fd);
    return REEVE_OK;
}

static int make_key(const char *path, uint8_t key[REEVE_KEY_SIZE], bool *ret_made, char *text)
{
    int error = reeve_key_make(key, text);
    if (error == 0)
        error = reeve_key_save(path, key, text);
    if (error == REEVE_EBUSY) /* somebody else was first */
        return reeve_key_load(path, key, text);
    *ret_made = error == 0;
    return error;
}

int reeve_cli_find_key(const char *key_file, const char *state_dir, bool make,
    uint8_t key[REEVE_KEY_SIZE], char path[PATH_MAX], bool *ret_made, char *text)
{
    char where[PATH_MAX];
    const char *digits = getenv("REEVE_KEY");
    *ret_made = false;
    *path = 0;
    if (!key_file && digits && *digits) {
        if (strlen(digits) == 2 * REEVE_KEY_SIZE &&
            reeve_hex_decode(digits, key, REEVE_KEY_SIZE) == 0)
            return REEVE_OK;
        snprintf(text, REEVE_TEXT_SIZE,
            "REEVE_KEY must be %d hexadecimal digits, as in the key file", 2 * REEVE_KEY_SIZE);
        return REEVE_EKEY;
    }
    if (!key_file && getenv("REEVE_KEY_FILE") && *getenv("REEVE_KEY_FILE"))
        key_file = getenv("REEVE_KEY_FILE");
    if (!key_file) {
        char folder[PATH_MAX];
        int error = reeve_cli_state_dir(state_dir, folder, text);
        if (error)
            return error;
        if (snprintf(where, sizeof(where), "%s/key", folder) >= PATH_MAX)
            return REEVE_ESTATE;
        key_file = where;
    }
    int error;
    if (access(key_file, F_OK) == 0)
        error = reeve_key_load(key_file, key, text);
    else if (make && errno == ENOENT)
        error = make_key(key_file, key, ret_made, text);
    else {
        snprintf(text, REEVE_TEXT_SIZE, "there is no cluster key at %.180s: %s", key_file,
            strerror(errno));
        return REEVE_EKEY;
    }
    if (error == 0 && !realpath(key_file, path))
        snprintf(path, PATH_MAX, "%s", key_file);
    return error;
}

int reeve_cli_exit_of(int error)
{
    switch (error) {
    case 0: return REEVE_CLI_OK;
    case REEVE_EINVAL:
    case REEVE_EADDRESS: return REEVE_CLI_USAGE;
    case REEVE_ENOCLUSTER:
    case REEVE_EREFUSED:
    case REEVE_ELINK:
    case REEVE_ETIMEDOUT:
    case REEVE_EVERSION: return REEVE_CLI_UNREACHABLE;
    case REEVE_EKEY: return REEVE_CLI_DENIED;
    default: return REEVE_CLI_FAILED;
    }
}

const char *reeve_cli_key_hint(const char *path, char *hint, size_t size)
{
    static const char what[] = "use the key of this cluster's head";
    if (*path)
        snprintf(hint, size, "%s: copy the file named there by `reeve head` to %s", what, path);
    else
        snprintf(hint, size,
            "%s: REEVE_KEY is set here to another; its digits are in the file named there by "
            "`reeve head`",
            what);
    return hint;
}

static const char *connect_hint(
    int error, const char *address, const char *path, char *hint, size_t size)
{
    if (error == REEVE_EKEY)
        return reeve_cli_key_hint(path, hint, size);
    if (error == REEVE_EVERSION)
        snprintf(hint, size,
            "install the same release here and on the head's machine; this is "
            "reeve " REEVE_VERSION);
    else if (error == REEVE_ESYSTEM) /* clocks that differ, say: the message says what to do */
        return NULL;
    else if (error == REEVE_EADDRESS || error == REEVE_EPROTOCOL)
        snprintf(hint, size, "write the head's address as `reeve head` prints it");
    else if (strcmp(address, REEVE_CLI_ADDRESS_DEFAULT) == 0)
        snprintf(hint, size,
            "start one with `reeve head`, or name another's with --address or REEVE_ADDRESS");
    else
        snprintf(hint, size,
            "check that `reeve head` runs there and listens on this address (it is on loopback "
            "only unless started with --listen)");
    return hint;
}

int reeve_cli_connect(const struct reeve_cli_command *command,
    const struct reeve_cli_cluster *cluster, struct reeve_tool **ret)
{
    uint8_t key[REEVE_KEY_SIZE];
    char path[PATH_MAX] = "", text[REEVE_TEXT_SIZE] = "", hint[PATH_MAX + 200];
    struct reeve_address address;
    bool made;
    int error = reeve_address_parse_peer(cluster->address, &address, text);
    if (error) {
        reeve_cli_error(command->name, connect_hint(error, "", "", hint, sizeof(hint)), "%s", text);
        return REEVE_CLI_USAGE;
    }
    error =
        reeve_cli_find_key(cluster->key_file, cluster->state_dir, false, key, path, &made, text);
    if (error) {
        reeve_cli_error(command->name,
            "copy the key file from the head's machine (mode 0600), or name it with --key-file or "
            "REEVE_KEY_FILE",
            "%s", text);
        return error == REEVE_ESYSTEM ? REEVE_CLI_DENIED : reeve_cli_exit_of(error);
    }
    char url[REEVE_ADDRESS_SIZE];
    reeve_address_format(&address, url);
    uint32_t timeout_ms = cluster->timeout_s > 0 ? (uint32_t)cluster->timeout_s * 1000 : 0;
    error = reeve_tool_open(url, key, timeout_ms, ret, text);
    if (error) {
        reeve_cli_error(command->name, connect_hint(error, url, path, hint, sizeof(hint)), "%s",
            *text ? text : reeve_strerror(error));
        return reeve_cli_exit_of(error);
    }
    return 0;
}

int reeve_cli_reply_error(
    const struct reeve_cli_command *command, const struct reeve_tool_reply *reply)
{
    reeve_cli_error(
        command->name, NULL, "%s", *reply->text ? reply->text : reeve_strerror(reply->code));
    return reeve_cli_exit_of(reply->code);
}

int reeve_cli_ask(const struct reeve_cli_command *command, const struct reeve_cli_cluster *cluster,
    const char *method, json_t *arguments, json_t **ret)
{
    struct reeve_tool *tool = NULL;
    struct reeve_tool_reply reply;
    int code = reeve_cli_connect(command, cluster, &tool);
    if (code) {
        json_decref(arguments);
        return code;
    }
    if (reeve_tool_call(tool, method, arguments, (uint32_t)cluster->timeout_s * 1000, &reply) != 0)
        code = reeve_cli_reply_error(command, &reply);
    else
        *ret = json_incref(reply.result);
    reeve_tool_reply_fini(&reply);
    reeve_tool_close(tool);
    return code;
}
