#include "base/io_probe.h"

#include "base/check.h"
#include "base/clock_system.h"
#include "base/loop.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    STEP_MS_MAX = 2000,
    TURN_MS = 50,
    STEP_TURNS_MIN = STEP_MS_MAX / TURN_MS, /* so often it is looked, however late it is */
    BYTES = 64,
};

/* One trial.  On the heap, and left there when an operation never ends. */
struct trial {
    struct clock clock;
    struct loop loop;
    struct io *io;
    struct io_probe *out;
    struct io_op op;
    struct io_accept accept;
    struct io_recv recv;
    const void *step; /* what is waited for; NULL: it is done */
    int32_t result;   /* of the step */
    bool accepting;   /* accept is in flight */
    bool receiving;   /* recv is in flight */
    int32_t file_fd;  /* -1: none; as the others */
    int32_t listen_fd;
    int32_t client_fd;
    int32_t server_fd;
    uint8_t sent[BYTES];
    uint8_t got[BYTES];
    struct iovec pieces[2];
};

const char *io_operation_text(enum io_operation operation)
{
    static const char *const texts[IO_OPERATION_COUNT] = {
        [IO_OPERATION_WRITE] = "write",     [IO_OPERATION_WRITE_DURABLE] = "durable write",
        [IO_OPERATION_READ] = "read",       [IO_OPERATION_SYNC] = "sync",
        [IO_OPERATION_UNLINK] = "unlink",   [IO_OPERATION_ACCEPT] = "accept",
        [IO_OPERATION_CONNECT] = "connect", [IO_OPERATION_SEND] = "send",
        [IO_OPERATION_RECEIVE] = "receive", [IO_OPERATION_RECEIVE_INTO] = "receive into place",
        [IO_OPERATION_CANCEL] = "cancel",
    };

    check(operation < IO_OPERATION_COUNT);
    return texts[operation];
}

enum io_operation io_probe_refused(const struct io_probe *probe)
{
    uint32_t i = 0;

    while (i < IO_OPERATION_COUNT && probe->errors[i] == 0)
        i++;
    return (enum io_operation)i;
}

static bool is_refusal(int32_t error)
{
    return error == EPERM || error == EACCES || error == EINVAL || error == ENOSYS ||
           error == EOPNOTSUPP || error == ETIMEDOUT;
}

static void note(struct trial *trial, enum io_operation operation, int32_t result)
{
    trial->out->tried[operation] = true;
    if (result < 0 && is_refusal(-result) && trial->out->errors[operation] == 0)
        trial->out->errors[operation] = -result;
}

static void step_is_done(struct trial *trial, const void *step, int32_t result)
{
    if (trial->step != step)
        return;
    trial->step = NULL;
    trial->result = result;
}

static void on_done(struct io_op *op, int32_t result)
{
    struct trial *trial = container_of(op, struct trial, op);

    step_is_done(trial, op, result);
}

/* Turns until step is done.  False: it is not, and nothing more can be tried.  Time alone ends
 * nothing: a process that was stopped (SIGSTOP, a frozen container) finds it late. */
static bool finish(struct trial *trial, const void *step)
{
    uint32_t turn_count = 0;
    uint64_t end_ns = clock_deadline_ns(clock_mono_ns(&trial->clock), STEP_MS_MAX);

    trial->step = step;
    trial->result = -ETIMEDOUT;
    while (trial->step != NULL &&
           (turn_count++ < STEP_TURNS_MIN || clock_mono_ns(&trial->clock) < end_ns))
        if (loop_turn(&trial->loop, TURN_MS * 1000000ULL) != OK) {
            trial->result = -EPERM; /* the kernel refuses to be entered */
            break;
        }
    return trial->step == NULL;
}

static bool finish_op(struct trial *trial, enum io_operation operation)
{
    bool finished = finish(trial, &trial->op);

    note(trial, operation, trial->result);
    return finished;
}

/* ---- files */

static bool try_files(struct trial *trial)
{
    struct io *io = trial->io;

    trial->file_fd = memfd_create("levee-probe", MFD_CLOEXEC);
    if (trial->file_fd < 0)
        return true;
    trial->pieces[0] = (struct iovec){.iov_base = trial->sent, .iov_len = BYTES / 2};
    trial->pieces[1] = (struct iovec){.iov_base = trial->sent + BYTES / 2, .iov_len = BYTES / 2};
    io_writev(io, &trial->op, trial->file_fd, trial->pieces, 2, 0, false, on_done);
    if (!finish_op(trial, IO_OPERATION_WRITE))
        return false;
    io_writev(io, &trial->op, trial->file_fd, trial->pieces, 1, 0, true, on_done);
    if (!finish_op(trial, IO_OPERATION_WRITE_DURABLE))
        return false;
    io_read(io, &trial->op, trial->file_fd, trial->got, BYTES, 0, on_done);
    if (!finish_op(trial, IO_OPERATION_READ))
        return false;
    io_sync(io, &trial->op, trial->file_fd, on_done);
    if (!finish_op(trial, IO_OPERATION_SYNC))
        return false;
    io_unlink(io, &trial->op, "/proc/self/levee-probe", on_done); /* ENOENT: it was looked for */
    return finish_op(trial, IO_OPERATION_UNLINK);
}

/* ---- sockets */

static void on_accepted(struct io_accept *accept, int32_t fd_or_error)
{
    struct trial *trial = container_of(accept, struct trial, accept);

    if (!accept->op.in_flight)
        trial->accepting = false;
    if (fd_or_error >= 0) {
        if (trial->server_fd >= 0)
            trial->io->v->close(trial->io, fd_or_error); /* another process has found the port */
        else
            trial->server_fd = fd_or_error;
    }
    step_is_done(trial, accept, fd_or_error);
}

static void on_received(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct trial *trial = container_of(recv, struct trial, recv);

    if (!recv->op.in_flight)
        trial->receiving = false;
    step_is_done(trial, recv, result);
}

/* A connection of this process with itself.  False: stuck.  Without client_fd and server_fd
 * afterwards there is none. */
static bool try_to_connect(struct trial *trial)
{
    struct io *io = trial->io;
    struct io_address here;
    struct io_address bound;
    bool finished;

    if (io_address_parse("127.0.0.1", 0, &here) != OK ||
        io->v->listen(io, &here, 4, &trial->listen_fd, &bound) != OK ||
        io->v->socket(io, AF_INET, &trial->client_fd) != OK)
        return true;
    io_connect(io, &trial->op, trial->client_fd, &bound, on_done);
    if (!finish_op(trial, IO_OPERATION_CONNECT))
        return false;
    if (trial->result < 0)
        return true;
    trial->accepting = true;
    io_accept(io, &trial->accept, trial->listen_fd);
    finished = finish(trial, &trial->accept);
    note(trial, IO_OPERATION_ACCEPT, trial->result);
    return finished;
}

static bool try_to_talk(struct trial *trial)
{
    struct io *io = trial->io;
    bool finished;

    if (trial->client_fd < 0 || trial->server_fd < 0)
        return true;
    io_sendv(io, &trial->op, trial->client_fd, trial->pieces, 2, on_done);
    if (!finish_op(trial, IO_OPERATION_SEND))
        return false;
    trial->receiving = true;
    io_recv(io, &trial->recv, trial->server_fd);
    finished = finish(trial, &trial->recv);
    note(trial, IO_OPERATION_RECEIVE, trial->result);
    if (!finished)
        return false;
    io_sendv(io, &trial->op, trial->server_fd, trial->pieces, 2, on_done);
    if (!finish_op(trial, IO_OPERATION_SEND))
        return false;
    io_recv_into(io, &trial->op, trial->client_fd, trial->got, BYTES, on_done);
    return finish_op(trial, IO_OPERATION_RECEIVE_INTO);
}

/* What repeats is ended by io_cancel: without it nothing of the ring can end in order. */
static bool try_to_cancel(struct trial *trial)
{
    const int32_t never = -ETIMEDOUT;

    while (trial->receiving) {
        io_cancel(trial->io, &trial->recv.op);
        if (!finish(trial, &trial->recv)) {
            note(trial, IO_OPERATION_CANCEL, never);
            return false;
        }
        note(trial, IO_OPERATION_CANCEL, 0);
    }
    while (trial->accepting) {
        io_cancel(trial->io, &trial->accept.op);
        if (!finish(trial, &trial->accept)) {
            note(trial, IO_OPERATION_CANCEL, never);
            return false;
        }
        note(trial, IO_OPERATION_CANCEL, 0);
    }
    return true;
}

static void close_all(struct trial *trial)
{
    const int32_t fds[] = {trial->file_fd, trial->client_fd, trial->server_fd, trial->listen_fd};

    for (size_t i = 0; i < array_count(fds); i++)
        if (fds[i] >= 0)
            trial->io->v->close(trial->io, fds[i]);
}

bool io_probe_run(struct io *io, struct io_probe *out)
{
    struct trial *trial = mem_alloc(sizeof(*trial));
    bool ended;

    memset(out, 0, sizeof(*out));
    memset(trial->sent, 'l', sizeof(trial->sent));
    trial->io = io;
    trial->out = out;
    trial->file_fd = trial->listen_fd = trial->client_fd = trial->server_fd = -1;
    trial->accept.accepted = on_accepted;
    trial->recv.received = on_received;
    clock_system_init(&trial->clock);
    loop_init(&trial->loop, 0, io, &trial->clock);
    ended = try_files(trial) && try_to_connect(trial) && try_to_talk(trial);
    ended = ended && try_to_cancel(trial);
    if (!ended)
        return false;
    close_all(trial);
    loop_deinit(&trial->loop);
    mem_free(trial);
    return true;
}
