/*
 * The one list of Reeve's error codes. From it come the enum below and, in the library, the names
 * and texts that reeve_error_name and reeve_strerror give. <reeve.h> includes this file; programs
 * need not.
 *
 * Codes are stable: new ones are added at the end, none is renumbered. They are far from -errno, so
 * that the two are not mistaken for each other. Success is 0; codes a remote function gives to
 * reeve_fail are its own.
 */
#ifndef REEVE_ERRORS_H
#define REEVE_ERRORS_H

/* The list: name, number, text. REEVE_ERROR_MAP(X) is X(EINVAL, -1001, "bad argument") and so
 * on, for programs that want a table of their own. */
#define REEVE_ERROR_MAP(X)                                                             \
    X(EINVAL, -1001, "bad argument")                                                   \
    X(ENOMEM, -1002, "out of memory")                                                  \
    X(ETIMEDOUT, -1003, "the wait timed out")                                          \
    X(ETASKTIMEOUT, -1004, "the function exceeded its time limit")                     \
    X(ECANCELLED, -1005, "the task was cancelled")                                     \
    X(EFUNCTION, -1006, "the function reported a failure")                             \
    X(EWORKERDIED, -1007, "the worker process died while running the task")            \
    X(ENODEDIED, -1008, "the node died")                                               \
    X(EOWNERDIED, -1009, "the process that owned the value died")                      \
    X(ELOST, -1010, "the object was lost and cannot be made again")                    \
    X(EFULL, -1011, "the object store is full")                                        \
    X(ETOOLARGE, -1012, "the value is larger than the object store or a limit allows") \
    X(ETYPE, -1013, "a value has the wrong type")                                      \
    X(EARITY, -1014, "wrong number of arguments")                                      \
    X(EDEPTH, -1015, "a value or call is nested too deep")                             \
    X(ENOFUNCTION, -1016, "the program has no such remote function")                   \
    X(EMISMATCH, -1017, "worker and driver have different tables of remote functions") \
    X(EPROGRAM, -1018, "the program cannot run on the node")                           \
    X(ENOCLUSTER, -1019, "the cluster's head cannot be reached")                       \
    X(EADDRESS, -1020, "malformed address")                                            \
    X(EADDRINUSE, -1021, "the address is already in use")                              \
    X(EKEY, -1022, "wrong or missing cluster key")                                     \
    X(EVERSION, -1023, "the peer speaks another version of the protocol")              \
    X(EPROTOCOL, -1024, "malformed message from a peer")                               \
    X(EHANDLE, -1025, "stale or foreign handle")                                       \
    X(ESHUTDOWN, -1026, "called after shutdown")                                       \
    X(EFORKED, -1027, "called in a forked child, which has no connection of its own")  \
    X(ENOTINIT, -1028, "called before reeve_init")                                     \
    X(EDEADLK, -1029, "waiting would never end: the tasks wait for each other")        \
    X(EINFEASIBLE, -1030, "no node could ever satisfy the resources asked for")        \
    X(ESYSTEM, -1031, "operating system error")                                        \
    X(EBUSY, -1032, "in use by someone else")                                          \
    X(ESTATE, -1033, "the state folder cannot be used")                                \
    X(EAGAIN, -1034, "not ready yet; try again")                                       \
    X(EINTERNAL, -1035, "internal error: please report it")                            \
    X(EREFUSED, -1036, "nothing listens at the address")                               \
    X(ELINK, -1037, "the connection was lost")                                         \
    X(ECORRUPT, -1038, "stored bytes are damaged")                                     \
    X(EACTORDIED, -1039, "the actor is dead")                                          \
    X(EUNREACHABLE, -1040, "it cannot be reached now")                                 \
    X(EEXIST, -1041, "the name is taken")                                              \
    X(EEND, -1042, "the stream has ended")

/* All codes: REEVE_EINVAL and so on. */
enum reeve_error {
    REEVE_OK = 0, /* success */
#define REEVE_ERROR_ENUM_(name, number, text) REEVE_##name = number,
    REEVE_ERROR_MAP(REEVE_ERROR_ENUM_)
#undef REEVE_ERROR_ENUM_
};

#endif
