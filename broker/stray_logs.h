/* stray_logs: partition directories whose topic the metadata does not know.
 *
 * They are left by a crash between a topic's deletion and that of its files, or belong to another
 * cluster.  Nothing is removed: each is renamed to `<name>-stray` and told in a log line, so that
 * its name is free and its bytes are kept (Kafka's LogManager.isStrayKraftReplica). */
#ifndef LEVEE_BROKER_STRAY_LOGS_H
#define LEVEE_BROKER_STRAY_LOGS_H

#include "base/err.h"
#include "base/io.h"
#include "base/log_line.h"

struct image;

/* At start, before partitions are opened.  ERR_FOREIGN: there are partitions, but the metadata log
 * is empty, so it is not the metadata of these files; nothing was touched. */
must_use enum err stray_logs_set_aside(struct io *io, const char *dir, const struct image *image,
                                       struct log_sink *sink);

#endif
