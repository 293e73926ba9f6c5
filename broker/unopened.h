/* unopened: the partitions of a shard whose log could not be opened when they came: no descriptor,
 * no space.  They are not served, and their clients try again; so does the topic table.
 *
 * Owned by the topic_table of its shard, on its loop.  One for each partition, oldest try first; as
 * many as the metadata has partitions at most. */
#ifndef LEVEE_BROKER_UNOPENED_H
#define LEVEE_BROKER_UNOPENED_H

#include "base/err.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct unopened_key {
    struct uuid topic_id;
    int32_t partition;
};

struct unopened_partition {
    struct list node;
    struct unopened_key key;
    char *topic_name;
    enum err err; /* of the last try */
};

struct unopened {
    struct hash_map by_key;
    struct list by_try; /* of unopened_partition */
};

void unopened_init(struct unopened *unopened, uint64_t seed);
void unopened_deinit(struct unopened *unopened);

/* One that is not there yet.  ERR_NOMEM. */
must_use enum err unopened_add(struct unopened *unopened, const struct uuid *topic_id,
                               int32_t partition, const char *topic_name, enum err err);

/* NULL: not there. */
struct unopened_partition *unopened_find(const struct unopened *unopened,
                                         const struct uuid *topic_id, int32_t partition);

/* The one that was tried longest ago; NULL: there is none. */
struct unopened_partition *unopened_first(const struct unopened *unopened);

/* It was tried, and failed again. */
void unopened_note_try(struct unopened *unopened, struct unopened_partition *partition,
                       enum err err);

void unopened_remove(struct unopened *unopened, struct unopened_partition *partition);

#endif
