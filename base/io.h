/* io: the seam to files and sockets, as operations that complete later and as short calls that
 * do not.
 *
 * One struct io belongs to one loop and is used by its thread alone (io_wake excepted).
 * Backends: io_uring.c (a ring), io_plain.c (epoll and threads, where rings are refused),
 * tests/sim/sim_io.c (simulated disk and network in virtual time).
 *
 * Promises of every backend:
 *   IO-1  done(op, result) runs exactly once for each op started, from the loop, never inside the
 *       starting call (struct io_accept and struct io_recv repeat; they say when they end)
 *   IO-2  the op and its memory belong to the backend until done runs, also after io_cancel
 *   IO-3  result is a count of bytes (or a descriptor), or a negative errno value
 *   IO-4  a sync covers the writes whose done had run before it was started, and no other
 *   IO-5  short reads and writes happen; whoever starts an op goes on with the rest
 * The short calls (io_file_*, io_dir_*) block: they are for start, for the control path (creating
 * and renaming a partition's files) and for tools, never for the data path. */
#ifndef LEVEE_BASE_IO_H
#define LEVEE_BASE_IO_H

#include "base/err.h"
#include "base/list.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct io;
struct io_op;

typedef void io_done_fn(struct io_op *op, int32_t result);

/* One operation.  The caller owns it, zeroes it before its first use, embeds it, and comes home
 * with container_of.  A backend puts it on completed once; what repeats (struct io_accept, struct
 * io_recv) has ops of the backend's own for its pieces. */
struct io_op {
    struct list node;          /* backend: completed list */
    io_done_fn *done;          /* set by the starting call */
    int32_t result;            /* backend */
    bool in_flight;            /* backend; the loop clears it just before it calls done */
    uint8_t kind;              /* backend: what it is while in flight */
    union {                    /* backend: must outlive the submission */
        struct msghdr message; /* of a send */
        uint64_t scratch[8];   /* of any */
    };
};

/* An address of the network.  family: AF_INET or AF_INET6; port in host order. */
struct io_address {
    uint16_t family;
    uint16_t port;
    uint8_t ip[16]; /* the first 4 bytes for AF_INET */
};

enum { IO_ADDRESS_TEXT_MAX = 64 };

/* "192.0.2.1:9092", "[2001:db8::1]:9092". */
void io_address_format(const struct io_address *address, char text[IO_ADDRESS_TEXT_MAX]);

/* The host part only, without brackets. */
void io_address_format_host(const struct io_address *address, char text[IO_ADDRESS_TEXT_MAX]);

/* host: a numeric address (IPv6 also in brackets), "localhost" (127.0.0.1), "0.0.0.0" for every
 * IPv4 interface, "" or "::" for every interface of both.  ERR_INVALID: not numeric. */
must_use enum err io_address_parse(const char *host, uint16_t port, struct io_address *out);

/* Accepting on a listening socket until stopped.  accepted runs for each connection with its
 * descriptor (or a negative errno: EMFILE and the like; accepting goes on after a pause), and a
 * last time with -ECANCELED after io_cancel. */
struct io_accept {
    struct io_op op;
    void (*accepted)(struct io_accept *accept, int32_t fd_or_error);
};

/* Receiving into the backend's shared buffers until stopped.  received runs for each piece: the
 * bytes are valid during the call only.  result 0 (the peer closed) or an error (negative) is the
 * last call, also after io_cancel (-ECANCELED; pieces that came before it are still handed in).
 * Backpressure: io_cancel, and start again later. */
struct io_recv {
    struct io_op op;
    void (*received)(struct io_recv *recv, int32_t result, const uint8_t *bytes);
};

enum io_open_flags {
    IO_READ = 0,
    IO_WRITE = 1,     /* read and write */
    IO_CREATE = 2,    /* create when missing */
    IO_EXCLUSIVE = 4, /* with IO_CREATE: ERR_EXISTS when there */
    IO_DIRECT = 8,    /* O_DIRECT: address, size and position multiples of IO_ALIGN */
    IO_DSYNC = 16,    /* O_DSYNC: each write is durable when it completes */
    IO_TRUNCATE = 32,
};

enum { IO_ALIGN = 4096 };

struct io_stat {
    uint64_t size_bytes;
    int64_t mtime_ms;
    bool is_dir;
};

struct io_space {
    uint64_t free_bytes; /* for unprivileged writers */
    uint64_t total_bytes;
};

struct io_vtable {
    const char *name; /* "io_uring", "plain", "sim": for whoever tells it */
    /* files, later */
    void (*read)(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes,
                 uint64_t pos);
    void (*writev)(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                   uint32_t vec_count, uint64_t pos, bool dsync);
    void (*sync)(struct io *io, struct io_op *op, int32_t fd);
    void (*syncfs)(struct io *io, struct io_op *op, int32_t fd);
    void (*unlink)(struct io *io, struct io_op *op, const char *path);
    /* sockets, later */
    void (*accept)(struct io *io, struct io_accept *accept, int32_t listen_fd);
    void (*recv)(struct io *io, struct io_recv *recv, int32_t fd);
    void (*recv_into)(struct io *io, struct io_op *op, int32_t fd, void *bytes,
                      uint32_t size_bytes);
    void (*sendv)(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                  uint32_t vec_count);
    void (*connect)(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to);
    void (*cancel)(struct io *io, struct io_op *op);
    /* sockets, now */
    /* an address of the name (getaddrinfo(3), which may ask a server and block: at the start only);
     * what io_address_parse takes is not asked for.  ERR_NOT_FOUND: nobody knows the name */
    enum err (*resolve)(struct io *io, const char *host, uint16_t port, struct io_address *out);
    enum err (*listen)(struct io *io, const struct io_address *at, uint32_t backlog,
                       int32_t *fd_out, struct io_address *bound_out);
    enum err (*socket)(struct io *io, uint16_t family, int32_t *fd_out);
    enum err (*names)(struct io *io, int32_t fd, struct io_address *local_out,
                      struct io_address *peer_out);
    void (*shutdown)(struct io *io, int32_t fd);
    void (*close)(struct io *io, int32_t fd); /* files and sockets */
    /* files, now */
    enum err (*file_open)(struct io *io, const char *path, uint32_t flags, int32_t *fd_out);
    enum err (*file_read)(struct io *io, int32_t fd, void *bytes, uint32_t size_bytes, uint64_t pos,
                          uint32_t *read_out);
    enum err (*file_write)(struct io *io, int32_t fd, const void *bytes, uint32_t size_bytes,
                           uint64_t pos);
    enum err (*file_sync)(struct io *io, int32_t fd);
    enum err (*file_truncate)(struct io *io, int32_t fd, uint64_t size_bytes);
    enum err (*file_stat)(struct io *io, const char *path, struct io_stat *out);
    enum err (*file_size)(struct io *io, int32_t fd, uint64_t *out);
    enum err (*file_lock)(struct io *io, int32_t fd);
    enum err (*file_rename)(struct io *io, const char *from, const char *to);
    enum err (*file_unlink)(struct io *io, const char *path);
    enum err (*dir_make)(struct io *io, const char *path);
    enum err (*dir_remove)(struct io *io, const char *path);
    enum err (*dir_sync)(struct io *io, const char *path);
    enum err (*dir_list)(struct io *io, const char *path,
                         void (*entry)(void *context, const char *name, bool is_dir),
                         void *context);
    enum err (*dir_space)(struct io *io, const char *path, struct io_space *out);
    enum err (*filesystem_sync)(struct io *io, int32_t fd); /* syncfs, now */
    /* the loop's side */
    /* submit, wait, fill completed; UINT64_MAX: for ever */
    enum err (*wait)(struct io *io, uint64_t timeout_ns);
    void (*flush)(struct io *io); /* submit now: what comes next takes a while */
    void (*wake)(struct io *io);  /* any thread: end a wait */
    void (*destroy)(struct io *io);
};

struct io {
    const struct io_vtable *v;
    struct list completed;    /* of io_op.node, oldest first: the loop runs their done */
    uint64_t in_flight_count; /* ops started and not completed */
    uint64_t submit_count;    /* kernel entries, for the metrics */
};

/* Read up to size_bytes at pos.  result 0: end of file. */
static inline void io_read(struct io *io, struct io_op *op, int32_t fd, void *bytes,
                           uint32_t size_bytes, uint64_t pos, io_done_fn *done)
{
    op->done = done;
    io->v->read(io, op, fd, bytes, size_bytes, pos);
}

/* Write the pieces at pos; vec stays the caller's memory and must live until done.  dsync: durable
 * on completion, whatever the file's own flags. */
static inline void io_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                             uint32_t vec_count, uint64_t pos, bool dsync, io_done_fn *done)
{
    op->done = done;
    io->v->writev(io, op, fd, vec, vec_count, pos, dsync);
}

/* fdatasync(2). */
static inline void io_sync(struct io *io, struct io_op *op, int32_t fd, io_done_fn *done)
{
    op->done = done;
    io->v->sync(io, op, fd);
}

/* syncfs(2) of the file system that fd lies on: data and names. */
static inline void io_syncfs(struct io *io, struct io_op *op, int32_t fd, io_done_fn *done)
{
    op->done = done;
    io->v->syncfs(io, op, fd);
}

/* unlink(2) off the loop: large files take milliseconds.  path must live until done. */
static inline void io_unlink(struct io *io, struct io_op *op, const char *path, io_done_fn *done)
{
    op->done = done;
    io->v->unlink(io, op, path);
}

static inline void io_accept(struct io *io, struct io_accept *accept, int32_t listen_fd)
{
    io->v->accept(io, accept, listen_fd);
}

static inline void io_recv(struct io *io, struct io_recv *recv, int32_t fd)
{
    io->v->recv(io, recv, fd);
}

/* Receive straight into bytes; result may be short, 0 is the peer's close. */
static inline void io_recv_into(struct io *io, struct io_op *op, int32_t fd, void *bytes,
                                uint32_t size_bytes, io_done_fn *done)
{
    op->done = done;
    io->v->recv_into(io, op, fd, bytes, size_bytes);
}

/* Send the pieces in order; result may be short.  vec_count <= 1024; vec must live until done. */
static inline void io_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                            uint32_t vec_count, io_done_fn *done)
{
    op->done = done;
    io->v->sendv(io, op, fd, vec, vec_count);
}

static inline void io_connect(struct io *io, struct io_op *op, int32_t fd,
                              const struct io_address *to, io_done_fn *done)
{
    op->done = done;
    io->v->connect(io, op, fd, to);
}

/* Ask op to end soon; its done still comes (-ECANCELED, or its true result).  An op that is not in
 * flight is left alone. */
static inline void io_cancel(struct io *io, struct io_op *op)
{
    if (op->in_flight)
        io->v->cancel(io, op);
}

#endif
