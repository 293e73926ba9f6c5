/* topic_table: the partitions that live on one shard, by topic id, kept in step with the image.
 *
 * Owned by its shard.  A publisher of metadata: it alone opens and deletes logs, after a delta was
 * applied to the shard's image.  A log that cannot be opened then is tried again each second until
 * it opens or its topic is deleted; meanwhile the partition is not here. */
#ifndef LEVEE_BROKER_TOPIC_TABLE_H
#define LEVEE_BROKER_TOPIC_TABLE_H

#include "broker/metadata/delta.h"
#include "broker/topic_observer.h"

struct topic_table;

must_use enum err topic_table_create(struct shard *shard, struct topic_table **out);
void topic_table_destroy(struct topic_table *table); /* closes every log */

/* Before partitions are opened; one for a topic.  It must live as long as partitions are followed.
 */
void topic_table_observe(struct topic_table *table, struct topic_observer *observer);

/* The partition, or NULL: not here. */
struct partition *topic_table_find(struct topic_table *table, const struct uuid *topic_id,
                                   int32_t index);

/* At the start: open every partition of the image that is this shard's, as if all topics had just
 * been created.  When what the journal has of them was replayed: topic_table_follow_all. */
void topic_table_open_all(struct topic_table *table);

/* Take the epochs of those that were opened, and tell of those that are led.  The errors of
 * partition_follow. */
must_use enum err topic_table_follow_all(struct topic_table *table);

/* Bring logs in step with the image: deletions first, then creations, then changed epochs and
 * configs.  The image has the delta already.  Without memory it ends
 * early, and topic_table_open_err says so. */
void topic_table_publish(struct topic_table *table, const struct delta *delta);

/* The same in slices: a log is opened in a quarter of a millisecond, and there may be thousands.
 * False: call it again in the next turn, or later when the cursor lacks memory; no other delta
 * comes between. */
must_use bool topic_table_publish_some(struct topic_table *table, const struct delta *delta,
                                       struct delta_cursor *cursor);

/* The first failure to open a log, or OK.  A broker that starts must not go on with one: the
 * journal is used anew after the recovery, and has what the log is missing. */
enum err topic_table_open_err(const struct topic_table *table);

/* Visit every partition (retention, metrics, describe). */
void topic_table_each(struct topic_table *table,
                      void (*visit)(void *context, struct partition *partition), void *context);

uint32_t topic_table_count(const struct topic_table *table);

/* On the shard's loop: retention and roll timer starts. */
void topic_table_start(struct topic_table *table);

/* The store failed: wake every waiter with ERR_STORAGE. */
void topic_table_fail(struct topic_table *table);

#endif
