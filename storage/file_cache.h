/* file_cache: descriptors that are open now, never more than a limit.
 *
 * Owned by the store; lives on its loop.  A handle is embedded by whoever may want a file open (a
 * segment has one for reading and one for writing); it is opened when asked for and closed when
 * others need the place, the least recently used first.
 *   F1  a pinned handle stays open
 *   F2  open_count passes max only while every open handle is pinned */
#ifndef LEVEE_STORAGE_FILE_CACHE_H
#define LEVEE_STORAGE_FILE_CACHE_H

#include "base/err.h"
#include "base/io.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct file_cache {
    struct io *io;
    struct list idle; /* open and not pinned, least recently used first */
    uint32_t open_count;
    uint32_t max;
};

/* Zeroed: closed. */
struct file_handle {
    struct list node;
    int32_t fd;
    uint32_t pin_count;
    bool is_open;
};

void file_cache_init(struct file_cache *cache, struct io *io, uint32_t max);

/* The descriptor, opened with flags (enum io_open_flags) if it is not, and pinned.  Errors as
 * file_open. */
must_use enum err file_cache_acquire(struct file_cache *cache, struct file_handle *handle,
                                     const char *path, uint32_t flags, int32_t *fd_out);

/* One pin less. */
void file_cache_release(struct file_cache *cache, struct file_handle *handle);

/* Close it, when open; not pinned. */
void file_cache_drop(struct file_cache *cache, struct file_handle *handle);

#endif
