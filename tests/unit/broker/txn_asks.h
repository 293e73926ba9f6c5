/* txn_asks: TxnOffsetCommit and what ends a transaction, over group_rig; the transaction's
 * coordinator is what the test says.  Included by one test file at a time: it defines
 * transaction_registration_start. */
#ifndef LEVEE_TESTS_TXN_ASKS_H
#define LEVEE_TESTS_TXN_ASKS_H

#include "broker/coordinator/group_pending_offsets.h"
#include "broker/coordinator/transaction_registration.h"
#include "net/protocol/msg_txn_offset_commit.h"
#include "tests/unit/broker/group_asks.h"

/* ---- who knows of transactions */

static struct {
    int16_t error; /* that it says */
    bool holds;    /* it says nothing yet */
    bool is_late;  /* a commit of a later connection was let pass before */
    struct transaction_registration *waiting;
    struct transaction_registration last; /* what was asked */
    uint32_t count;
} registry;

void transaction_registration_start(struct transaction_registration *registration, struct shard *at)
{
    cr_assert(at == &rig.shard);
    registry.count++;
    registry.last = *registration;
    if (registry.holds) {
        cr_assert(registry.waiting == NULL);
        registry.waiting = registration;
        return;
    }
    registration->is_late = registry.is_late;
    registration->done(registration, registry.error);
}

static inline void registry_answer(int16_t error)
{
    struct transaction_registration *registration = registry.waiting;

    registry.waiting = NULL;
    registration->done(registration, error);
    rig_settle();
}

/* ---- commits */

enum { P = 77, Q = 78, EPOCH = 5, TXN_VERSION = 5 };

static inline void make_txn(struct ask *ask, int16_t version, int64_t producer_id,
                            const struct client_member *client, const char *group,
                            int32_t partition, int64_t offset)
{
    struct txn_offset_commit_request *body;
    struct txn_offset_commit_request_topic *topic;

    *ask = ask_new(API_TXN_OFFSET_COMMIT, version);
    body = ask->body;
    body->transactional_id = asked_text(ask, "id");
    body->group_id = asked_text(ask, group);
    body->producer_id = producer_id;
    body->producer_epoch = EPOCH;
    if (client != NULL) {
        body->generation_id_or_member_epoch = client->generation;
        body->member_id = asked_text(ask, client->id);
        body->group_instance_id = asked_text(ask, client->instance);
    }
    body->topics.items = rig_array(ask->request, &txn_offset_commit_request_topic_struct, 1);
    body->topics.count = 1;
    topic = &body->topics.items[0];
    topic->name = asked_text(ask, "t");
    if (version >= 6)
        topic->topic_id = image_topic_by_name(rig.shard.image, "t", 1)->id;
    topic->partitions.items =
        rig_array(ask->request, &txn_offset_commit_request_partition_struct, 1);
    topic->partitions.count = 1;
    topic->partitions.items[0].partition_index = partition;
    topic->partitions.items[0].committed_offset = offset;
    topic->partitions.items[0].committed_metadata = wire_string("staged");
}

static inline int16_t end_txn_commit(struct ask *ask)
{
    const struct txn_offset_commit_response *response = ask->response;
    int16_t error_code = response->topics.items[0].partitions.items[0].error_code;

    ask_end(ask);
    return error_code;
}

static inline void start_txn_commit(struct ask *ask, int16_t version, int64_t producer_id,
                                    const struct client_member *client, const char *group,
                                    int32_t partition, int64_t offset)
{
    make_txn(ask, version, producer_id, client, group, partition, offset);
    ask_start(ask, handle_txn_offset_commit);
}

static inline int16_t txn_commit_as(int16_t version, const struct client_member *client,
                                    const char *group, int32_t partition, int64_t offset)
{
    struct ask ask;

    start_txn_commit(&ask, version, P, client, group, partition, offset);
    return end_txn_commit(&ask);
}

static inline int16_t txn_commit(int64_t producer_id, const char *group, int32_t partition,
                                 int64_t offset)
{
    struct ask ask;

    start_txn_commit(&ask, TXN_VERSION, producer_id, NULL, group, partition, offset);
    return end_txn_commit(&ask);
}

/* ---- the end of a transaction */

struct test_end {
    struct group_transaction_end end;
    uint32_t appended_count;
    bool is_done;
    enum err err;
};

static inline void on_end_appended(struct group_transaction_end *end)
{
    struct test_end *of = container_of(end, struct test_end, end);

    cr_assert(not(of->is_done));
    of->appended_count++;
}

static inline void on_end_done(struct group_transaction_end *end, enum err err)
{
    struct test_end *of = container_of(end, struct test_end, end);

    cr_assert(not(of->is_done));
    of->is_done = true;
    of->err = err;
}

static inline void start_end(struct test_end *end, int64_t producer_id, bool commits)
{
    *end = (struct test_end){.end = {.producer_id = producer_id,
                                     .epoch = EPOCH + 1,
                                     .coordinator_epoch = 1,
                                     .commit = commits,
                                     .txn_v2 = true,
                                     .appended = on_end_appended,
                                     .done = on_end_done}};
    group_coordinator_end_transaction(rig.shard.groups, 0, &end->end);
    rig_settle();
}

static inline void end_txn(int64_t producer_id, bool commits)
{
    struct test_end end;

    start_end(&end, producer_id, commits);
    cr_assert(end.is_done);
    cr_assert(eq(int, end.err, OK));
    cr_assert(eq(u32, end.appended_count, 1));
}

/* ---- what is told */

enum { UNSTABLE = -100 }; /* in place of an offset */

static inline int64_t fetch_stable(const char *group, int32_t partition)
{
    struct ask ask = ask_new(API_OFFSET_FETCH, 7);
    struct offset_fetch_request *body = ask.body;
    const struct offset_fetch_response *response = ask.response;
    const struct offset_fetch_response_partition *answer;
    int64_t offset;

    body->group_id = asked_text(&ask, group);
    body->require_stable = true;
    body->topics.items = rig_array(ask.request, &offset_fetch_request_topic_struct, 1);
    body->topics.count = 1;
    body->topics.items[0].name = asked_text(&ask, "t");
    body->topics.items[0].partition_indexes.items = rig_alloc(ask.request, 1, sizeof(int32_t));
    body->topics.items[0].partition_indexes.items[0] = partition;
    body->topics.items[0].partition_indexes.count = 1;
    ask_start(&ask, handle_offset_fetch);
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    answer = &response->topics.items[0].partitions.items[0];
    offset = answer->committed_offset;
    if (answer->error_code != KAFKA_NONE) {
        cr_assert(eq(i16, answer->error_code, KAFKA_UNSTABLE_OFFSET_COMMIT));
        cr_assert(eq(i64, offset, -1));
        offset = UNSTABLE;
    }
    ask_end(&ask);
    return offset;
}

#endif
