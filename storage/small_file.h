/* small_file: files that are read whole and replaced whole.
 *
 * Synchronous: for start, stop and the checkpoint.  Nothing here syncs; whoever depends on a file
 * syncs the file system later, and content carries its own proof that it is whole. */
#ifndef LEVEE_STORAGE_SMALL_FILE_H
#define LEVEE_STORAGE_SMALL_FILE_H

#include "base/err.h"
#include "base/io.h"

#include <stdint.h>

/* Everything in the file, at most max_bytes (ERR_TOO_LARGE), into memory that the caller frees with
 * mem_free.  ERR_NOT_FOUND and what the file system says. */
must_use enum err small_file_read(struct io *io, const char *path, uint32_t max_bytes,
                                  uint8_t **bytes_out, uint32_t *size_out);

/* Write `path`.tmp and rename it to path. */
must_use enum err small_file_write(struct io *io, const char *path, const void *bytes,
                                   uint32_t size_bytes);

#endif
