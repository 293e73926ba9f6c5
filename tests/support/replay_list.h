/* replay_list: what a journal_scan replays of one partition, as a list; for tests alone. */
#ifndef LEVEE_TESTS_REPLAY_LIST_H
#define LEVEE_TESTS_REPLAY_LIST_H

#include "storage/journal/journal_scan.h"

#include <stdlib.h>
#include <string.h>

struct listed_replay {
    struct listed_replay *next;
    struct journal_entry entry;
    const uint8_t *prefix;
    const uint8_t *payload;
    uint8_t bytes[];
};

static struct listed_replay *replay_list; /* of the last call */
static struct listed_replay **replay_list_end = &replay_list;

static inline void replay_list_free(void)
{
    while (replay_list != NULL) {
        struct listed_replay *first = replay_list;
        replay_list = first->next;
        free(first);
    }
    replay_list_end = &replay_list;
}

static inline enum err replay_list_add(void *context, struct journal_facts *facts,
                                       const struct journal_replay *replay)
{
    size_t size_bytes = replay->entry.prefix_bytes + replay->entry.payload_bytes;
    struct listed_replay *listed = malloc(sizeof(*listed) + size_bytes);

    listed->next = NULL;
    listed->entry = replay->entry;
    memcpy(listed->bytes, replay->prefix, size_bytes);
    listed->prefix = listed->bytes;
    listed->payload = listed->bytes + replay->entry.prefix_bytes;
    *replay_list_end = listed;
    replay_list_end = &listed->next;
    return OK;
}

static inline enum err replay_list_rest(void *context)
{
    return OK;
}

/* Its entries, until the next call; NULL: none.  *err_out: what the replay said. */
static inline struct listed_replay *replay_list_of(struct journal_scan *scan,
                                                   const struct uuid *topic_id, int32_t partition,
                                                   enum err *err_out)
{
    static const struct journal_replayer to = {replay_list_add, replay_list_rest, NULL};
    struct journal_facts *facts = journal_scan_take(scan, topic_id, partition);

    replay_list_free();
    *err_out = facts == NULL ? OK : journal_scan_replay(scan, facts, &to);
    return replay_list;
}

#endif
