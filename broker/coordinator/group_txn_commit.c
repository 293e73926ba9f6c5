/* start → registered → on_registered: the group is asked, records → group_commit.c */
#include "broker/coordinator/group_txn_commit.h"

#include "broker/coordinator/coordinator_private.h"
#include "broker/internal_topics.h"
#include "broker/request.h"
#include "net/protocol/kafka_enums.h"

/* As Kafka's AddPartitionsToTxnManager tells it. */
static int16_t error_of(const struct group_txn_commit *commit, int16_t error)
{
    if (error == KAFKA_PRODUCER_FENCED)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (error == KAFKA_TRANSACTION_ABORTABLE && !commit->hears_aborted)
        return KAFKA_INVALID_TXN_STATE;
    return error;
}

static void on_registered(struct transaction_registration *registration, int16_t error)
{
    struct group_txn_commit *commit =
        container_of(registration, struct group_txn_commit, registration);

    if (registration->is_late)
        commit->late(commit);
    else if (error != KAFKA_NONE)
        group_commit_refuse(&commit->ask, error_of(commit, error));
    else
        group_commit_start(commit->groups, &commit->ask);
}

void group_txn_commit_start(struct group_coordinator *groups, struct group_txn_commit *commit)
{
    struct group_commit_ask *ask = &commit->ask;
    int32_t index;
    int16_t error_code = coordinator_check(groups, ask->body->group_id, &index);

    if (!group_commit_judge(groups, ask)) {
        request_refuse_memory(ask->request);
        return;
    }
    if (error_code == KAFKA_NONE && commit->transactional_id.size_bytes == 0)
        error_code = KAFKA_INVALID_REQUEST; /* nobody's */
    if (error_code != KAFKA_NONE || ask->accepted_count == 0) {
        group_commit_refuse(ask, error_code);
        return;
    }
    commit->groups = groups;
    commit->registration = (struct transaction_registration){
        .id = commit->transactional_id.text,
        .id_bytes = (size_t)commit->transactional_id.size_bytes,
        .producer_id = ask->producer_id,
        .epoch = ask->producer_epoch,
        .topic = internal_topics_of_keys(KAFKA_COORDINATOR_KEY_TYPE_GROUP)->name,
        .partition = index,
        .version = commit->adds_partition ? TRANSACTION_V2 : TRANSACTION_V1,
        .accept_number = commit->adds_partition ? 0 : ask->request->client->accept_number,
        .done = on_registered,
    };
    transaction_registration_start(&commit->registration, groups->shard);
}
