#include "tests/sim/sim_op.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

enum { SPOIL = 0xa5 };

#define CANARY 0x73696d5f6f705f21ULL

static bool is_disk_kind(enum sim_op_kind kind)
{
    return kind <= SIM_OP_UNLINK;
}

static bool is_repeating(enum sim_op_kind kind)
{
    return kind == SIM_OP_ACCEPT || kind == SIM_OP_RECV;
}

static void note(struct sim_op *sop, const char *what, uint64_t a, uint64_t b)
{
    const struct sim_io *sim = sop->sim;

    sim_queue_note(sim->process->queue, what,
                   (uint64_t)sim->process->node << 32 | sim->shard << 24 | (uint64_t)sop->kind,
                   sop->id, a, b);
}

/* SIO-1: nobody wrote over the op while it was ours. */
static void check_op(const struct sim_op *sop)
{
    check(sop->op->in_flight);
    check(sop->op->scratch[0] == (uint64_t)(uintptr_t)sop);
    check(sop->op->scratch[1] == (CANARY ^ sop->id));
}

static uint64_t content_of(const struct sim_op *sop)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < sop->write.vec_count; i++) {
        if (sop->write.vec[i].iov_len > 0)
            hash = XXH3_64bits_withSeed(sop->write.vec[i].iov_base, sop->write.vec[i].iov_len,
                                        hash + 1);
    }
    return hash;
}

static void take_slot(struct sim_op **slot, struct sim_op *sop)
{
    check(*slot == NULL); /* SIO-3 */
    *slot = sop;
}

static struct sim_op **slot_of(const struct sim_op *sop)
{
    switch (sop->kind) {
    case SIM_OP_ACCEPT:
        return &sop->handle->acceptor;
    case SIM_OP_RECV:
    case SIM_OP_RECV_INTO:
        return &sop->handle->reader;
    case SIM_OP_SEND:
        return &sop->handle->writer;
    case SIM_OP_CONNECT:
        return &sop->handle->connector;
    default:
        return NULL;
    }
}

static void leave_handle(struct sim_op *sop)
{
    if (sop->handle == NULL)
        return;
    if (slot_of(sop) != NULL)
        *slot_of(sop) = NULL;
    sim_handle_unref(sop->sim->process, sop->handle);
    sop->handle = NULL;
}

void sim_op_free(struct sim_op *sop)
{
    leave_handle(sop);
    sim_queue_remove(sop->sim->process->queue, &sop->event);
    sim_disk_forget(sop->sim->process->disk, &sop->job);
    list_remove(&sop->node);
    if (list_is_linked(&sop->ready_node))
        list_remove(&sop->ready_node);
    mem_free(sop);
}

static void make_ready(struct sim_op *sop, int32_t result)
{
    check(!sop->ready); /* exactly once */
    check_op(sop);
    sop->ready = true;
    sop->result = result;
    list_push_back(&sop->sim->ready, &sop->ready_node);
}

static void complete(struct sim_op *sop, int32_t result)
{
    sim_queue_remove(sop->sim->process->queue, &sop->event);
    sop->sim->io.in_flight_count--;
    note(sop, "op completed", (uint64_t)result, 0);
    leave_handle(sop);
    make_ready(sop, result);
}

/* --- disk --- */

bool sim_op_is_unfinished(void *context, uint64_t write_id)
{
    const struct sim_process *process = context;

    for (uint32_t i = 0; i < process->ios_count; i++) {
        list_for_each(node, &process->ios[i]->ops)
        {
            const struct sim_op *sop = container_of(node, struct sim_op, node);
            if (sop->kind == SIM_OP_WRITE && sop->write.write_id == write_id)
                return true;
        }
    }
    return false;
}

static void job_runs(struct sim_disk_job *job)
{
    struct sim_op *sop = container_of(job, struct sim_op, job);
    struct sim_disk *disk = sop->sim->process->disk;
    int32_t result = 0;

    check_op(sop);
    if (sop->kind != SIM_OP_READ && sop->sim->process->watch != NULL)
        sop->sim->process->watch(sop->sim->process, 0, NULL);
    if (sop->ready)
        return; /* the process died */
    switch (sop->kind) {
    case SIM_OP_READ:
        result = sim_disk_read(disk, sop->handle->inode, (sop->handle->open_flags & IO_DIRECT) != 0,
                               sop->bytes, sop->size_bytes, sop->write.pos);
        if (result > 0)
            note(sop, "op read", XXH3_64bits(sop->bytes, (size_t)result), 0);
        break;
    case SIM_OP_WRITE:
        check(content_of(sop) == sop->content); /* SIO-2 */
        result = sim_disk_write(disk, sop->handle->inode, &sop->write);
        break;
    case SIM_OP_SYNC:
        sop->began = false;
        result = sim_disk_sync_end(disk, sop->handle->inode, &sop->capture);
        break;
    case SIM_OP_SYNCFS:
        sop->began = false;
        result = sim_disk_syncfs_end(disk, &sop->syncfs);
        break;
    default:
        result = sim_disk_unlink(disk, sop->path);
        break;
    }
    complete(sop, result);
}

static void start_disk(struct sim_op *sop)
{
    static const enum sim_disk_op disk_ops[] = {
        [SIM_OP_READ] = SIM_READ,     [SIM_OP_WRITE] = SIM_WRITE,   [SIM_OP_SYNC] = SIM_SYNC,
        [SIM_OP_SYNCFS] = SIM_SYNCFS, [SIM_OP_UNLINK] = SIM_UNLINK,
    };
    struct sim_process *process = sop->sim->process;

    switch (sop->kind) {
    case SIM_OP_READ:
        memset(sop->bytes, SPOIL, sop->size_bytes); /* SIO-2 */
        break;
    case SIM_OP_WRITE:
        sop->write.write_id = process->disk->next_write_id++;
        break;
    case SIM_OP_SYNC:
        sop->began = true;
        sim_disk_sync_begin(process->disk, sop->handle->inode, sim_op_is_unfinished, process,
                            &sop->capture);
        break;
    case SIM_OP_SYNCFS:
        sop->began = true;
        sim_disk_syncfs_begin(process->disk, sim_op_is_unfinished, process, &sop->syncfs);
        break;
    default:
        break;
    }
    sim_disk_submit(process->disk, &sop->job, disk_ops[sop->kind], sop->write.dsync, job_runs);
}

static void interrupt_sync(struct sim_op *sop)
{
    struct sim_disk *disk = sop->sim->process->disk;

    if (sop->began && sop->kind == SIM_OP_SYNC)
        sim_disk_sync_interrupted(disk, sop->handle->inode, &sop->capture);
    else if (sop->began)
        sim_disk_syncfs_interrupted(disk, &sop->syncfs);
    sop->began = false;
}

/* --- sockets --- */

/* -EAGAIN: not yet. */
static int32_t try_now(struct sim_op *sop)
{
    struct sim_sock *sock = sop->handle->sock;
    int32_t result;

    switch (sop->kind) {
    case SIM_OP_SEND:
        result = sim_sock_send(sock, sop->write.vec, sop->write.vec_count);
        check(result == -EAGAIN || content_of(sop) == sop->content); /* SIO-2 */
        return result;
    case SIM_OP_RECV_INTO:
        result = sim_sock_recv(sock, sop->bytes, sop->size_bytes);
        if (result > 0)
            note(sop, "op read", XXH3_64bits(sop->bytes, (size_t)result), 0);
        return result;
    case SIM_OP_CONNECT:
        return sock->connect_result == 1 ? -EAGAIN : sock->connect_result;
    case SIM_OP_RECV:
        return sim_sock_is_readable(sock) ? 0 : -EAGAIN;
    default:
        return sim_sock_is_acceptable(sock) ? 0 : -EAGAIN;
    }
}

static void try_op(struct sim_op *sop)
{
    int32_t result;

    if (sop->ready || sim_event_is_queued(&sop->event))
        return; /* its turn comes */
    result = try_now(sop);
    if (result == -EAGAIN)
        return;
    if (is_repeating(sop->kind))
        make_ready(sop, result);
    else
        complete(sop, result);
}

static void tried_later(struct sim_event *event)
{
    try_op(container_of(event, struct sim_op, event));
}

void sim_op_on_sock(struct sim_sock *sock)
{
    struct sim_handle *handle = sock->context;

    if (handle->connector != NULL)
        try_op(handle->connector);
    if (handle->acceptor != NULL)
        try_op(handle->acceptor);
    if (handle->reader != NULL)
        try_op(handle->reader);
    if (handle->writer != NULL)
        try_op(handle->writer);
}

static void try_after(struct sim_op *sop, uint64_t delay_ns)
{
    sop->event.fire = tried_later;
    sim_queue_add(sop->sim->process->queue, &sop->event, delay_ns);
}

static void start_sock(struct sim_op *sop)
{
    take_slot(slot_of(sop), sop);
    if (sop->kind == SIM_OP_CONNECT) {
        if (sop->handle->sock->state != SIM_SOCK_NEW) {
            complete(sop, -EISCONN);
            return;
        }
        sim_sock_connect(sop->handle->sock, &sop->to);
        return;
    }
    if (sop->kind == SIM_OP_RECV_INTO)
        memset(sop->bytes, SPOIL, sop->size_bytes); /* SIO-2 */
    try_after(sop, SIM_US + prng_below(&sop->sim->process->prng, 20 * SIM_US));
}

/* --- the loop's side --- */

/* The last call of a repeating operation. */
static void end_repeating(struct sim_op *sop, int32_t result)
{
    struct io_op *op = sop->op;
    enum sim_op_kind kind = sop->kind;

    sop->sim->io.in_flight_count--;
    if (!sop->sim->process->dead)
        note(sop, "op ended", (uint64_t)result, 0);
    sim_op_free(sop);
    op->in_flight = false;
    if (kind == SIM_OP_RECV) {
        struct io_recv *recv = container_of(op, struct io_recv, op);
        recv->received(recv, result, NULL);
    } else {
        struct io_accept *accept = container_of(op, struct io_accept, op);
        accept->accepted(accept, result);
    }
}

/* After a call of a repeating operation: it may have been cancelled, or the process killed. */
static void go_on(struct sim_op *sop)
{
    if (sop->ready)
        return;
    if (sop->cancelled || sop->sim->process->dead)
        make_ready(sop, -ECANCELED);
    else
        try_op(sop);
}

static void repeat_recv(struct sim_op *sop)
{
    struct io_recv *recv = container_of(sop->op, struct io_recv, op);
    struct sim_io *sim = sop->sim;
    uint32_t most = 1 + (uint32_t)prng_below(&sim->process->prng, SIM_RECV_BYTES);
    int32_t result = sim_sock_recv(sop->handle->sock, sim->recv_bytes, most);

    if (result == -EAGAIN) {
        go_on(sop);
        return;
    }
    if (result <= 0) {
        end_repeating(sop, result);
        return;
    }
    note(sop, "op received", (uint64_t)result, XXH3_64bits(sim->recv_bytes, (size_t)result));
    recv->received(recv, result, sim->recv_bytes);
    memset(sim->recv_bytes, SPOIL, (size_t)result);
    go_on(sop);
}

static void repeat_accept(struct sim_op *sop)
{
    struct io_accept *accept = container_of(sop->op, struct io_accept, op);
    struct sim_process *process = sop->sim->process;
    struct sim_handle *handle;
    struct sim_sock *sock;
    int32_t fd = -EMFILE;

    if (!sim_process_has_room(process)) {
        if (!sop->cancelled)
            try_after(sop, 100 * SIM_MS);
    } else {
        sock = sim_sock_accept(sop->handle->sock);
        if (sock == NULL) {
            go_on(sop);
            return;
        }
        handle = sim_handle_create(process);
        handle->sock = sock;
        sock->context = handle;
        sock->notify = sim_op_on_sock;
        fd = sim_process_install(process, handle);
    }
    note(sop, "op accepted", (uint64_t)fd, 0);
    accept->accepted(accept, fd);
    go_on(sop);
}

/* Stands in op->done while the operation is ours. */
static void on_loop(struct io_op *op, int32_t result)
{
    struct sim_op *sop = (struct sim_op *)(uintptr_t)op->scratch[0];
    struct sim_process *process;

    op->in_flight = true; /* whatever the loop thinks */
    check_op(sop);
    check(sop->ready);
    process = sop->sim->process;
    if (is_repeating(sop->kind)) {
        sop->ready = false;
        /* what had come before the cancel may still be told */
        if (process->dead || sop->handle == NULL ||
            (sop->cancelled && prng_chance(&process->prng, 1, 2)))
            end_repeating(sop, process->dead || sop->cancelled ? -ECANCELED : sop->result);
        else if (sop->cancelled && try_now(sop) == -EAGAIN)
            end_repeating(sop, -ECANCELED);
        else if (sop->kind == SIM_OP_RECV)
            repeat_recv(sop);
        else
            repeat_accept(sop);
        return;
    }
    if (!process->dead)
        note(sop, "op done", (uint64_t)result, 0);
    op->done = sop->done;
    sim_op_free(sop);
    op->in_flight = false;
    op->done(op, result);
}

void sim_op_deliver(struct sim_io *sim)
{
    struct list *node;

    while ((node = list_pop_front(&sim->ready)) != NULL) {
        struct sim_op *sop = container_of(node, struct sim_op, ready_node);
        check_op(sop);
        check(sop->op->done == on_loop);
        sop->op->result = sop->result;
        list_push_back(&sim->io.completed, &sop->op->node);
    }
}

struct sim_op *sim_op_begin(struct sim_io *sim, struct io_op *op, enum sim_op_kind kind, int32_t fd)
{
    struct sim_process *process = sim->process;
    struct sim_op *sop = sim_heap_own_alloc(sizeof(*sop));

    check(!op->in_flight); /* SIO-1 */
    check(!list_is_linked(&op->node));
    check(!sim->destroyed);
    sop->sim = sim;
    sop->op = op;
    sop->done = op->done;
    sop->id = process->next_id++;
    sop->kind = kind;
    sop->fd = fd;
    sop->handle = process->dead ? NULL : sim_process_handle(process, fd);
    if (sop->handle != NULL) {
        bool wants_sock = !is_disk_kind(kind);
        if (wants_sock != (sop->handle->sock != NULL))
            sop->handle = NULL;
        else
            sop->handle->refs++;
    }
    op->done = on_loop;
    op->in_flight = true;
    op->result = 0;
    op->scratch[0] = (uint64_t)(uintptr_t)sop;
    op->scratch[1] = CANARY ^ sop->id;
    sim->io.in_flight_count++;
    sim->io.submit_count++;
    list_push_back(&sim->ops, &sop->node);
    return sop;
}

static void refuse(struct sim_op *sop, int32_t result)
{
    if (is_repeating(sop->kind)) {
        leave_handle(sop);
        make_ready(sop, result);
    } else {
        complete(sop, result);
    }
}

void sim_op_start(struct sim_op *sop)
{
    struct sim_process *process = sop->sim->process;

    if (process->dead) {
        sop->sim->io.in_flight_count -= !is_repeating(sop->kind);
        make_ready(sop, -ECANCELED);
        return;
    }
    process->queue->stats.operations++;
    sop->content = content_of(sop);
    note(sop, "op starts", sop->write.pos << 16 ^ (uint64_t)(uint32_t)sop->fd,
         sop->content + sop->size_bytes);
    if (sop->handle == NULL && sop->kind != SIM_OP_UNLINK)
        refuse(sop, -EBADF);
    else if (sop->kind == SIM_OP_WRITE && (sop->handle->open_flags & IO_WRITE) == 0)
        refuse(sop, -EBADF);
    else if (is_disk_kind(sop->kind))
        start_disk(sop);
    else
        start_sock(sop);
}

void sim_op_cancel(struct sim_io *sim, struct io_op *op)
{
    struct sim_op *sop = (struct sim_op *)(uintptr_t)op->scratch[0];
    struct sim_process *process = sim->process;

    check(sop->op == op && sop->sim == sim);
    check_op(sop);
    if (process->dead)
        return; /* it is ready, or will be at the end of the running call */
    note(sop, "op cancel", 0, 0);
    if (is_repeating(sop->kind)) {
        sop->cancelled = true;
        if (!sop->ready) {
            sim_queue_remove(process->queue, &sop->event);
            make_ready(sop, -ECANCELED);
        }
        return;
    }
    if (sop->ready)
        return;
    if (is_disk_kind(sop->kind)) {
        if (prng_chance(&process->prng, 1, 2))
            return; /* too late: its true result comes */
        sim_disk_forget(process->disk, &sop->job);
        interrupt_sync(sop);
    } else if (sop->kind == SIM_OP_CONNECT) {
        sim_sock_connect_cancel(sop->handle->sock);
    }
    complete(sop, -ECANCELED);
}

void sim_op_die(struct sim_op *sop)
{
    struct sim_process *process = sop->sim->process;
    bool was_ready = sop->ready;

    sim_queue_remove(process->queue, &sop->event);
    sim_disk_forget(process->disk, &sop->job);
    if (!was_ready && sop->handle != NULL && sop->kind == SIM_OP_WRITE)
        sim_disk_write_interrupted(process->disk, sop->handle->inode, &sop->write);
    if (!was_ready && sop->kind == SIM_OP_UNLINK && !process->disk->settled &&
        prng_chance(&process->prng, 1, 2))
        (void)sim_disk_unlink(process->disk, sop->path);
    interrupt_sync(sop);
    sop->handle = NULL; /* all handles go now */
    if (was_ready)
        return;
    if (!is_repeating(sop->kind))
        sop->sim->io.in_flight_count--;
    make_ready(sop, -ECANCELED);
}
