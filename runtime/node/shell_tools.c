/* Requests of tools, which come by way of the head.
 *
 *   node.status   {}   the facts of this node, as JSON
 *   node.tasks    {}   what runs and waits here, shell_tasks.c
 *   node.actors   {}   the actors of processes here, and their hosts, shell_actors.c
 *   node.timeline {}   what has been run here lately, shell_timeline.c
 *   objects            shell_listing.c
 *   actor.kill         shell_keepers.c
 *   all others         shell_runs.c */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/node/shell_daemon.h"

static void reply(struct daemon *daemon, reeve_peer to, uint64_t id, int code, const char *result)
{
    Reeve__ToolReply body = REEVE__TOOL_REPLY__INIT;
    Reeve__Message message = REEVE__MESSAGE__INIT;
    body.id = id;
    body.code = code;
    body.result = (char *)result;
    message.body_case = REEVE__MESSAGE__BODY_TOOL_REPLY;
    message.tool_reply = &body;
    (void)reeve_link_send(daemon->link, to, &message);
}

static void status(struct daemon *daemon, reeve_peer to, uint64_t id)
{
    struct reeve_node_facts facts;
    char text[1024];
    reeve_node_get_facts(daemon->core, &facts);
    snprintf(text, sizeof text,
        "{\"node\":%" PRIu32 ",\"pid\":%d,\"socket\":\"%s\",\"draining\":%s,\"cpu_milli\":%" PRIu32
        ",\"cpu_used_milli\":%" PRIu32 ",\"drivers\":%" PRIu32 ",\"jobs\":%" PRIu32
        ",\"peers\":%" PRIu32 ",\"workers\":{\"starting\":%" PRIu32 ",\"idle\":%" PRIu32
        ",\"leased\":%" PRIu32 ",\"ending\":%" PRIu32 "},\"leases\":{\"waiting\":%" PRIu32
        ",\"executing\":%" PRIu32 ",\"held\":%" PRIu32 "},\"stale\":%" PRIu64 "}",
        facts.node, (int)getpid(), daemon->socket_name, facts.draining ? "true" : "false",
        facts.cpu_milli, facts.cpu_used_milli, facts.drivers, facts.jobs, facts.peers,
        facts.workers_starting, facts.workers_idle, facts.workers_leased, facts.workers_ending,
        facts.leases_waiting, facts.leases_executing, facts.leases_held, facts.stale);
    reply(daemon, to, id, REEVE_OK, text);
}

void daemon_tool_request(struct daemon *daemon, reeve_peer from, const Reeve__ToolRequest *request)
{
    if (strcmp(request->method, "node.status") == 0) {
        status(daemon, from, request->id);
    } else if (strcmp(request->method, "node.tasks") == 0) {
        char *text = daemon_tasks_json(daemon);
        reply(daemon, from, request->id, text != NULL ? REEVE_OK : REEVE_ENOMEM, text);
        free(text);
    } else if (strcmp(request->method, "node.actors") == 0) {
        daemon_actors_asked(daemon, from, request->id);
    } else if (strcmp(request->method, "node.timeline") == 0) {
        char *text = daemon_timeline_json(daemon);
        reply(daemon, from, request->id, text != NULL ? REEVE_OK : REEVE_ENOMEM, text);
        free(text);
    } else if (strcmp(request->method, "objects") == 0 && from == daemon->head_session) {
        daemon_list_objects(daemon, from, request);
    } else if (strcmp(request->method, "actor.kill") == 0 && from == daemon->head_session) {
        daemon_keeper_kill_asked(daemon, from, request);
    } else if (strcmp(request->method, "job.stop") == 0 && from == daemon->head_session) {
        daemon_job_stop(daemon, from, request);
    } else if (from == daemon->head_session) {
        reeve_runs_request(daemon->runs, from, request);
    } else {
        reply(daemon, from, request->id, REEVE_EINVAL, "requests come by way of the head");
    }
}
