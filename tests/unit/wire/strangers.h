/* Plain sockets that connect to a listener of ours, and say what they like. */
#ifndef REEVE_TESTS_UNIT_WIRE_STRANGERS_H
#define REEVE_TESTS_UNIT_WIRE_STRANGERS_H

#include <stddef.h>

int stranger_connect(unsigned port);
void stranger_say(int fd, const void *bytes, size_t size);
/* A message as it is sent by TCP (sp.h); NULL: only its head. */
void stranger_say_message(int fd, const void *bytes, size_t size);
/* The other side closes it, which must come; then it is closed here, too. */
void stranger_until_closed(int fd);

#endif
