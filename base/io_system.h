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

#endif
