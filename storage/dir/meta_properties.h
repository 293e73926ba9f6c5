/* meta_properties: Kafka's meta.properties: to which cluster and node a directory belongs.
 *
 * A .properties file: version=1, cluster.id, node.id, directory.id; other keys are left alone by
 * readers.  Any thread; holds nothing.  (KIP-631, KIP-858) */
#ifndef LEVEE_STORAGE_DIR_META_PROPERTIES_H
#define LEVEE_STORAGE_DIR_META_PROPERTIES_H

#include "base/err.h"
#include "base/uuid.h"

#include <stddef.h>
#include <stdint.h>

#define META_PROPERTIES_NAME "meta.properties"

enum {
    META_CLUSTER_ID_MAX = 64, /* with the NUL */
    META_PROPERTIES_MAX_BYTES = 512,
};

struct meta_properties {
    char cluster_id[META_CLUSTER_ID_MAX];
    int32_t node_id;
    struct uuid directory_id; /* zero: not in the file (Kafka before 3.7) */
};

/* Returns the size; no NUL. */
size_t meta_properties_encode(const struct meta_properties *meta,
                              char out[static META_PROPERTIES_MAX_BYTES]);

/* ERR_MALFORMED: not properties, or version, cluster.id or node.id missing or bad;
 * ERR_NEWER_FORMAT: version above 1; ERR_UNSUPPORTED: version 0 (a ZooKeeper broker's);
 * ERR_TOO_LARGE: cluster.id. */
must_use enum err meta_properties_decode(const char *text, size_t size_bytes,
                                         struct meta_properties *out);

#endif
