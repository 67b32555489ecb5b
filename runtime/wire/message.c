/* Names of the control messages; the structs and their meaning are in message.h. */
#include "runtime/wire/message.h"

const char *reeve_message_kind_name(enum reeve_message_kind kind)
{
    switch (kind) {
    case REEVE_MESSAGE_NONE: return "NONE";
    case REEVE_MESSAGE_JOIN: return "JOIN";
    case REEVE_MESSAGE_HOLDING: return "HOLDING";
    case REEVE_MESSAGE_DEMAND: return "DEMAND";
    case REEVE_MESSAGE_REFUSED: return "REFUSED";
    case REEVE_MESSAGE_ENDED: return "ENDED";
    case REEVE_MESSAGE_LENT: return "LENT";
    case REEVE_MESSAGE_JOB_BEGIN: return "JOB_BEGIN";
    case REEVE_MESSAGE_JOB_END: return "JOB_END";
    case REEVE_MESSAGE_WELCOME: return "WELCOME";
    case REEVE_MESSAGE_PEER_UP: return "PEER_UP";
    case REEVE_MESSAGE_PEER_DOWN: return "PEER_DOWN";
    case REEVE_MESSAGE_GRANT: return "GRANT";
    case REEVE_MESSAGE_RECALL: return "RECALL";
    case REEVE_MESSAGE_INFEASIBLE: return "INFEASIBLE";
    case REEVE_MESSAGE_HEARTBEAT: return "HEARTBEAT";
    case REEVE_MESSAGE_OPEN: return "OPEN";
    case REEVE_MESSAGE_FAILED: return "FAILED";
    case REEVE_MESSAGE_LOST: return "LOST";
    case REEVE_MESSAGE_RETURN: return "RETURN";
    case REEVE_MESSAGE_BLOCKED: return "BLOCKED";
    case REEVE_MESSAGE_STUCK: return "STUCK";
    case REEVE_MESSAGE_DEADLOCK: return "DEADLOCK";
    case REEVE_MESSAGE_NAME_CLAIM: return "NAME_CLAIM";
    case REEVE_MESSAGE_NAME_FIND: return "NAME_FIND";
    case REEVE_MESSAGE_NAME_DROP: return "NAME_DROP";
    case REEVE_MESSAGE_NAMED: return "NAMED";
    case REEVE_MESSAGE_KIND_COUNT: break;
    }
    return "UNKNOWN";
}
