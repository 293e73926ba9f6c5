/* model_janitor: the client that takes away: records below an offset, and whole topics; and that
 * alters segment.bytes of those that are there.
 *
 * DeleteRecords goes to topics that trim (model_topic.trims); topics that are mortal are deleted
 * and created again under the same name, as a new topic of the model (DUR-L15: nothing of the old
 * one may be seen there).  Each creation is followed at once, on the same connection, by a record
 * for the new topic by name: requests of one connection take effect one after the other.
 *   MJN-1  a topic is gone for the clients before its deletion is asked for
 *   MJN-2  an id that was seen before is never one of a new topic (told as WIRE) */
#ifndef LEVEE_TESTS_MODEL_JANITOR_H
#define LEVEE_TESTS_MODEL_JANITOR_H

#include "record/compression.h"
#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle.h"

enum janitor_state { JANITOR_IDLE, JANITOR_DELETING, JANITOR_CREATING };

struct model_janitor_options {
    uint32_t pause_max_ms;
    uint32_t recreations_max;
    bool deletes_records;
    bool pipelines;         /* a record right behind each creation */
    uint32_t segment_bytes; /* topics get this and twice as much in turns; 0: they do not */
};

struct model_janitor {
    struct model_client client;
    struct model_janitor_options options;
    struct model_topics *topics;
    struct oracle *oracle;
    struct compression_context *compression;
    struct model_call call;
    struct model_call record_call;
    struct timer tick;
    enum janitor_state state;
    uint32_t old_topic; /* index in topics, while one is made again */
    uint32_t new_topic;
    uint32_t partition; /* of DeleteRecords in flight */
    uint64_t asked_ns;
    uint64_t next_counter; /* of its own records */
    uint32_t recreations_count;
    uint64_t deletions_count; /* of records, that were answered */
    uint32_t alterations_count;
    bool created; /* the answer to the creation in flight was good */
    bool busy;
    bool record_busy;
    bool finishing;
};

void model_janitor_init(struct model_janitor *janitor, struct sim_node *node,
                        struct history *history, const struct model_client_options *client,
                        const struct model_janitor_options *options, struct model_topics *topics,
                        struct oracle *oracle);
void model_janitor_deinit(struct model_janitor *janitor);

/* Nothing is half done. */
bool model_janitor_is_done(const struct model_janitor *janitor);

#endif
