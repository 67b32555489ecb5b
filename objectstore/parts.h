/* What the files of the store core ask of each other. Only files of this folder include it. */
#ifndef REEVE_OBJECTSTORE_PARTS_H
#define REEVE_OBJECTSTORE_PARTS_H

#include "objectstore/state.h"

/* object.c, pins.c, owners.c: the table and copies elsewhere; pins; whose each is. */
static inline struct store_object *store_object_at(const struct reeve_store *store, uint32_t number)
{
    return reeve_slab_at(&store->objects, number);
}
struct store_owner *store_owner_get(struct reeve_store *store, reeve_process_id process);
/* In its ring: first, or (what is freed) last. */
void store_owner_add(
    struct reeve_store *store, struct store_owner *owner, struct store_object *object, bool first);
void store_owner_remove(
    struct reeve_store *store, struct store_owner *owner, struct store_object *object);
struct store_object *store_object_find(const struct reeve_store *store, struct reeve_object_id id);
/* The first in one slot (there are table_size + table_old_size of them), and the next after it. */
const struct store_object *store_table_slot(const struct reeve_store *store, uint32_t slot);
const struct store_object *store_table_next(
    const struct reeve_store *store, const struct store_object *object);
/* New, in the table and with its owner; without extent. */
struct store_object *store_object_add(
    struct reeve_store *store, struct reeve_object_id id, enum store_object_state state);
/* Gives it its extent, and counts it. */
void store_object_place(struct reeve_store *store, struct store_object *object,
    struct reeve_extent *extent, uint32_t pad);
/* Loses it, for a place on disk; with that the object is spilled. */
void store_object_drop(struct reeve_store *store, struct store_object *object);
/* Out of all tables; its extent is free. It has no pins, no fetch and no restore. */
void store_object_remove(struct reeve_store *store, struct store_object *object);
void store_pin(struct reeve_store *store, struct store_object *object, struct store_client *client);
/* False: the client holds none. */
bool store_unpin(
    struct reeve_store *store, struct store_object *object, struct store_client *client);
/* The client's pin that has been there longest; NULL: it holds none. */
struct store_pin *store_pin_first(
    const struct reeve_store *store, const struct store_client *client);
void store_pin_drop(struct reeve_store *store, struct store_pin *pin);
/* The anchor's end, without a look at what becomes of the object; false: it had none. */
bool store_anchor_end(struct reeve_store *store, struct store_object *object);
/* For its owner. Once, however often it is said. */
void store_anchor(struct reeve_store *store, struct store_object *object);
/* False: it is not anchored. */
bool store_unanchor(struct reeve_store *store, struct store_object *object);
/* The pins are gone, or the object has just become a copy: where does it belong now? */
void store_object_settle(struct reeve_store *store, struct store_object *object);
struct store_copy *store_copy_note(
    struct reeve_store *store, struct store_object *object, uint32_t node);
/* It is in no list of what is not pinned, until it settles again. */
void store_object_unlist(struct reeve_store *store, struct store_object *object);
void store_copies_drop(struct store_object *object);
/* Its owner needs it no more, or is gone (code: what those who wait for it are told). Nodes with
 * copies are told by the primary only, which knows them all, and whether somebody holds it. */
void store_object_free(struct reeve_store *store, struct store_object *object, int code);
/* `pin`: where its owner had anchored it, it has a pin instead. */
void store_object_give(
    struct reeve_store *store, struct store_object *object, reeve_process_id heir, bool pin);
/* A copy of what was given away, and lies on that node: it is nobody's here. */
void store_object_disown(struct reeve_store *store, struct store_object *object, uint32_t node);
bool store_owner_is_gone(const struct reeve_store *store, reeve_process_id process);
void store_owner_gone(struct reeve_store *store, reeve_process_id process);
/* Who owns a copy of what was given away and lies on that node, as far as is known here: nobody. */
static inline reeve_process_id store_nobody(uint32_t node)
{
    return reeve_process_id_make(node, 0);
}
static inline bool store_is_nobody(reeve_process_id process)
{
    return (uint32_t)process == 0;
}
/* A node has died (0: some other): copies of what lay there and was nobody's serve those who still
 * want them for a while, then they go. */
void store_orphans_begin(struct reeve_store *store, uint32_t node);
void store_orphans_tick(struct reeve_store *store);
/* One slice of what the dead have left; true: there is more. */
bool store_bury_owners(struct reeve_store *store);

/* room.c: extents for objects; what is done when there are none. */
/* NULL: not now. */
struct reeve_extent *store_room_take(
    struct reeve_store *store, struct store_client *client, uint64_t bytes);
/* What nobody needs yet: more than that where it is cold, up to the end of a block, so that its
 * writer can touch whole blocks. */
struct reeve_extent *store_room_take_ahead(
    struct reeve_store *store, struct store_client *client, uint64_t bytes);
void store_room_release(struct reeve_store *store, struct reeve_extent *extent);
/* Something of it has been taken: it is not idle, and must not be dropped. */
void store_room_busy(struct reeve_store *store, struct reeve_segment *segment);
void store_room_shrink(struct reeve_store *store, struct reeve_extent *extent, uint32_t units);
/* An object of so many bytes can never be stored. */
bool store_room_never(const struct reeve_store *store, uint64_t bytes);
/* The client is dead: what it wrote in belongs to nobody now. */
void store_room_orphan(struct reeve_store *store, struct store_client *client);
void store_room_drop_idle(struct reeve_store *store);
/* At the end of the store: all that is empty. */
void store_room_drop_all(struct reeve_store *store);
struct reeve_segment *store_segment_find(const struct reeve_store *store, uint32_t id);

/* For one object at a time, or (into whichever arena) for many. */
struct reeve_segment *store_segment_add(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes);
/* So that the shell knows of it. */
void store_segment_make(struct reeve_store *store, struct reeve_segment *segment);
/* An orphan gets a writer. */
void store_segment_adopt(
    struct reeve_store *store, struct store_client *client, struct reeve_segment *segment);
/* So much could be touched now without anything being given back. */
bool store_room_has(const struct reeve_store *store, uint64_t bytes);
/* Counts the extent as touched; gives how much of it was not before. */
uint64_t store_room_commit(struct reeve_store *store, const struct reeve_extent *extent);

/* Pages of so many bytes have gone. */
void store_room_uncommit(struct reeve_store *store, uint64_t bytes);

/* return.c: pages given back. */
/* So much may be given back at once, and is counted: the loop has to go on. */
bool store_return_now(struct reeve_store *store, uint64_t bytes);
/* Gives back what is warm of a free extent, or begins to; with *ret_bytes, at most about so much.
 * The extent may have been cut afterwards. */
void store_return(struct reeve_store *store, struct reeve_extent *extent, uint64_t bytes_max,
    uint64_t *ret_bytes);
void store_return_arena(
    struct reeve_store *store, struct reeve_arena *arena, uint64_t bytes_max, uint64_t *ret_bytes);
void store_return_serve(struct reeve_store *store);
void store_return_done(struct reeve_store *store, const struct reeve_store_event *event);
void store_return_fini(struct reeve_store *store);

/* prepare.c: pages made ready ahead. */
/* The smallest reserve that has so much and is ready, at least in part. */
struct reeve_segment *store_reserve_find(struct reeve_store *store, uint32_t units);
/* A writer has just come that wants its memory ready. */
void store_prepare_client(struct reeve_store *store, struct store_client *client);
/* The segment has just been shown to its writer. */
void store_prepare_shown(struct reeve_store *store, struct reeve_segment *segment);
/* Room that has just been taken there was cold. */
void store_prepare_touched(
    struct reeve_store *store, const struct reeve_segment *segment, uint64_t bytes);
/* A grant is given; store_grant_end ends that. */
void store_prepare_pause(struct reeve_store *store, struct store_grant *grant);
uint64_t store_prepare_deadline(const struct reeve_store *store);
void store_prepare_serve(struct reeve_store *store);
void store_prepare_done(struct reeve_store *store, const struct reeve_store_event *event);

/* queue.c: what waits for room. */
void store_queue_create(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_queue_pull(struct reeve_store *store, struct store_fetch *fetch);
void store_queue_restore(struct reeve_store *store, struct store_restore *restore);
bool store_queue_is_empty(const struct reeve_store *store);
void store_queue_serve(struct reeve_store *store);
void store_queue_tick(struct reeve_store *store);
/* Whoever anchors something, or has been granted room ahead, is asked to let go of so much. */
void store_relax(struct reeve_store *store, uint64_t bytes);
struct store_request *store_request_add(struct reeve_store *store, struct store_client *client,
    const struct reeve_store_event *event, struct store_fetch *fetch,
    struct store_restore *restore);
void store_request_free(struct store_request *request);
/* Tells all who wait for the object that it cannot be had. */
void store_requests_fail(struct reeve_store *store, struct reeve_list *waiters,
    struct reeve_object_id id, int code, const char *text);

/* pull.c: objects on their way here. */
void store_pull_get(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
/* A primary that is damaged on disk is fetched from nodes that were sent it, and goes to those who
 * wait for the restore, which ends. False: no other node has it. */
bool store_pull_mend(struct reeve_store *store, struct store_restore *restore, int damage);
void store_pull_placed(struct reeve_store *store, struct store_fetch *fetch);
/* The size has become known, or a piece is here. */
void store_pull_sized(struct reeve_store *store, struct store_fetch *fetch, uint64_t size);
void store_pull_landed(struct reeve_store *store, struct store_fetch *fetch, uint32_t index);
/* Nothing is left to hold the extent of what may be a wreck: then it goes. */
void store_pull_settle(struct reeve_store *store, struct store_fetch *fetch);
/* The waiters get the object, pinned for each. */
void store_pull_answer(
    struct reeve_store *store, struct store_object *object, struct reeve_list *waiters);
/* The object is forgotten, because a better one takes its place; those who wait for it move to
 * `waiters`. */
void store_pull_replace(
    struct reeve_store *store, struct store_fetch *fetch, struct reeve_list *waiters);
/* All who wait are told; the object is forgotten. */
void store_pull_fail(
    struct reeve_store *store, struct store_fetch *fetch, int code, const char *text);

/* source.c: what is asked of which node. */
void store_source_add(struct reeve_store *store, struct store_fetch *fetch, uint32_t node);
void store_sources_drop(struct reeve_store *store, struct store_fetch *fetch);
/* Something has changed: asks for as much as may be asked for. */
void store_sources_ask(struct reeve_store *store, struct store_fetch *fetch);
void store_source_answer(struct reeve_store *store, const struct reeve_store_event *event);
/* The answer will take a while. */
void store_source_busy(struct reeve_store *store, uint64_t number);
/* That node asks for the object itself: what is damaged here is not to be had there. */
void store_source_lacks(struct reeve_store *store, struct store_fetch *fetch, uint32_t node);
void store_source_peer_down(struct reeve_store *store, uint32_t node);
void store_source_tick(struct reeve_store *store);
static inline uint64_t store_piece_offset(const struct reeve_store *store, uint32_t index)
{
    return index * (uint64_t)store->settings.piece_size_bytes;
}
static inline uint64_t store_piece_length(
    const struct reeve_store *store, uint64_t size, uint32_t index)
{
    uint64_t offset = store_piece_offset(store, index);
    return REEVE_MIN(size - offset, (uint64_t)store->settings.piece_size_bytes);
}
static inline bool store_is_small(const struct reeve_store *store, uint64_t size)
{
    return size <= store->settings.piece_size_bytes * (uint64_t)STORE_SMALL_PIECES;
}

/* serve.c: what other nodes ask for. */
void store_serve_pull(struct reeve_store *store, const struct reeve_store_event *event);
void store_serve_sent(struct reeve_store *store, uint64_t number);
/* What has been asked for while the object was on disk; it is in memory now, or (code) will not
 * be. */
void store_serve_ask(
    struct reeve_store *store, struct store_object *object, const struct store_ask *ask, int code);
/* A piece is here: those who wait for it get it. */
void store_serve_parked(struct reeve_store *store, struct store_fetch *fetch, uint32_t index);
/* It will never be here. */
void store_serve_refuse(struct reeve_store *store, struct store_fetch *fetch);
/* What goes out of the extent of the fetch goes out of the object from now on. */
void store_serve_sealed(
    struct reeve_store *store, struct store_fetch *fetch, struct store_object *object);
/* That node has forgotten what it asked for. */
void store_serve_forget(struct reeve_store *store, uint32_t node);
/* spill.c: what goes to disk and when. */
void store_spill_init(struct reeve_store *store);
void store_spill_fini(struct reeve_store *store); /* after all objects are gone */
static inline bool store_can_spill(const struct reeve_store *store)
{
    return store->settings.spill_folder_count > 0;
}
/* Something has gone from disk: folders that were full are tried again. */
void store_spill_space(struct reeve_store *store);
/* Begins what should be written now. */
void store_spill_pump(struct reeve_store *store);
void store_spill_written(struct reeve_store *store, const struct reeve_store_event *event);
/* So much more leaves room for what is to be read back. */
bool store_spill_may_create(const struct reeve_store *store, uint64_t bytes);
/* Something is being written or could be: room may come of it. */
bool store_spill_can_move(const struct reeve_store *store);
/* In the disk's own words; NULL: nothing is known. */
void store_folder_why(struct reeve_store *store, uint32_t folder, const char *why);
/* When a folder that has failed is tried again, if anything waits for that; else UINT64_MAX. */
uint64_t store_spill_deadline(const struct reeve_store *store);
/* "and /var/tmp is full" or nothing; the length. */
int store_spill_describe(const struct reeve_store *store, char *text, size_t size);
uint32_t store_spill_failed_folders(const struct reeve_store *store);

/* place.c: where in which file. */
/* In the folder's current file or a new one; NULL: the limit is reached. */
struct store_place *store_place_take(
    struct reeve_store *store, struct store_object *object, uint32_t folder);
/* It is needed no more, and forgotten. */
void store_place_free(struct reeve_store *store, struct store_place *place);
struct store_place *store_place_find(
    const struct reeve_store *store, const struct store_object *object);
/* The object is going, or what is on disk of it is not wanted any more. */
void store_place_leave(struct reeve_store *store, struct store_object *object);
/* Nothing more is written to the folder's file. */
void store_file_end(struct reeve_store *store, uint32_t folder);
const char *store_place_check(const struct reeve_store *store);

/* restore.c: the way back. */
void store_restore_get(struct reeve_store *store, struct store_client *client,
    const struct reeve_store_event *event, struct store_object *object);
/* A node wants a piece of an object that is not in memory. */
void store_restore_ask(
    struct reeve_store *store, struct store_object *object, const struct reeve_store_event *event);
/* It has got its room. */
void store_restore_placed(
    struct reeve_store *store, struct store_restore *restore, struct reeve_extent *extent);
void store_restore_read(struct reeve_store *store, const struct reeve_store_event *event);
/* All who wait are told; the object is spilled as before. */
void store_restore_fail(
    struct reeve_store *store, struct store_object *object, int code, const char *text);
/* Why it cannot be had, for people. */
void store_restore_describe(const struct reeve_store *store, const struct store_object *object,
    int damage, char *text, size_t size);
/* It waits for room that nothing will give, to be read from where nothing can be read. */
bool store_restore_is_hopeless(
    const struct reeve_store *store, const struct store_restore *restore);
/* Those who wait are told what the disk said last. */
void store_restore_despair(struct reeve_store *store, struct store_restore *restore);
/* Its place in memory has been taken from it, or (NULL) from its restore. */
void store_restore_end(struct store_restore *restore);
/* One who waited does so no more. */
void store_restore_unwanted(struct reeve_store *store, struct store_restore *restore);
/* It has come otherwise: those who wait move to `waiters`; the object has no restore any more. */
void store_restore_replace(
    struct reeve_store *store, struct store_object *object, struct reeve_list *waiters);

/* As events name a node: our own, or (0) none. */
static inline bool store_is_here(const struct reeve_store *store, uint32_t node)
{
    return node == 0 || node == store->settings.node;
}

/* tell.c: what other nodes must hear. */
struct store_peer *store_peer_get(struct reeve_store *store, uint32_t node);
void store_peer_free(struct reeve_store *store, struct store_peer *peer);
/* Once for all: it is said until it has been heard, or the node is dead. */
void store_tell(struct reeve_store *store, uint32_t node, struct reeve_object_id id);
/* The same, with its number; 0: the node is dead, and is told nothing. */
uint64_t store_tell_word(struct reeve_store *store, uint32_t node, const struct store_word *word);
void store_tell_all(struct reeve_store *store, struct reeve_object_id id);
/* A word of that node that has not been heard before, by its number; 0: it has none. */
bool store_tell_is_news(struct reeve_store *store, uint32_t node, uint64_t word);
void store_tell_heard(struct reeve_store *store, uint32_t node, uint64_t number);
void store_tell_reset(struct reeve_store *store, uint32_t node);
void store_tell_tick(struct reeve_store *store);

/* status.c: in extents, of objects and of grants. */
uint64_t store_used_bytes(const struct reeve_store *store);
/* hold.c: who needs an object besides its owner. */
void store_hold(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder, uint64_t token);
/* The hold is the event's heir's from now on, who is told. Where there is no such hold, it has
 * ended with its holder. */
void store_hold_hand(
    struct reeve_store *store, const struct reeve_store_event *event, reeve_process_id holder);
void store_unhold(
    struct reeve_store *store, struct reeve_object_id id, reeve_process_id holder, uint64_t token);
/* Its owner needs the actor no more: is told when nobody else does. */
void store_actor_free(struct reeve_store *store, struct reeve_object_id id);
/* Its owner needs it no more. True: others do, and it goes with the last of them. */
bool store_hold_defers(struct reeve_store *store, const struct store_object *object);
void store_holder_gone(struct reeve_store *store, reeve_process_id process);
void store_hold_peer_down(struct reeve_store *store, uint32_t node);
/* A client asks to hold; it is answered when the node where the object lies knows. */
void store_hold_ask(
    struct reeve_store *store, const struct reeve_store_event *event, reeve_process_id holder);
/* Says the word to another node; whoever asked is answered when that has heard it. */
void store_hold_say(struct reeve_store *store, const struct reeve_store_event *event,
    const struct store_word *word);
void store_hold_answer(
    struct reeve_store *store, struct store_hold_wait *wait, int code, const char *text);
void store_hold_heard(struct reeve_store *store, uint32_t node, uint64_t number);
void store_hold_closed(struct reeve_store *store, uint32_t client);
void store_hold_fini(struct reeve_store *store);
const char *store_hold_check(const struct reeve_store *store);

/* gift.c: heirs hear of what they are given. */
/* What lies here is the heir's from now on (`holder`: who that is; token 0: the object). */
void store_gift_tell(struct reeve_store *store, const struct store_word *gift);
/* The same, from the node where it lies. */
void store_gift_told(struct reeve_store *store, const struct reeve_store_event *event);

/* clients.c: processes of this node. */
struct store_client *store_client_create(
    struct reeve_store *store, uint32_t handle, reeve_process_id process);
/* NULL: it is no longer there. */
struct store_client *store_client_find(struct reeve_store *store, uint32_t handle);
void store_client_added(struct reeve_store *store, const struct reeve_store_event *event);
void store_client_closed(struct reeve_store *store, struct store_client *client);
void store_client_reaped(struct reeve_store *store, struct store_client *client);
void store_request_cancel(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
/* One slice of what dead clients have left; true: there is more. */
bool store_bury_clients(struct reeve_store *store);

/* seal.c: granted room. */
void store_seal(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_abort(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
/* Its extent is the object's from now on; or free. */
void store_grant_end(struct reeve_store *store, struct store_grant *grant);
void store_grant_abort(struct reeve_store *store, struct store_grant *grant);

/* give.c: what owners, holders and other nodes do with objects. */
void store_let_go(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_free(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_give(
    struct reeve_store *store, struct store_client *client, const struct reeve_store_event *event);
void store_peer_word(struct reeve_store *store, const struct reeve_store_event *event);

/* commands.c: what is told. */
void store_reply_seal(struct reeve_store *store, const struct reeve_store_event *event,
    const struct store_object *object, int code, const char *text);
struct reeve_store_command *store_command(
    struct reeve_store *store, enum reeve_store_command_kind kind);
void store_show(struct reeve_store *store, struct store_client *client,
    struct reeve_segment *segment, bool writable);
void store_reply_get(struct reeve_store *store, struct store_client *client, uint32_t request,
    struct store_object *object);
void store_reply_get_failed(struct reeve_store *store, struct store_client *client,
    uint32_t request, struct reeve_object_id id, int code, const char *text);
/* "3 (host)", as far as that is known. */
void store_node_name(const struct reeve_store *store, uint32_t node, char *ret, size_t size);
/* "object 3.7/12": node, serial and sequence. */
void store_object_name(struct reeve_object_id id, char *ret, size_t size);

#endif
