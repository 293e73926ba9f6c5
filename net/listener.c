#include "net/listener.h"

#include "base/check.h"
#include "net/conn_server.h"

#include <errno.h>

static struct io *io_of(const struct listener *listener)
{
    return listener->loop->io;
}

static void refuse(struct listener *listener, const struct io_address *peer, enum err err)
{
    if (listener->options.refused != NULL)
        listener->options.refused(listener->options.context, listener, peer, err);
}

static void let_in(struct listener *listener, int32_t fd)
{
    const struct listener_options *options = &listener->options;
    struct conn_arrival arrival = {
        .fd = fd, .listener = listener, .listener_index = options->index};
    struct io *io = io_of(listener);
    struct admission_ticket *ticket;
    enum err err = io->v->names(io, fd, &arrival.local, &arrival.peer);

    if (err) { /* gone already */
        io->v->close(io, fd);
        return;
    }
    err = admission_admit(options->admission, &arrival, &ticket);
    if (err) {
        io->v->close(io, fd);
        refuse(listener, &arrival.peer, err);
        return;
    }
    listener->next_server = (listener->next_server + 1) % options->server_count;
    admission_deliver(ticket, options->servers[listener->next_server]);
}

static void run_closed(struct task *task)
{
    struct listener *listener = container_of(task, struct listener, closed_task);

    io_of(listener)->v->close(io_of(listener), listener->fd);
    listener->fd = -1;
    listener->closed(listener);
}

static void on_accepted(struct io_accept *accept, int32_t fd_or_error)
{
    struct listener *listener = container_of(accept, struct listener, accept);

    if (fd_or_error >= 0)
        let_in(listener, fd_or_error);
    else if (fd_or_error != -ECANCELED)
        refuse(listener, NULL, err_from_errno(-fd_or_error));
    else if (listener->closing)
        loop_defer(listener->loop, &listener->closed_task);
}

enum err listener_open(struct listener *listener, const struct listener_options *options)
{
    struct loop *loop = options->admission->loop;
    int32_t fd;
    struct io_address bound;
    enum err err = loop->io->v->listen(loop->io, &options->at, options->backlog, &fd, &bound);

    if (err)
        return err;
    check(options->server_count > 0);
    *listener = (struct listener){
        .options = *options,
        .loop = loop,
        .bound = bound,
        .fd = fd,
        .next_server = options->server_count - 1,
    };
    listener->accept.accepted = on_accepted;
    listener->closed_task.run = run_closed;
    return OK;
}

void listener_start(struct listener *listener)
{
    check(!listener->closing);
    io_accept(io_of(listener), &listener->accept, listener->fd);
}

void listener_close(struct listener *listener, void (*closed)(struct listener *listener))
{
    check(!listener->closing);
    listener->closing = true;
    listener->closed = closed;
    if (listener->accept.op.in_flight)
        io_cancel(io_of(listener), &listener->accept.op);
    else
        loop_defer(listener->loop, &listener->closed_task);
}
