/* A channel in a sealed memfd: made by a daemon, attached by holder and worker, through mappings
 * of their own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/channel/channel.h"

static const struct reeve_channel_geometry geometry = {64, 4096, 128, 8192};

static void a_call_goes_over_and_its_result_back(void **state)
{
    (void)state;
    size_t size_bytes = reeve_channel_size_bytes(&geometry);
    assert_int_equal(size_bytes % 4096, 0);
    int fd;
    assert_int_equal(reeve_memory_create("reeve-channel", size_bytes, &fd), 0);
    void *memory[3];
    size_t mapped;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            reeve_memory_map(fd, 0, i == 0 ? REEVE_MEMORY_POPULATE : 0, &memory[i], &mapped), 0);
        assert_int_equal(mapped, size_bytes);
    }
    reeve_channel_format(memory[0], &geometry, 77);
    struct reeve_channel daemon, holder, worker;
    assert_int_equal(reeve_channel_attach(&daemon, memory[0], mapped, REEVE_CHANNEL_DAEMON), 0);
    assert_int_equal(reeve_channel_attach(&holder, memory[1], mapped, REEVE_CHANNEL_HOLDER), 0);
    assert_int_equal(reeve_channel_attach(&worker, memory[2], mapped, REEVE_CHANNEL_WORKER), 0);
    assert_int_equal(holder.id, 77);
    assert_int_equal(worker.geometry.return_payload_bytes, 8192);

    for (uint64_t task = 0; task < 1000; task++) {
        struct reeve_slot_fill fill = {0};
        struct reeve_entry_view view = {0};
        assert_int_equal(reeve_ring_reserve(&holder.calls, sizeof task, &fill), 0);
        fill.slot->task = task;
        memcpy(fill.payload, &task, sizeof task);
        reeve_ring_publish(&holder.calls);
        assert_int_equal(reeve_ring_claim(&worker.calls, &view), 0);
        uint64_t argument;
        assert_int_equal(view.length, sizeof argument);
        memcpy(&argument, view.payload, sizeof argument);
        assert_int_equal(argument, task);
        assert_int_equal(reeve_ring_reserve(&worker.returns, 100, &fill), 0);
        fill.slot->task = view.task;
        memset(fill.payload, (int)(argument & 0x7f), 100);
        reeve_ring_publish(&worker.returns);
        reeve_ring_done(&worker.calls, view.position);
        assert_int_equal(reeve_ring_claim(&holder.returns, &view), 0);
        assert_int_equal(view.task, task);
        assert_int_equal(view.payload[99], task & 0x7f);
        reeve_ring_done(&holder.returns, view.position);
    }
    struct reeve_slot_fill fill = {0};
    struct reeve_entry_view view = {0};
    struct reeve_ring_census census;
    assert_int_equal(reeve_ring_reserve(&holder.calls, 0, &fill), 0);
    reeve_ring_publish(&holder.calls);
    assert_int_equal(reeve_ring_revoke_all(&daemon.calls, &census), 0);
    assert_int_equal(census.revoked, 1);
    assert_int_equal(reeve_ring_claim(&worker.calls, &view), REEVE_EAGAIN);
    assert_true(reeve_ring_recall(&holder.calls, fill.position));

    reeve_channel_detach(&daemon);
    reeve_channel_detach(&holder);
    reeve_channel_detach(&worker);
    for (int i = 0; i < 3; i++)
        reeve_memory_unmap(memory[i], mapped);
    close(fd);
}

static void a_bad_segment_is_refused(void **state)
{
    (void)state;
    struct reeve_channel_geometry bad = geometry;
    bad.return_slots = 100;
    assert_false(reeve_channel_geometry_valid(&bad));
    size_t size_bytes = reeve_channel_size_bytes(&geometry);
    uint32_t *memory = aligned_alloc(64, size_bytes);
    assert_non_null(memory);
    struct reeve_channel channel = {0};
    /* Each word of the first lines, spoiled in turn: refused, or (the channel's id, padding)
     * harmless. */
    uint32_t refused = 0;
    for (size_t word = 0; word < 32; word++) {
        memset(memory, 0, size_bytes);
        reeve_channel_format(memory, &geometry, 1);
        memory[word] ^= 0x10;
        for (int role = REEVE_CHANNEL_HOLDER; role <= REEVE_CHANNEL_DAEMON; role++) {
            int error =
                reeve_channel_attach(&channel, memory, size_bytes, (enum reeve_channel_role)role);
            if (error == 0)
                reeve_channel_detach(&channel);
            else
                assert_int_equal(error, REEVE_EPROTOCOL);
            refused += error != 0;
        }
    }
    assert_int_equal(refused, 3 * 10); /* magic, version, four sizes; magic, version, two sizes */
    memset(memory, 0, size_bytes);
    reeve_channel_format(memory, &geometry, 1);
    assert_int_equal(
        reeve_channel_attach(&channel, memory, 4096, REEVE_CHANNEL_WORKER), REEVE_EPROTOCOL);
    free(memory);
}

static void shared_memory_keeps_its_size(void **state)
{
    (void)state;
    int fd;
    void *memory;
    size_t mapped;
    assert_int_equal(reeve_memory_create("reeve-test", 8192, &fd), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(ftruncate(fd, 16384), -1);
    assert_int_equal(reeve_memory_map(fd, 8193, 0, &memory, &mapped), REEVE_EPROTOCOL);
    close(fd);
    fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 8192), 0);
    assert_int_equal(reeve_memory_map(fd, 4096, 0, &memory, &mapped), REEVE_EPROTOCOL);
    close(fd);
}

static bool child_has(void *memory)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned char resident;
        _exit(mincore(memory, 4096, &resident) == 0 ? 1 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

static void forked_children_do_not_have_it(void **state)
{
    (void)state;
    int fd;
    void *memory;
    size_t mapped;
    assert_int_equal(reeve_memory_create("reeve-test", 4096, &fd), 0);
    assert_int_equal(reeve_memory_map(fd, 0, 0, &memory, &mapped), 0);
    assert_false(child_has(memory));
    reeve_memory_unmap(memory, mapped);
    assert_int_equal(reeve_memory_map(fd, 0, REEVE_MEMORY_INHERIT, &memory, &mapped), 0);
    assert_true(child_has(memory));
    reeve_memory_unmap(memory, mapped);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_goes_over_and_its_result_back),
        cmocka_unit_test(a_bad_segment_is_refused),
        cmocka_unit_test(shared_memory_keeps_its_size),
        cmocka_unit_test(forked_children_do_not_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
