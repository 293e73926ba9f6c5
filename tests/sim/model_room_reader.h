/* model_room_reader: a user of client_fetcher and client_offsets: reads every partition, goes back
 * now and then, and tells the history every record that it is handed.
 *
 * Beside model_consumer, which speaks the protocol by itself.
 *   MRR-1  batches of a partition follow each other without a gap (DUR-L8), from where it asked
 *   MRR-2  a partition that stopped because its offset is gone goes on where the log begins */
#ifndef LEVEE_TESTS_MODEL_ROOM_READER_H
#define LEVEE_TESTS_MODEL_ROOM_READER_H

#include "net/client/client_fetcher.h"
#include "net/client/client_offsets.h"
#include "tests/sim/model_room.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle.h"

struct model_room_reader_options {
    uint32_t max_wait_ms;
    uint32_t bytes_max;
    uint32_t partition_bytes_max;
    uint32_t pause_max_ms;
    uint32_t pull_max; /* batches at once */
    bool sessions;
};

struct room_reader_partition {
    int64_t position;  /* of the next batch; -1: not asked for yet */
    int64_t read_high; /* behind the last record that it has read */
    bool is_lost;      /* its offset is gone: where does the log begin? */
    bool has_stopped;  /* for another reason: it is asked for again */
};

struct model_room_reader {
    struct model_room room;
    struct model_room_reader_options options;
    const struct model_topics *topics;
    const struct oracle *oracle;
    struct client_fetcher *fetcher;
    struct client_topic *handles[MODEL_TOPICS_MAX];
    struct room_reader_partition partitions[HISTORY_PARTITIONS_MAX];
    struct client_offsets_op list;
    struct client_offset_question question;
    struct history_event floors; /* of the question, when it was asked */
    uint32_t listed_partition;
    struct timer tick;
    bool is_listing;
    bool is_ready; /* something can be pulled */
    bool is_gone;
    bool stop;
};

void model_room_reader_init(struct model_room_reader *reader, struct sim_node *node,
                            struct history *history, const struct model_room_options *room,
                            const struct model_room_reader_options *options,
                            const struct model_topics *topics, const struct oracle *oracle);
void model_room_reader_deinit(struct model_room_reader *reader);

/* It has read everything that anybody has seen, but in the mode cache, where it may go. */
bool model_room_reader_is_at_end(const struct model_room_reader *reader);

#endif
