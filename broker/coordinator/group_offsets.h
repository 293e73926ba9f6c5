/* group_offsets: the committed offsets of groups in memory, by group and by topic.
 *
 * Each group finds its own by topic and partition; the coordinator finds all of one topic, so that
 * what goes with a topic costs what there is of it, and no more.  On the coordinator's loop.
 *   GOF-1  an offset stands in its group's table and in its topic's list, or in neither
 *   GOF-2  a name stays as long as an offset has it: who keeps an offset may keep offset->topic
 *   GOF-3  while commits of an offset are being recorded (pending_count), its newest record in the
 *          log is not the one that is in memory
 *   GOF-4  an offset stays where it is while records of it are on their way (pending_count,
 *       leaving_count), so that applying them needs no memory
 *   GOF-5  of plain commits and of those that transactions have committed the one that is later in
 *          the log is the group's (DUR-G6) */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_OFFSETS_H
#define LEVEE_BROKER_COORDINATOR_GROUP_OFFSETS_H

#include "broker/coordinator/group.h"

struct image;

/* A name, and the offsets of all groups in it. */
struct offset_topic {
    char *name;
    size_t name_bytes;
    struct list offsets; /* of group_offset; those that a sweep has looked at last are at the end */
    struct list forgotten; /* the coordinator's: its offsets are to go (group_expiry.c) */
    uint64_t forget_round; /* of that sweep */
    bool is_deleted;       /* just now: what does not say its id goes, too */
};

/* What a record says of an offset. */
struct group_offset_value {
    struct uuid topic_id; /* zero: written by somebody who did not say */
    int64_t offset;
    int32_t leader_epoch;
    struct group_bytes metadata; /* owned */
    int64_t commit_timestamp_ms;
    int64_t expire_timestamp_ms; /* -1: by offsets.retention.minutes */
    int64_t record_offset;       /* of that record in the log */
    bool is_foreign;             /* in that of the group's old partition (group_move.h) */
};

struct offset_key {
    const struct offset_topic *topic;
    int64_t partition;
};

struct group_offset {
    struct list node; /* offset_topic.offsets */
    struct group *group;
    struct offset_topic *of;
    struct offset_key key;
    const char *topic; /* its name */
    int32_t partition;
    bool is_recorded;                /* value is the group's; else there is only the rest: */
    bool is_elsewhere;               /* the group's old partition has records of it, too */
    struct group_offset_value value; /* what is committed */
    struct group_offset_value *old; /* likewise, in the old partition, until both were read; NULL */
    struct list staged;             /* of pending_offset.of_entry: by open transactions */
    uint64_t round;                 /* of the sweep that has looked at it */
    uint64_t naming;                /* the number of the request that has named it last, */
    uint32_t place;                 /* and, of a commit, where it stands there */
    uint32_t pending_count;         /* commits of it that are being recorded */
    uint32_t staging_count;         /* those of them that are of transactions */
    uint32_t leaving_count;         /* tombstones of it that are being recorded */
};

/* Committed, or staged by a transaction; else it is only on its way. */
static inline bool group_offset_is_there(const struct group_offset *entry)
{
    return entry->is_recorded || !list_is_empty(&entry->staged);
}

/* A transaction may still change it: it has staged one, or is about to (KIP-447, DUR-G5). */
static inline bool group_offset_is_unstable(const struct group_offset *entry)
{
    return entry->staging_count > 0 || !list_is_empty(&entry->staged);
}

/* NULL: none was committed (and recorded). */
struct group_offset *group_find_offset(const struct group *group, const char *topic,
                                       int32_t partition);

/* Also what is staged or on its way, in a topic that was found before; NULL is accepted. */
struct group_offset *group_find_entry(const struct group *group, const struct offset_topic *topic,
                                      int32_t partition);

/* Those that are recorded: cursor starts at 0, NULL at the end; as hash_map_next. */
struct group_offset *group_next_offset(const struct group *group, size_t *cursor);

/* Also those that are staged, or of which only a commit is on its way. */
struct group_offset *group_next_entry(const struct group *group, size_t *cursor);

/* A commit of it is being recorded (GOF-3); NULL: there is no memory. */
must_use struct group_offset *group_begin_offset(struct group *group, const char *topic,
                                                 int32_t partition);

/* The same of one that is there. */
void group_hold_offset(struct group_offset *entry);

/* A request begins to name offsets; then each of them is named first once. */
uint64_t group_begin_naming(struct group_coordinator *groups);
bool group_name_offset(struct group_offset *entry, uint64_t naming);

/* It is recorded; value's metadata is the offset's from now on.  Between begin and end. */
void group_apply_offset(struct group_offset *entry, struct group_offset_value *value);

/* Its record is no longer on its way. */
void group_end_offset(struct group_offset *entry);

/* All three at once, with a copy of metadata; of the group's old partition (value->is_foreign) it
 * is kept beside what there is.  ERR_NOMEM: nothing has changed. */
must_use enum err group_set_offset(struct group *group, const char *topic, int32_t partition,
                                   const struct group_offset_value *value);

/* A tombstone of it is being recorded; it is, or is not (is_gone false).  One that is recorded
 * takes what transactions have staged, too. */
void group_begin_leaving(struct group_offset *entry);
void group_end_leaving(struct group_offset *entry, bool is_gone);

/* The same when it is recorded. */
void group_left_offset(struct group *group, const char *topic, int32_t partition);

/* A tombstone that was read, in the group's old partition (is_foreign) or not; one of what is not
 * there is accepted. */
void group_remove_offset(struct group *group, const char *topic, int32_t partition,
                         bool is_foreign);

/* Both partitions were read: of two offsets the one that counts (GMV-2). */
void group_resolve_offset(struct group_offset *entry);

/* Its group's old partition has nothing of it any more.  It may be gone then. */
void group_forget_elsewhere(struct group_offset *entry);

/* The topic that it was committed for exists no more: its id is gone, whoever has the name now.
 * (Ids are never used again.  Without an id nothing is known, and the offset counts.) */
bool group_offset_is_orphan(const struct group_offset_value *value, const struct image *image);

/* All of a group that ends. */
void group_drop_offsets(struct group *group);

/* NULL: nobody has an offset in it. */
struct offset_topic *offset_topic_find(const struct group_coordinator *groups, const char *name);

#endif
