/* whole_write: one write to a file that goes on until all of it is done.
 *
 * Embedded by the caller, which owns the bytes; lives on one loop.  A short write goes on with the
 * rest (io.h, IO-5), an interrupted one with the same.
 *   WHW-1  a file opened with O_DIRECT goes on at a block: what of a block came is written again
 *   WHW-2  after FRUITLESS_MAX attempts in a row that moved nothing it is ERR_IO; so is a write of
 *          0
 *   WHW-3  a lack of space is the caller's to judge: it is told ERR_NOSPACE, and may start anew */
#ifndef LEVEE_BASE_WHOLE_WRITE_H
#define LEVEE_BASE_WHOLE_WRITE_H

#include "base/err.h"
#include "base/io.h"

/* Zeroed before its first use. */
struct whole_write {
    struct io_op op;
    struct io *io;
    int32_t fd;
    bool dsync;           /* durable when it is done */
    uint32_t block_bytes; /* 1; IO_ALIGN: WHW-1 */
    uint64_t pos;         /* of what is left */
    struct iovec *vec;    /* what is left: the caller's, changed as it goes */
    uint32_t vec_count;
    struct iovec one; /* vec of whole_write_bytes */
    uint32_t fruitless_count;
    uint32_t short_count; /* attempts that ended inside, for whoever counts them */
    bool stopped;
    void (*done)(struct whole_write *write, enum err err);
};

/* Write vec at pos.  done(write, err) once, from the loop: OK, or the error that ended it; the rest
 * is not written then.  With block_bytes IO_ALIGN: pos, addresses and sizes are multiples of it. */
void whole_write_vec(struct whole_write *write, struct io *io, int32_t fd, struct iovec *vec,
                     uint32_t vec_count, uint64_t pos, bool dsync, uint32_t block_bytes,
                     void (*done)(struct whole_write *write, enum err err));

/* The same for bytes in one piece. */
void whole_write_bytes(struct whole_write *write, struct io *io, int32_t fd, const void *bytes,
                       size_t size_bytes, uint64_t pos, bool dsync, uint32_t block_bytes,
                       void (*done)(struct whole_write *write, enum err err));

/* One that is in flight, or done: it makes no further attempt.  done comes, with ERR_CANCELED where
 * something was left. */
void whole_write_stop(struct whole_write *write);

#endif
