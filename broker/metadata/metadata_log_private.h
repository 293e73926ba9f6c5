/* metadata_log_private: how the metadata log lies in memory; for metadata_log*.c alone. */
#ifndef LEVEE_BROKER_METADATA_METADATA_LOG_PRIVATE_H
#define LEVEE_BROKER_METADATA_METADATA_LOG_PRIVATE_H

#include "base/whole_write.h"
#include "broker/metadata/metadata_log.h"
#include "broker/metadata/snapshot_file.h"
#include "record/batch_builder.h"

enum { SNAPSHOTS_KEPT = 2, PATH_MAX_BYTES = 4096 + 128 };

/* The snapshot that is being written, when active. */
struct snapshot_write {
    bool active;
    struct whole_write write;
    struct snapshot_id id;
    uint8_t *bytes;
    size_t size_bytes;
    int32_t fd;
    uint64_t covers_bytes; /* of appended_bytes when it was begun */
    void (*done)(void *context, enum err err);
    void *context;
};

struct metadata_log {
    struct metadata_log_world world;
    struct metadata_log_options options;
    char *dir; /* of the log itself */
    struct log *log;
    int32_t epoch;
    bool open_transaction;                        /* the old tail ends inside one */
    struct snapshot_id snapshots[SNAPSHOTS_KEPT]; /* newest first */
    uint32_t snapshot_count;
    uint64_t appended_bytes; /* since the newest snapshot */
    struct batch_builder builder;
    struct arena arena;
    struct append_queue queue;
    struct metadata_append *in_flight;
    void (*committed)(void *context, const uint8_t *bytes, uint32_t size_bytes);
    void *committed_context;
    struct batch_header header; /* of the batch in flight */
    struct snapshot_write writing;
};

/* metadata_log_snapshot.c: the newest snapshot that is whole into image, which is empty; its id and
 * that of the one behind it into log->snapshots.  Files of writes that did not end are deleted.  A
 * snapshot that cannot be read is passed over, with a log line; none at all is OK.  Errors: of the
 * directory, ERR_NOMEM, those of snapshot_apply. */
must_use enum err metadata_log_load_snapshot(struct metadata_log *log, struct image *image);

#endif
