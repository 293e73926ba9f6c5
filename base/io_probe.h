/* io_probe: does a body of the seam do what it is asked for, each operation once?
 *
 * A kernel may give a ring and refuse operations on it (a filter of operations, io_uring(7)
 * restrictions), or give one and refuse to enter it (seccomp(2)), so asking which operations it
 * knows is not enough: each is done, on a file that has no name (memfd_create(2)) and on a
 * connection of 127.0.0.1 with itself.  Some hundred microseconds.
 *
 * Belongs to the caller's thread, which the ring of io belongs to afterwards.
 *   IOP-1  an operation counts as refused when its answer says that it is not to be done here
 *          (EPERM, EACCES, EINVAL, ENOSYS, EOPNOTSUPP) or when none comes; what the system lacks
 *          for the trial (memory, descriptors, an interface) refuses nothing */
#ifndef LEVEE_BASE_IO_PROBE_H
#define LEVEE_BASE_IO_PROBE_H

#include "base/io.h"

#include <stdbool.h>
#include <stdint.h>

enum io_operation {
    IO_OPERATION_WRITE,
    IO_OPERATION_WRITE_DURABLE, /* RWF_DSYNC */
    IO_OPERATION_READ,
    IO_OPERATION_SYNC,
    IO_OPERATION_UNLINK,
    IO_OPERATION_ACCEPT,
    IO_OPERATION_CONNECT,
    IO_OPERATION_SEND,
    IO_OPERATION_RECEIVE,      /* into shared buffers */
    IO_OPERATION_RECEIVE_INTO, /* into memory of the caller */
    IO_OPERATION_CANCEL,
    IO_OPERATION_COUNT,
};

struct io_probe {
    bool tried[IO_OPERATION_COUNT];
    int32_t
        errors[IO_OPERATION_COUNT]; /* a positive errno value: refused; 0: works, or not tried */
};

/* "read", "durable write", ... */
const char *io_operation_text(enum io_operation operation);

/* Do each operation once.  io has nothing in flight.  False: an operation never ended, so io must
 * be left as it is for ever (what is in flight belongs to it: IO-2 of io.h). */
must_use bool io_probe_run(struct io *io, struct io_probe *out);

/* The first operation that is refused, or IO_OPERATION_COUNT. */
enum io_operation io_probe_refused(const struct io_probe *probe);

#endif
