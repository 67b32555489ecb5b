/* See spill.h. */
#include "api/cli/spill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN (1u << 20)

static const char *folders[REEVE_SPILL_FOLDERS_MAX];

/* The full name of a folder that files can be made in, because the daemon may not stay where it was
 * started. NULL: why. */
static const char *full_name(const char *name, char why[REEVE_WHY_SIZE])
{
    if (reeve_spill_try_folder(name, why, REEVE_WHY_SIZE) != 0)
        return NULL;
    const char *full = realpath(name, NULL);
    if (full == NULL)
        snprintf(why, REEVE_WHY_SIZE, "%.100s: %s", name, strerror(errno));
    return full;
}

/* One more folder. */
static int add(const char *name, struct reeve_node_options *node, char why[REEVE_WHY_SIZE])
{
    if (node->spill_folder_count == REEVE_SPILL_FOLDERS_MAX) {
        snprintf(why, REEVE_WHY_SIZE, "at most %u folders", REEVE_SPILL_FOLDERS_MAX);
        return -1;
    }
    const char *full = full_name(name, why);
    if (full == NULL)
        return -1;
    folders[node->spill_folder_count++] = full;
    return 0;
}

int reeve_cli_scratch(const char *folder, struct reeve_node_options *node, char why[REEVE_WHY_SIZE])
{
    node->scratch_root = full_name(folder, why);
    return node->scratch_root != NULL ? 0 : -1;
}

/* Folders separated by colons. */
static int add_list(const char *list, struct reeve_node_options *node, char why[REEVE_WHY_SIZE])
{
    if (strcmp(list, "none") == 0)
        return 0;
    char *copy = strdup(list), *rest = copy, *name;
    int failed = 0;
    while (copy != NULL && failed == 0 && (name = strsep(&rest, ":")) != NULL)
        failed = *name ? add(name, node, why) : 0;
    free(copy);
    return failed;
}

int reeve_cli_spill(const struct reeve_cli_list *list, const char *size,
    struct reeve_node_options *node, char why[REEVE_WHY_SIZE])
{
    const char *variable = getenv("REEVE_SPILL");
    for (size_t i = 0; i < list->count; i++)
        if (add_list(list->items[i], node, why) != 0)
            return -1;
    if (list->count == 0 && variable != NULL && *variable) {
        if (add_list(variable, node, why) != 0)
            return -1;
    } else if (list->count == 0 && reeve_spill_default_folder() != NULL) {
        folders[node->spill_folder_count++] = reeve_spill_default_folder();
    }
    node->spill_folders = folders;
    uint64_t disk_bytes = 0;
    for (uint32_t i = 0; i < node->spill_folder_count; i++)
        disk_bytes += reeve_spill_disk_bytes(folders[i]);
    if (size == NULL)
        return 0;
    if (reeve_parse_size(size, disk_bytes, &node->spill_bytes, why) != 0)
        return -1;
    if (node->spill_bytes < SIZE_MIN && node->spill_folder_count > 0) {
        snprintf(why, REEVE_WHY_SIZE, "%.80s is not enough: at least 1MiB, or --spill none", size);
        return -1;
    }
    return 0;
}
