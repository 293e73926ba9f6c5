#include "tests/sim/sim_process.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"
#include "tests/sim/sim_io.h"

#include <errno.h>
#include <string.h>

enum { FD_FIRST = 3, FDS_MAX = 65536 };

struct sim_process *sim_process_create(struct sim_queue *queue, struct sim_disk *disk,
                                       struct sim_net *net, uint32_t node, uint32_t host,
                                       uint32_t shards_count, const struct prng *seed)
{
    struct sim_process *process = sim_heap_own_alloc(sizeof(*process));

    check(shards_count <= SIM_SHARDS_MAX);
    process->queue = queue;
    process->disk = disk;
    process->net = net;
    process->node = node;
    process->host = host;
    process->fds_max = FDS_MAX;
    process->next_id = 1;
    prng_fork(seed, "process", &process->prng);
    list_init(&process->handles);
    for (uint32_t i = 0; i < shards_count; i++)
        process->ios[process->ios_count++] = sim_io_create(process, i);
    return process;
}

static void handle_free(struct sim_process *process, struct sim_handle *handle, bool silently)
{
    if (handle->sock != NULL) {
        handle->sock->notify = NULL;
        if (silently)
            sim_sock_abandon(handle->sock);
        else
            sim_sock_close(handle->sock);
    }
    if (handle->inode != 0) {
        sim_disk_unlock(process->disk, handle->inode, handle->id);
        sim_disk_release(process->disk, handle->inode);
    }
    list_remove(&handle->node);
    mem_free(handle);
}

void sim_process_destroy(struct sim_process *process)
{
    if (process == NULL)
        return;
    sim_process_die(process, SIM_NO_CRASH);
    for (uint32_t i = 0; i < process->ios_count; i++)
        sim_io_destroy(process->ios[i]);
    mem_free(process->fds);
    mem_free(process);
}

void sim_process_die(struct sim_process *process, enum sim_crash kind)
{
    if (process->dead)
        return;
    process->dead = true;
    process->died_of = kind;
    sim_queue_note(process->queue, "process dies", process->node, kind, process->disk_call_count,
                   0);
    for (uint32_t i = 0; i < process->ios_count; i++)
        sim_io_die(process->ios[i]);
    while (!list_is_empty(&process->handles))
        handle_free(process, list_first(&process->handles, struct sim_handle, node),
                    kind == SIM_POWER_LOSS);
    for (uint32_t fd = 0; fd < process->fds_count; fd++)
        process->fds[fd] = NULL;
    if (kind == SIM_KILL) {
        process->queue->stats.process_crashes++;
        sim_disk_process_killed(process->disk);
    } else if (kind == SIM_POWER_LOSS) {
        process->queue->stats.power_crashes++;
        sim_disk_power_lost(process->disk);
        sim_net_host_set_up(process->net, process->host, false);
    }
}

bool sim_process_enter(struct sim_process *process, uint64_t inode,
                       const struct sim_disk_write *write)
{
    if (!process->dead && process->watch != NULL)
        process->watch(process, inode, write);
    if (process->dead)
        return false;
    if (++process->disk_call_count != process->crash_at_call)
        return true;
    if (prng_chance(&process->prng, 1, 2)) {
        process->crash_after_call = true;
        return true;
    }
    if (write != NULL)
        sim_disk_write_interrupted(process->disk, inode, write);
    sim_process_die(process, process->crash_kind);
    return false;
}

void sim_process_leave(struct sim_process *process)
{
    if (process->crash_after_call)
        sim_process_die(process, process->crash_kind);
}

struct sim_handle *sim_handle_create(struct sim_process *process)
{
    struct sim_handle *handle = sim_heap_own_alloc(sizeof(*handle));

    handle->id = process->next_id++;
    handle->refs = 1;
    list_push_back(&process->handles, &handle->node);
    return handle;
}

void sim_handle_unref(struct sim_process *process, struct sim_handle *handle)
{
    check(handle->refs > 0);
    if (--handle->refs == 0)
        handle_free(process, handle, false);
}

/* The lowest free descriptor (SPR-1); fds_max when there is none. */
static uint32_t lowest_free(const struct sim_process *process)
{
    for (uint32_t fd = FD_FIRST; fd < process->fds_count; fd++) {
        if (process->fds[fd] == NULL)
            return fd;
    }
    if (process->fds_count >= process->fds_max)
        return process->fds_max;
    return process->fds_count < FD_FIRST ? FD_FIRST : process->fds_count;
}

bool sim_process_has_room(const struct sim_process *process)
{
    return lowest_free(process) < process->fds_max;
}

int32_t sim_process_install(struct sim_process *process, struct sim_handle *handle)
{
    uint32_t fd = lowest_free(process);

    if (fd >= process->fds_max)
        return -EMFILE;
    if (fd >= process->fds_count) {
        uint32_t count = (fd + 1) * 2;
        if (count > process->fds_max)
            count = process->fds_max;
        process->fds = sim_heap_own_realloc(process->fds, count * sizeof(struct sim_handle *));
        memset(process->fds + process->fds_count, 0,
               (count - process->fds_count) * sizeof(struct sim_handle *));
        process->fds_count = count;
    }
    process->fds[fd] = handle;
    return (int32_t)fd;
}

struct sim_handle *sim_process_handle(const struct sim_process *process, int32_t fd)
{
    return fd >= FD_FIRST && (uint32_t)fd < process->fds_count ? process->fds[fd] : NULL;
}

struct sim_sock *sim_process_sock(const struct sim_process *process, int32_t fd)
{
    struct sim_handle *handle = sim_process_handle(process, fd);

    check(handle != NULL && handle->sock != NULL);
    return handle->sock;
}

void sim_process_close(struct sim_process *process, int32_t fd)
{
    struct sim_handle *handle = sim_process_handle(process, fd);

    check(handle != NULL); /* closed twice, or never opened: the program's own mistake */
    process->fds[fd] = NULL;
    sim_handle_unref(process, handle);
}

uint32_t sim_process_open_count(const struct sim_process *process)
{
    uint32_t count = 0;

    for (uint32_t fd = 0; fd < process->fds_count; fd++)
        count += process->fds[fd] != NULL;
    return count;
}
