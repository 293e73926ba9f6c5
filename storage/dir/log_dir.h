/* log_dir: one directory of a broker: its lock, its identity, its end.
 *
 * Opened once at start, before anything else; synchronous.  Holds `.lock` (descriptor lock),
 * `meta.properties` (version 1, cluster.id, node.id, directory.id) and `levee.format` (our own
 * format version). */
#ifndef LEVEE_STORAGE_DIR_LOG_DIR_H
#define LEVEE_STORAGE_DIR_LOG_DIR_H

#include "base/err.h"
#include "base/io.h"
#include "base/prng.h"
#include "base/uuid.h"

enum { LOG_DIR_PATH_MAX = 4096, LOG_DIR_CLUSTER_ID_MAX = 64 };

struct log_dir {
    struct io *io;
    char path[LOG_DIR_PATH_MAX];
    char cluster_id[LOG_DIR_CLUSTER_ID_MAX];
    int32_t node_id;
    struct uuid directory_id;
    int32_t lock_fd;
    int32_t dir_fd;    /* some file of it, for syncfs; not to be closed by others */
    bool was_clean;    /* the previous process stopped in order (.kafka_cleanshutdown) */
    bool is_new;       /* formatted by this open */
    char problem[512]; /* what is wrong and what to do next, after an error */
};

/* Create path when missing, lock it, read or write the identity (files and directory synced).
 * A directory of Apache Kafka's (KRaft) is taken as it is.  The clean-shutdown file is removed.
 * cluster_id: NULL takes what is there or draws a random one.
 * ERR_LOCKED: another process; ERR_FOREIGN: other cluster or node; ERR_NEWER_FORMAT; ERR_CORRUPT:
 * meta.properties unreadable, or missing beside data; ERR_UNSUPPORTED: of a ZooKeeper broker;
 * ERR_INVALID: path or cluster_id too long; or what the file system says.  In each case problem
 * says so in a sentence, nothing is locked, and log_dir_close is not needed. */
must_use enum err log_dir_open(struct log_dir *dir, struct io *io, struct prng *prng,
                               const char *path, const char *cluster_id, int32_t node_id);

/* After everything else was closed.  clean: leave the clean-shutdown file (with the broker
 * epoch); if that cannot be written the next start takes the stop for a crash.  Accepts a struct
 * of a failed log_dir_open. */
void log_dir_close(struct log_dir *dir, bool clean, int64_t broker_epoch);

#endif
