/* io_system: the constructors of the io backends that speak to the kernel. */
#ifndef LEVEE_BASE_IO_SYSTEM_H
#define LEVEE_BASE_IO_SYSTEM_H

#include "base/io.h"

/* Zero means the default. */
struct io_uring_options {
    uint32_t entry_count;       /* operations submitted at once; 1024 */
    uint32_t recv_buffer_bytes; /* of one shared receive buffer; 64 KiB, a multiple of 4 KiB */
    uint32_t recv_buffer_count; /* a power of two, at most 32768; 32 */
    bool plain;                 /* leave out what newer kernels add: for tests of the fallbacks */
};

/* An io on a ring of its own.  May be created on another thread than the one that uses it: the
 * ring belongs to the thread of the first wait (or of the 1,025th op before it); until then ops
 * are only noted down.  ERR_UNSUPPORTED: the kernel is older than 5.19 or forbids rings. ERR_NOMEM.
 * End it with out->v->destroy once nothing is in flight; on any thread, when its own has stopped
 * using it. */
must_use enum err io_uring_create(const struct io_uring_options *options, struct io **out);

/* Zero means the default. */
struct io_plain_options {
    uint32_t journal_thread_count; /* for writes that are durable on completion; 3: a
                                    * journal has two on their way, and there are marks */
    uint32_t read_thread_count;    /* 4 */
    uint32_t write_thread_count;   /* for the other writes; 2 */
    uint32_t sync_thread_count;    /* for syncs and syncfs; 3 */
    uint32_t recv_buffer_bytes;    /* of the shared receive buffer; 64 KiB */
    uint32_t recv_count;           /* pieces received in one turn of the loop; 32 */
};

/* An io on epoll and a few threads: needs nothing newer than Linux 5.10, and no permission. Threads
 * are made when they are first needed, at most as many as the options say and one for unlinks, and
 * sleep when idle.
 * May be created on another thread than the one that uses it.  ERR_NOMEM: no memory
 * or no descriptor.  End it as a ring. */
must_use enum err io_plain_create(const struct io_plain_options *options, struct io **out);

#endif
