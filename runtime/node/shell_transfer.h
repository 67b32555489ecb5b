/* What shell_store.c asks of shell_transfer.c; see there. */
#ifndef REEVE_NODE_SHELL_TRANSFER_H
#define REEVE_NODE_SHELL_TRANSFER_H

#include "runtime/node/shell_store.h"

void reeve_transfer_init(struct reeve_store_shell *shell);
void reeve_transfer_fini(struct reeve_store_shell *shell);
/* The store's commands. */
void reeve_transfer_pull(
    struct reeve_store_shell *shell, const struct reeve_store_command *command);
void reeve_transfer_drop(
    struct reeve_store_shell *shell, const struct reeve_store_command *command);
void reeve_transfer_send(
    struct reeve_store_shell *shell, const struct reeve_store_command *command);
/* False: the message is not about pieces. */
bool reeve_transfer_message(
    struct reeve_store_shell *shell, uint32_t node, const Reeve__Message *message, int *ret_code);
/* A new session, or the node is dead: what was under way is answered. */
void reeve_transfer_reset(struct reeve_store_shell *shell, uint32_t node);

#endif
