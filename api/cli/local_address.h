/* Where a process that talks to a head should listen: where the head can dial it, and nowhere
 * else. */
#ifndef REEVE_CLI_LOCAL_ADDRESS_H
#define REEVE_CLI_LOCAL_ADDRESS_H

#include "runtime/wire/message.h"

/* The head on an abstract socket: another such; on tcp: any free port of the local address from
 * which the head is reached (loopback when it is on loopback). REEVE_EADDRESS, or
 * REEVE_ENOCLUSTER when there is no route or no such host; `text` (REEVE_TEXT_SIZE bytes) says
 * why. */
int reeve_cli_local_address(
    const char *head, const char *purpose, char listen[REEVE_ADDRESS_SIZE], char *text);

#endif
