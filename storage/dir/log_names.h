/* log_names: names of files and directories in a log directory, and which topic names are allowed.
 *
 * As Kafka's LogFileUtils, LocalLog and Topic have them.  Any thread; holds nothing.
 *   <topic>-<partition>/                       a partition
 *   <topic>-<partition>.<32 hex digits>-delete a partition to be removed (topic may be cut to fit)
 *   <20 digits>.log .index .timeindex .txnindex .snapshot .levee-window, and .deleted behind any */
#ifndef LEVEE_STORAGE_DIR_LOG_NAMES_H
#define LEVEE_STORAGE_DIR_LOG_NAMES_H

#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOG_TOPIC_NAME_MAX = 249,
    LOG_DIR_NAME_MAX = 264, /* with the NUL */
    LOG_FILE_NAME_MAX = 48, /* with the NUL */
    LOG_PATH_MAX = 4608,    /* of a file in a partition's directory, with the NUL */
};

enum log_file_kind {
    LOG_FILE_LOG,
    LOG_FILE_INDEX,
    LOG_FILE_TIME_INDEX,
    LOG_FILE_TXN_INDEX,
    LOG_FILE_SNAPSHOT,
    LOG_FILE_WINDOW, /* ours: producer_files.h */
    LOG_FILE_KIND_COUNT
};

/* 1..249 of [a-zA-Z0-9._-], and neither "." nor "..". */
bool log_names_topic_is_valid(const char *name, size_t size_bytes);

/* Do two topic names become the same metric name ('.' and '_' are alike there)? */
bool log_names_topics_collide(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

/* "<offset as 20 digits><suffix>"; offset >= 0. */
void log_names_format_file(char out[static LOG_FILE_NAME_MAX], int64_t base_offset,
                           enum log_file_kind kind);

/* The inverse.  *deleted_out: it ends with ".deleted".  ERR_NOT_FOUND: another kind of name. */
must_use enum err log_names_parse_file(const char *name, int64_t *base_offset_out,
                                       enum log_file_kind *kind_out, bool *deleted_out);

/* "<topic>-<partition>".  topic is valid; partition >= 0.  From 100000 partitions on the
 * longest topics make names that file systems refuse. */
void log_names_format_dir(char out[static LOG_DIR_NAME_MAX], const char *topic, int32_t partition);

/* "<topic>-<partition>.<id as 32 hex digits>-delete", at most 255 characters: topic is cut. */
void log_names_format_deleted_dir(char out[static LOG_DIR_NAME_MAX], const char *topic,
                                  int32_t partition, const struct uuid *id);

struct log_dir_name {
    char topic[LOG_TOPIC_NAME_MAX + 1]; /* possibly cut when deleted */
    int32_t partition;
    bool deleted;
};

/* The inverse of both.  ERR_NOT_FOUND: not the name of a partition directory. */
must_use enum err log_names_parse_dir(const char *name, struct log_dir_name *out);

#endif
