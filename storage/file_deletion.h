/* file_deletion: files and directories that are to go after a delay: renamed by whoever decided it,
 * unlinked here, some in each turn; those that an earlier process left, or a stop, are found at
 * start.
 *
 * Owned by a store; lives on its loop.
 *   FDL-1  nothing is unlinked before file_deletion_start, nor after file_deletion_stop but for
 *          what is in flight: the next start finds what is left
 *   FDL-2  an unlink in flight may outlive the object: it frees itself */
#ifndef LEVEE_STORAGE_FILE_DELETION_H
#define LEVEE_STORAGE_FILE_DELETION_H

#include "base/list.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct file_deletion {
    struct loop *loop;
    struct list waiting; /* of struct doomed_file, in order of due time of one delay */
    uint32_t in_flight_count;
    bool is_on;
    struct timer timer;
    void (*ended)(void *context); /* one more is no longer in flight */
    void *context;
};

void file_deletion_init(struct file_deletion *deletion, struct loop *loop,
                        void (*ended)(void *context), void *context);

/* Drops what waits, whose files stay; what is in flight ends by itself, untold. */
void file_deletion_deinit(struct file_deletion *deletion);

/* From now on what is due goes. */
void file_deletion_start(struct file_deletion *deletion);
void file_deletion_stop(struct file_deletion *deletion);

/* Leftovers of an earlier process: the directories in dir that are named as deleted. */
void file_deletion_scan(struct file_deletion *deletion, const char *dir);

/* path is copied; a directory goes with the files in it. */
void file_deletion_add(struct file_deletion *deletion, const char *path, bool is_dir,
                       int64_t delay_ms);

#endif
