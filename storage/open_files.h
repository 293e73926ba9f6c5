/* open_files: descriptors of segment files that stay open between uses: bounded, those that were
 * not used for longest are closed first.
 *
 * Owned by a store; lives on its loop.
 *   OPF-1  more files than the bound are open only while all of them are in use */
#ifndef LEVEE_STORAGE_OPEN_FILES_H
#define LEVEE_STORAGE_OPEN_FILES_H

#include "base/err.h"
#include "base/io.h"
#include "base/list.h"
#include "base/metrics.h"

#include <stdint.h>

/* Embedded in what the file belongs to. */
struct open_file {
    struct list node;  /* open_files.open while it is; off it: its owner is closing */
    int32_t fd;        /* -1: closed */
    uint32_t io_count; /* operations on fd in flight: it is in use */
};

struct open_files {
    struct io *io;
    struct list open; /* of open_file, longest unused first */
    uint32_t count;
    uint32_t max_count;  /* 0: none stays open between uses */
    struct gauge *gauge; /* tells count */
};

void open_files_init(struct open_files *files, struct io *io, uint32_t max_count,
                     struct gauge *gauge);

/* Opened, and created when missing, for reading and writing, O_DIRECT where that is supported; it
 * is closed.  Others may be closed for it.  The errors of opening. */
must_use enum err open_files_open(struct open_files *files, struct open_file *file,
                                  const char *path);
void open_files_touch(struct open_files *files, struct open_file *file); /* it is open */
void open_files_close(struct open_files *files, struct open_file *file); /* or it was not open */

/* One operation less on it. */
void open_files_io_ended(struct open_files *files, struct open_file *file);

/* Its owner is closing: it counts no more, and is closed here unless it is in use. */
void open_files_leave(struct open_files *files, struct open_file *file);

#endif
