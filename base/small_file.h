/* small_file: a small file as a whole: read, or replaced so that a reader finds the old or the new
 * content, never a part.
 *
 * Any thread with its own io; holds nothing; synchronous (io.h: for start, the control path,
 * tools).
 *   SMF-1  the new content is written beside, under path.tmp, and renamed over path; what a stop
 *        in between leaves there is overwritten by the next one
 *   SMF-2  small_file_replace: when it returns OK the new content is durable, and so is its name
 *        if dir was given (docs/decisions/0001-own-small-files.md); small_file_write: nothing
 *        is, until the caller has synced the file system */
#ifndef LEVEE_BASE_SMALL_FILE_H
#define LEVEE_BASE_SMALL_FILE_H

#include "base/err.h"
#include "base/io.h"

enum {
    SMALL_FILE_PATH_MAX = 4608, /* with the NUL; one that is longer is ERR_INVALID */
    SMALL_FILE_BYTES_MAX = 256 << 20,
};

/* All of it; *bytes_out is the caller's (mem_free).  ERR_NOT_FOUND; ERR_TOO_LARGE: more than
 * SMALL_FILE_BYTES_MAX; ERR_NOMEM; ERR_TRUNCATED: it became shorter meanwhile; errors of files. */
must_use enum err small_file_read(struct io *io, const char *path, uint8_t **bytes_out,
                                  size_t *size_out);

/* The first capacity bytes, or all.  ERR_NOT_FOUND, errors of files. */
must_use enum err small_file_read_into(struct io *io, const char *path, void *bytes,
                                       uint32_t capacity, size_t *size_out);

must_use enum err small_file_write(struct io *io, const char *path, const void *bytes,
                                   size_t size_bytes);

/* dir: the directory that path lies in; NULL: the caller syncs it. */
must_use enum err small_file_replace(struct io *io, const char *dir, const char *path,
                                     const void *bytes, size_t size_bytes);

/* Second half of the above, where somebody has written and synced temporary. */
must_use enum err small_file_install(struct io *io, const char *dir, const char *temporary,
                                     const char *path);

#endif
