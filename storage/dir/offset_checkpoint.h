/* offset_checkpoint: Kafka's files that hold one offset per partition.
 *
 * recovery-point-offset-checkpoint, log-start-offset-checkpoint, replication-offset-checkpoint,
 * cleaner-offset-checkpoint.  Text: "0\n", "<count>\n", then "<topic> <partition> <offset>\n" each.
 * Any thread; holds nothing. */
#ifndef LEVEE_STORAGE_DIR_OFFSET_CHECKPOINT_H
#define LEVEE_STORAGE_DIR_OFFSET_CHECKPOINT_H

#include "base/err.h"
#include "storage/checkpoint_lines.h"

#include <stddef.h>
#include <stdint.h>

struct offset_checkpoint_entry {
    const char *topic; /* not NUL-terminated after decoding */
    uint32_t topic_bytes;
    int32_t partition;
    int64_t offset;
};

/* The file's text.  Returns its size; writes nothing beyond max_bytes and no NUL (call with 0 for
 * the size alone). */
size_t offset_checkpoint_encode(const struct offset_checkpoint_entry *entries, uint32_t count,
                                char *out, size_t max_bytes);

/* A file being read; entries point into text, which stays the caller's. */
struct offset_checkpoint_reader {
    struct checkpoint_lines lines;
};

/* Read the two lines on top.  ERR_MALFORMED, ERR_NEWER_FORMAT, ERR_TRUNCATED. */
must_use enum err offset_checkpoint_open(struct offset_checkpoint_reader *reader, const char *text,
                                         size_t size_bytes);

/* The next entry.  ERR_NOT_FOUND: that was all.  ERR_TRUNCATED: fewer than the count says;
 * ERR_MALFORMED: a bad line, or lines beyond the count. */
must_use enum err offset_checkpoint_next(struct offset_checkpoint_reader *reader,
                                         struct offset_checkpoint_entry *out);

#endif
