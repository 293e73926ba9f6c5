/* start → registered → on_registered: the group is asked, records → group_commit.c.  A stop does
 * not wait for the registration, which ends by itself. */
#include "broker/coordinator/group_txn_commit.h"

#include "broker/coordinator/coordinator_private.h"
#include "broker/internal_topics.h"
#include "broker/request.h"
#include "net/protocol/kafka_enums.h"

#include <string.h>

/* As Kafka's AddPartitionsToTxnManager tells it. */
static int16_t error_of(const struct group_txn_commit *commit, int16_t error)
{
    if (error == KAFKA_PRODUCER_FENCED)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (error == KAFKA_TRANSACTION_ABORTABLE && !commit->hears_aborted)
        return KAFKA_INVALID_TXN_STATE;
    return error;
}

/* Of its own: the request may be answered before. */
struct txn_commit_asking {
    struct transaction_registration registration;
    struct list node;                /* group_coordinator.registering */
    struct group_txn_commit *commit; /* NULL: nobody is told */
};

static void on_registered(struct transaction_registration *registration, int16_t error)
{
    struct txn_commit_asking *asking =
        container_of(registration, struct txn_commit_asking, registration);
    struct group_txn_commit *commit = asking->commit;
    bool is_late = registration->is_late;

    list_remove(&asking->node);
    mem_free(asking);
    if (commit == NULL)
        return;
    request_on_cancel(commit->ask.request, NULL, NULL);
    if (is_late)
        commit->late(commit);
    else if (error != KAFKA_NONE)
        group_commit_refuse(&commit->ask, error_of(commit, error));
    else
        group_commit_start(commit->groups, &commit->ask);
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct txn_commit_asking *asking = request->cancel_context;
    struct group_txn_commit *commit = asking->commit;

    if (why != REQUEST_CUT)
        return;
    asking->commit = NULL;
    request_on_cancel(request, NULL, NULL);
    group_commit_refuse(&commit->ask, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

/* False: there is no memory. */
static bool register_partition(struct group_txn_commit *commit, int32_t index)
{
    const struct group_commit_ask *ask = &commit->ask;
    size_t id_bytes = (size_t)commit->transactional_id.size_bytes;
    struct txn_commit_asking *asking = mem_try_alloc(sizeof(*asking) + id_bytes);

    if (asking == NULL)
        return false;
    memcpy(asking + 1, commit->transactional_id.text, id_bytes);
    asking->commit = commit;
    list_push_back(&commit->groups->registering, &asking->node);
    asking->registration = (struct transaction_registration){
        .id = (const char *)(asking + 1),
        .id_bytes = id_bytes,
        .producer_id = ask->producer_id,
        .epoch = ask->producer_epoch,
        .topic = internal_topics_of_keys(KAFKA_COORDINATOR_KEY_TYPE_GROUP)->name,
        .partition = index,
        .version = commit->adds_partition ? TRANSACTION_V2 : TRANSACTION_V1,
        .accept_number = commit->adds_partition ? 0 : ask->request->client->accept_number,
        .done = on_registered,
    };
    request_on_cancel(ask->request, on_cancel, asking);
    transaction_registration_start(&asking->registration, commit->groups->shard);
    return true;
}

void group_txn_commit_end_all(struct group_coordinator *groups)
{
    for (struct list *node = list_pop_front(&groups->registering); node != NULL;
         node = list_pop_front(&groups->registering))
        mem_free(container_of(node, struct txn_commit_asking, node));
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
    if (!register_partition(commit, index))
        group_commit_refuse(ask, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
}
