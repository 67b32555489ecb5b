/* The backend that runs tasks on a cluster: not there yet. */
#include "api/client/backend.h"

#include "api/client/error.h"

int reeve_cluster_backend_start(int argc, char **argv, const struct reeve_settings *settings,
    struct reeve_backend **ret, struct reeve_error_info *error)
{
    (void)argc;
    (void)argv;
    (void)settings;
    (void)ret;
    return reeve_error_set(error, REEVE_ENOCLUSTER,
        "this build cannot start or join a cluster: set REEVE_MODE=inline to run tasks in this "
        "process");
}
