/* Primaries that go to disk and come back. */
#include "tests/unit/objectstore/kit.h"

static const char *const folders[] = {"/one", "/two"};

/* A store of 8 MiB that writes to so many folders; client 5 is there. */
static void init(struct kit *kit, uint32_t folder_count, uint64_t limit)
{
    struct reeve_store_settings settings = {.capacity_bytes = 8 * MIB,
        .segment_size_bytes = 8 * MIB,
        .node = OWN_NODE,
        .spill_folders = folders,
        .spill_folder_count = folder_count,
        .spill_file_bytes = 4 * MIB,
        .spill_window_bytes = 8 * MIB,
        .spill_limit_bytes = limit};
    kit->store = reeve_store_create(&settings);
    kit->now_ns = SECOND;
    reeve_fifo_init(&kit->out, sizeof(struct reeve_store_command));
    client_added(kit, 5);
}

static struct reeve_object_id object(uint64_t sequence)
{
    return OBJECT(PROCESS(5), sequence);
}

static void written(struct kit *kit, const struct reeve_store_command *write, int code)
{
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_SPILL_WRITTEN,
                  .request = write->request,
                  .code = code,
                  .number = write->id.sequence * 1000});
}

static void read_back(struct kit *kit, const struct reeve_store_command *read, int code)
{
    step(kit, (struct reeve_store_event){
                  .kind = REEVE_STORE_SPILL_READ_DONE, .request = read->request, .code = code});
}

/* Creates and seals, whatever else comes of it; what is written is written at once, to the end of
 * `writes`. */
static void put_any(struct kit *kit, uint64_t sequence, uint64_t size, struct reeve_fifo *writes)
{
    struct reeve_store_command command, room = {0};
    create(kit, 5, 1, size);
    bool sealed = false;
    for (int turn = 0; turn < 12; turn++) {
        struct reeve_fifo out = kit->out;
        reeve_fifo_init(&kit->out, sizeof(command));
        while (reeve_fifo_pop(&out, &command)) {
            if (command.kind == REEVE_STORE_REPLY_CREATE)
                room = command;
            if (command.kind == REEVE_STORE_SPILL_WRITE) {
                *(struct reeve_store_command *)reeve_fifo_push(writes) = command;
                written(kit, &command, 0);
            }
        }
        reeve_fifo_fini(&out);
        if (room.kind != 0 && !sealed)
            seal(kit, 5, object(sequence), &room, size, 0);
        sealed = room.kind != 0;
    }
    assert_int_equal(room.code, 0);
    assert_int_not_equal(room.kind, 0);
    reeve_fifo_clear(&kit->out);
}

/* Objects 1 to 20, of a MiB each: most are on disk. `writes` is to be given up by its user. */
static void init_overfull(struct kit *kit, struct reeve_fifo *writes)
{
    init(kit, 1, 0);
    reeve_fifo_init(writes, sizeof(struct reeve_store_command));
    for (uint64_t i = 1; i <= 20; i++)
        put_any(kit, i, MIB, writes);
}

/* Objects 1 to 6, of a MiB each, and one that is being made: the oldest is to be written. */
static struct reeve_store_command init_above_the_mark(struct kit *kit, uint32_t folder_count)
{
    init(kit, folder_count, 0);
    for (uint64_t i = 1; i <= 6; i++)
        put(kit, 5, object(i), MIB);
    create(kit, 5, 1, MIB);
    take(kit, REEVE_STORE_REPLY_CREATE);
    return take(kit, REEVE_STORE_SPILL_WRITE);
}

static void test_a_store_that_fits_never_writes(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit, 1, 0);
    for (uint64_t i = 1; i <= 6; i++)
        put(&kit, 5, object(i), MIB);
    nothing_more(&kit);
    create(&kit, 5, 1, MIB); /* above the mark */
    struct reeve_store_command room = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(room.code, 0);
    struct reeve_store_command write = take(&kit, REEVE_STORE_SPILL_WRITE);
    assert_true(reeve_object_id_equal(write.id, object(1))); /* the oldest first */
    assert_int_equal(write.length, MIB);
    assert_int_equal(write.place, 0);
    nothing_more(&kit); /* an eighth of the store at a time */
    written(&kit, &write, 0);
    struct reeve_store_command next = take(&kit, REEVE_STORE_SPILL_WRITE);
    assert_int_equal(next.file, write.file);
    assert_int_equal(next.place, MIB);
    written(&kit, &next, 0); /* well below the mark */
    nothing_more(&kit);
    kit_fini(&kit);
}

/* It is made again while it is on disk: what the second attempt has made counts, there and here. */
static void test_sealed_while_on_disk(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_fifo writes;
    init_overfull(&kit, &writes);
    const struct reeve_store_command *first = reeve_fifo_peek(&writes);
    assert_true(reeve_object_id_equal(first->id, object(1)));
    struct reeve_store_command command, room = {0};
    create(&kit, 5, 1, MIB);
    while (reeve_fifo_pop(&kit.out, &command)) {
        if (command.kind == REEVE_STORE_REPLY_CREATE)
            room = command;
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(&kit, &command, 0);
    }
    assert_int_equal(room.kind, REEVE_STORE_REPLY_CREATE);
    seal(&kit, 5, object(1), &room, MIB, 0);
    uint32_t punched = 0;
    while (reeve_fifo_pop(&kit.out, &command))
        punched += command.kind == REEVE_STORE_SPILL_PUNCH && command.file == first->file &&
                   command.place == first->place;
    assert_int_equal(punched, 1);
    get(&kit, 5, 2, object(1), MIB, 0);
    while (command.kind != REEVE_STORE_REPLY_GET)
        assert_true(reeve_fifo_pop(&kit.out, &command));
    assert_int_equal(command.code, 0);
    assert_int_equal(command.segment, room.segment);
    assert_int_equal(command.offset, room.offset);
    unpin(&kit, 5, object(1));
    reeve_fifo_fini(&writes);
    kit_fini(&kit);
}

static void test_written_then_dropped_then_read_back(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_fifo writes;
    init_overfull(&kit, &writes);
    assert_in_range(status(&kit).spilled_count, 12, 20);
    assert_int_equal(status(&kit).object_count, 20);
    assert_true(status(&kit).committed_bytes <= 8 * MIB);

    get(&kit, 5, 9, object(1), MIB, 0);
    struct reeve_store_command command, read = {0};
    while (reeve_fifo_pop(&kit.out, &command)) {
        if (command.kind == REEVE_STORE_SPILL_READ)
            read = command;
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(&kit, &command, 0);
    }
    struct reeve_store_command *first = reeve_fifo_peek(&writes);
    assert_int_equal(read.file, first->file);
    assert_int_equal(read.place, first->place);
    assert_int_equal(read.length, MIB);
    assert_int_equal(read.number, 1000); /* the checksum */
    get(&kit, 5, 10, object(1), MIB, 0); /* waits for the same */
    nothing_more(&kit);
    read_back(&kit, &read, 0);
    take(&kit, REEVE_STORE_SEGMENT_SHOW);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    assert_int_equal(status(&kit).restored_count, 1);
    assert_int_equal(status(&kit).pin_count, 2);
    /* It keeps its place: dropped again it is not written again. */
    unpin(&kit, 5, object(1));
    unpin(&kit, 5, object(1));
    uint64_t before = status(&kit).written_count;
    for (uint64_t i = 1; i <= 20; i++) {
        get(&kit, 5, 11, object(i), MIB, 0);
        while (reeve_fifo_pop(&kit.out, &command)) {
            if (command.kind == REEVE_STORE_SPILL_READ)
                read_back(&kit, &command, 0);
            if (command.kind == REEVE_STORE_SPILL_WRITE)
                written(&kit, &command, 0);
        }
        unpin(&kit, 5, object(i));
    }
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(&kit, &command, 0);
    assert_true(status(&kit).written_count - before <= 8);
    for (uint64_t i = 1; i <= 20; i++)
        free_object(&kit, 5, object(i), 0);
    uint64_t closed = 0;
    while (reeve_fifo_pop(&kit.out, &command)) {
        closed += command.kind == REEVE_STORE_SPILL_CLOSE;
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(&kit, &command, 0);
    }
    assert_int_equal(status(&kit).disk_bytes, 0);
    assert_true(closed >= 3); /* at least 12 MiB, in files of 4 */
    reeve_fifo_fini(&writes);
    kit_fini(&kit);
}

static void test_read_while_it_is_written(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_store_command write = init_above_the_mark(&kit, 1);
    reeve_fifo_clear(&kit.out);
    get(&kit, 5, 2, object(1), MIB, 0); /* is answered from memory */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    written(&kit, &write, 0);
    reeve_fifo_clear(&kit.out);
    get(&kit, 5, 3, object(1), MIB, 0); /* pinned: it has not been dropped */
    assert_int_equal(take(&kit, REEVE_STORE_REPLY_GET).code, 0);
    nothing_more(&kit);
    kit_fini(&kit);
}

/* Its memory is not given to anybody else before the disk has read it. */
static void test_freed_while_it_is_written(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_store_command write = init_above_the_mark(&kit, 1);
    reeve_fifo_clear(&kit.out);
    uint64_t used = status(&kit).used_bytes;
    free_object(&kit, 5, object(1), 0);
    assert_int_equal(status(&kit).object_count, 5);
    assert_int_equal(status(&kit).used_bytes, used);
    written(&kit, &write, 0);
    assert_int_equal(status(&kit).used_bytes, used - MIB);
    assert_int_equal(count_of(&kit, REEVE_STORE_SPILL_CLOSE), 1);
    kit_fini(&kit);
}

static void test_damaged(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_fifo writes;
    init_overfull(&kit, &writes);
    static const int codes[] = {REEVE_ECORRUPT, REEVE_ESYSTEM, REEVE_OK};
    for (uint32_t i = 0; i < 3; i++) { /* it may be tried again */
        get(&kit, 5, 9, object(1), MIB, 0);
        struct reeve_store_command command, answer = {0};
        while (reeve_fifo_pop(&kit.out, &command)) {
            if (command.kind == REEVE_STORE_SPILL_READ)
                read_back(&kit, &command, codes[i]);
            if (command.kind == REEVE_STORE_REPLY_GET)
                answer = command;
        }
        assert_int_equal(answer.kind, REEVE_STORE_REPLY_GET);
        assert_int_equal(answer.code, codes[i] == REEVE_OK ? REEVE_OK : REEVE_ECORRUPT);
        if (i < 2)
            assert_non_null(strstr(answer.text, "/one"));
    }
    assert_int_equal(status(&kit).spill_damaged_count, 2);
    reeve_fifo_fini(&writes);
    kit_fini(&kit);
}

/* The next command of this kind; what is written meanwhile is. */
static struct reeve_store_command await(struct kit *kit, enum reeve_store_command_kind kind)
{
    struct reeve_store_command command;
    while (reeve_fifo_pop(&kit->out, &command)) {
        if (command.kind == kind)
            return command;
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(kit, &command, 0);
    }
    fail_msg("no %s came", reeve_store_command_name(kind));
    return command;
}

/* Objects 1 to 20, of which node 2 was sent the first, node 3 too; and the disk's answer to a GET
 * of that is `code`. Pieces are of 512 KiB. */
static void damage_the_first(struct kit *kit, int code)
{
    struct reeve_fifo writes;
    struct reeve_store_command answer;
    init(kit, 1, 0);
    reeve_fifo_init(&writes, sizeof(struct reeve_store_command));
    for (uint64_t i = 1; i <= 20; i++) {
        put_any(kit, i, MIB, &writes);
        for (uint32_t node = 2; i == 1 && node <= 3; node++) {
            step(kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
                          .node = node,
                          .id = object(1),
                          .length = 512 * KIB});
            answer = take(kit, REEVE_STORE_SEND_CHUNK);
            step(
                kit, (struct reeve_store_event){.kind = REEVE_STORE_SENT, .number = answer.serial});
        }
    }
    reeve_fifo_fini(&writes);
    get(kit, 5, 9, object(1), MIB, 0);
    struct reeve_store_command read = await(kit, REEVE_STORE_SPILL_READ);
    step(kit, (struct reeve_store_event){.kind = REEVE_STORE_SPILL_READ_DONE,
                  .request = read.request,
                  .code = code,
                  .text = "Input/output error"});
}

/* What is damaged on disk is fetched from a node that has a copy, and is then written anew. */
static void test_mended(void **state)
{
    (void)state;
    struct kit kit;
    damage_the_first(&kit, REEVE_ECORRUPT);
    struct reeve_store_command pieces[2];
    pieces[0] = await(&kit, REEVE_STORE_SEND_PULL);
    pieces[1] = await(&kit, REEVE_STORE_SEND_PULL);
    assert_in_range(pieces[0].node, 2, 3);
    get(&kit, 5, 10, object(1), MIB, 0);                                 /* waits for the same */
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL, /* and one elsewhere */
                   .node = 4,
                   .id = object(1),
                   .length = 512 * KIB,
                   .number = 77});
    assert_int_equal(count_of(&kit, REEVE_STORE_REPLY_GET), 0);
    uint64_t disk = status(&kit).spilled_bytes;
    chunk(&kit, &pieces[0], MIB);
    assert_int_equal(await(&kit, REEVE_STORE_SEND_CHUNK).number, 77);
    chunk(&kit, &pieces[1], MIB);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, 0);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, 0);
    assert_int_equal(status(&kit).spill_mended_count, 1);
    assert_int_equal(status(&kit).copy_bytes, 0); /* still the primary */
    assert_int_equal(status(&kit).spilled_bytes, disk - MIB);
    free_object(&kit, 5, object(1), 0);
    unpin(&kit, 5, object(1));
    unpin(&kit, 5, object(1));
    assert_int_equal(status(&kit).object_count, 20); /* it is still being sent */
    kit_fini(&kit);
}

/* No node has it any more: it is as it was, on disk, and the error is the disk's. */
static void test_not_to_be_mended(void **state)
{
    (void)state;
    struct kit kit;
    damage_the_first(&kit, REEVE_ESYSTEM);
    struct reeve_store_command answer = {0}, command;
    while (reeve_fifo_pop(&kit.out, &command)) {
        if (command.kind == REEVE_STORE_SEND_PULL)
            chunk_failed(&kit, command.number, REEVE_ELOST, 0);
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(&kit, &command, 0);
        if (command.kind == REEVE_STORE_REPLY_GET)
            answer = command;
    }
    assert_int_equal(answer.code, REEVE_ECORRUPT);
    assert_non_null(strstr(answer.text, "/one (Input/output error)"));
    assert_int_equal(status(&kit).spill_mended_count, 0);
    reeve_fifo_clear(&kit.out);
    get(&kit, 5, 11, object(1), MIB, 0); /* perhaps it can be read now */
    struct reeve_store_command read = await(&kit, REEVE_STORE_SPILL_READ);
    read_back(&kit, &read, 0);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, 0);
    kit_fini(&kit);
}

/* One that had a copy asks for it: it has none, and would wait for us as we for it. */
static void test_two_without(void **state)
{
    (void)state;
    struct kit kit;
    damage_the_first(&kit, REEVE_ECORRUPT);
    reeve_fifo_clear(&kit.out);
    for (uint32_t node = 2; node <= 3; node++)
        step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_PEER_PULL,
                       .node = node,
                       .id = object(1),
                       .length = 512 * KIB,
                       .number = node});
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ECORRUPT);
    for (uint32_t node = 2; node <= 3; node++)
        assert_int_equal(await(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_ECORRUPT);
    kit_fini(&kit);
}

/* While it is being mended its owner frees it, makes it anew, or ends. */
static void test_ends_while_it_is_mended(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct kit kit;
        damage_the_first(&kit, REEVE_ECORRUPT);
        if (way == 0) {
            free_object(&kit, 5, object(1), 0);
            assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ELOST);
            assert_int_equal(status(&kit).object_count, 19);
        } else if (way == 1) {
            create(&kit, 5, 12, MIB);
            struct reeve_store_command room = await(&kit, REEVE_STORE_REPLY_CREATE);
            seal(&kit, 5, object(1), &room, MIB, 0);
            assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, 0);
            assert_int_equal(status(&kit).object_count, 20);
        } else {
            client_reaped(&kit, 5);
            assert_int_equal(status(&kit).object_count, 0);
        }
        kit_fini(&kit);
    }
}

/* What is under way together goes to both. */
static void test_folders_are_used_side_by_side(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_store_command command;
    uint32_t counts[2] = {0};
    init(&kit, 2, 0);
    for (uint64_t i = 1; i <= 24; i++)
        put(&kit, 5, object(i), MIB / 4);
    create(&kit, 5, 1, MIB); /* above the mark */
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            counts[command.folder]++;
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 2);
    kit_fini(&kit);
}

/* One folder is full: the other takes it. Both are: who waits is told, and nothing is lost. */
static void test_full_folders(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_store_command write = init_above_the_mark(&kit, 2);
    assert_int_equal(write.folder, 0);
    nothing_more(&kit);
    written(&kit, &write, REEVE_EFULL);
    take(&kit, REEVE_STORE_SPILL_CLOSE);
    struct reeve_store_command again = take(&kit, REEVE_STORE_SPILL_WRITE);
    assert_int_equal(again.folder, 1);
    assert_int_equal(status(&kit).folder_failed_count, 1);
    written(&kit, &again, REEVE_ESYSTEM);
    take(&kit, REEVE_STORE_SPILL_CLOSE);
    nothing_more(&kit);
    assert_int_equal(status(&kit).folder_failed_count, 2);

    create(&kit, 5, 2, 3 * MIB);
    reeve_fifo_clear(&kit.out);
    pass(&kit, 200 * MILLISECOND);
    struct reeve_store_command answer = take(&kit, REEVE_STORE_REPLY_CREATE);
    assert_int_equal(answer.code, REEVE_EFULL);
    assert_non_null(strstr(answer.text, "the disk is full (/one)"));
    assert_non_null(strstr(answer.text, "process 1.5 owns"));
    assert_int_equal(status(&kit).object_count, 6);

    create(&kit, 5, 3, 3 * MIB); /* and after a while they are tried again */
    reeve_fifo_clear(&kit.out);
    kit.now_ns += 11 * SECOND;
    step(&kit, (struct reeve_store_event){.kind = REEVE_STORE_MEMORY, .size = UINT64_MAX});
    assert_int_not_equal(count_of(&kit, REEVE_STORE_SPILL_WRITE), 0);
    kit_fini(&kit);
}

/* When no more fits on disk what is there can still be read: creates leave room for it. */
static void test_limit(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit, 1, 4 * MIB);
    uint64_t count = 0;
    struct reeve_store_command command, room = {0};
    for (;;) {
        create(&kit, 5, 1, MIB);
        room.kind = 0;
        for (int turn = 0; turn < 4; turn++) {
            while (reeve_fifo_pop(&kit.out, &command)) {
                if (command.kind == REEVE_STORE_REPLY_CREATE)
                    room = command;
                if (command.kind == REEVE_STORE_SPILL_WRITE)
                    written(&kit, &command, 0);
            }
            if (turn == 2 && room.kind == 0)
                pass(&kit, 200 * MILLISECOND);
        }
        if (room.code != 0)
            break;
        seal(&kit, 5, object(++count), &room, MIB, 0);
    }
    assert_int_equal(room.code, REEVE_EFULL);
    assert_non_null(strstr(room.text, "4.0 of the 4.0 MiB allowed on disk"));
    assert_in_range(count, 9, 10); /* 4 on disk, the others in memory, which has room left */
    for (uint64_t i = 1; i <= count; i++) {
        bool got = false;
        get(&kit, 5, 2, object(i), MIB, 0);
        while (reeve_fifo_pop(&kit.out, &command)) {
            if (command.kind == REEVE_STORE_SPILL_READ)
                read_back(&kit, &command, 0);
            got |= command.kind == REEVE_STORE_REPLY_GET && command.code == 0;
        }
        assert_true(got);
        unpin(&kit, 5, object(i));
    }
    kit_fini(&kit);
}

/* All memory is in use by a process that waits for nothing, and the disk neither writes nor reads:
 * who wants to read from it is told so, and does not wait for room. */
static void test_neither_writes_nor_reads(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_fifo writes;
    init(&kit, 1, 0);
    client_added(&kit, 6);
    reeve_fifo_init(&writes, sizeof(struct reeve_store_command));
    for (uint64_t i = 1; i <= 20; i++)
        put_any(&kit, i, MIB, &writes);
    reeve_fifo_fini(&writes);
    struct reeve_store_command command;
    create(&kit, 5, 1, 4 * MIB);
    pass(&kit, 0);
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_SPILL_WRITE)
            written(&kit, &command, REEVE_ESYSTEM);
    for (int i = 0; i < 3; i++)
        pass(&kit, 100 * MILLISECOND);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_CREATE).code, REEVE_EFULL);
    get(&kit, 6, 9, object(1), MIB, 0);
    command = await(&kit, REEVE_STORE_SPILL_READ);
    read_back(&kit, &command, REEVE_ESYSTEM);
    assert_int_equal(await(&kit, REEVE_STORE_REPLY_GET).code, REEVE_ECORRUPT);
    for (uint64_t i = 20; i > 0;
         i--) { /* what is in memory is in use; of the disk, nothing comes */
        get(&kit, 5, (uint32_t)(100 + i), object(i), MIB, 0);
        while (reeve_fifo_pop(&kit.out, &command))
            if (command.kind == REEVE_STORE_SPILL_READ)
                read_back(&kit, &command, REEVE_ESYSTEM);
    }
    get(&kit, 5, 8, OBJECT(FAR(2, 7), 1), 8 * MIB - status(&kit).pinned_bytes,
        2); /* the rest, too */
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_SEND_PULL)
            chunk(&kit, &command, 8 * MIB - 7 * MIB);
    assert_int_equal(status(&kit).pinned_bytes, 8 * MIB);
    get(&kit, 6, 10, object(1), MIB, 0);
    assert_int_equal(status(&kit).queue_count, 1);
    nothing_more(&kit);
    for (int i = 0; i < 3; i++)
        pass(&kit, 100 * MILLISECOND);
    assert_int_equal(status(&kit).queue_count, 0);
    command = await(&kit, REEVE_STORE_REPLY_GET);
    assert_int_equal(command.code, REEVE_ECORRUPT);
    assert_non_null(strstr(command.text, "cannot be read from disk: /one"));
    kit_fini(&kit);
}

/* Another node wants what is on disk: it is told to wait, then served. */
static void test_a_node_pulls(void **state)
{
    (void)state;
    struct kit kit;
    struct reeve_fifo writes;
    init_overfull(&kit, &writes);
    struct reeve_store_event pull = {.kind = REEVE_STORE_PEER_PULL,
        .node = 2,
        .id = object(1),
        .offset = 256 * KIB,
        .length = 256 * KIB};
    step(&kit, pull);
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_EAGAIN);
    struct reeve_store_command command, read = {0};
    while (reeve_fifo_pop(&kit.out, &command))
        if (command.kind == REEVE_STORE_SPILL_READ)
            read = command;
    step(&kit, pull); /* it asks again */
    assert_int_equal(take(&kit, REEVE_STORE_SEND_CHUNK).code, REEVE_EAGAIN);
    nothing_more(&kit);
    read_back(&kit, &read, 0);
    struct reeve_store_command chunk = take(&kit, REEVE_STORE_SEND_CHUNK);
    assert_int_equal(chunk.code, 0);
    assert_int_equal(chunk.length, 256 * KIB);
    nothing_more(&kit);
    reeve_fifo_fini(&writes);
    kit_fini(&kit);
}

/* Space is given back by grains, as soon as all in them is gone. */
static void test_holes(void **state)
{
    (void)state;
    struct kit kit;
    init(&kit, 1, 0);
    struct reeve_fifo writes;
    reeve_fifo_init(&writes, sizeof(struct reeve_store_command));
    for (uint64_t i = 1; i <= 300; i++)
        put_any(&kit, i, 40 * KIB, &writes);
    uint64_t disk = status(&kit).disk_bytes;
    assert_true(disk > MIB);
    free_object(&kit, 5, object(3), 0); /* 80 K to 120 K: in grain 1 with parts of 2 and 4 */
    assert_int_equal(count_of(&kit, REEVE_STORE_SPILL_PUNCH), 0);
    free_object(&kit, 5, object(2), 0);
    assert_int_equal(count_of(&kit, REEVE_STORE_SPILL_PUNCH), 0);
    free_object(&kit, 5, object(4), 0);
    struct reeve_store_command punch = take(&kit, REEVE_STORE_SPILL_PUNCH);
    assert_int_equal(punch.place, 64 * KIB);
    assert_int_equal(punch.length, 64 * KIB);
    assert_int_equal(status(&kit).disk_bytes, disk - 64 * KIB);
    reeve_fifo_fini(&writes);
    kit_fini(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_store_that_fits_never_writes),
        cmocka_unit_test(test_sealed_while_on_disk),
        cmocka_unit_test(test_written_then_dropped_then_read_back),
        cmocka_unit_test(test_read_while_it_is_written),
        cmocka_unit_test(test_freed_while_it_is_written),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_mended),
        cmocka_unit_test(test_not_to_be_mended),
        cmocka_unit_test(test_two_without),
        cmocka_unit_test(test_ends_while_it_is_mended),
        cmocka_unit_test(test_folders_are_used_side_by_side),
        cmocka_unit_test(test_full_folders),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_neither_writes_nor_reads),
        cmocka_unit_test(test_a_node_pulls),
        cmocka_unit_test(test_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
