/* start → (hop) run → appended, or the groups' done → durable, on another shard → (hop) done */
#include "broker/coordinator/transaction_marker.h"

#include "broker/topic_table.h"

static void finish(struct transaction_marker *marker, enum err err)
{
    marker->err = err;
    shard_call_finish(&marker->hop);
}

static bool is_home(const struct transaction_marker *marker)
{
    return marker->hop.origin == marker->hop.target;
}

static void on_durable(struct partition_waiter *waiter, enum err err)
{
    finish(container_of(waiter, struct transaction_marker, durable), err);
}

static void on_appended(struct partition_marker *plain, enum err err)
{
    struct transaction_marker *marker = container_of(plain, struct transaction_marker, plain);

    if (err != OK || (is_home(marker) && !marker->is_awaited)) {
        finish(marker, err); /* TMA-1: Complete* stands behind it */
        return;
    }
    marker->durable = (struct partition_waiter){.offset = plain->end_offset, .wake = on_durable};
    partition_wait_durable(marker->partition, &marker->durable);
}

static void on_groups_done(struct group_transaction_end *offsets, enum err err)
{
    finish(container_of(offsets, struct transaction_marker, offsets), err);
}

static void run(struct shard_call *hop)
{
    struct transaction_marker *marker = container_of(hop, struct transaction_marker, hop);
    struct shard *at = hop->target;

    if (marker->is_offsets) {
        marker->offsets = (struct group_transaction_end){
            .producer_id = marker->producer_id,
            .epoch = marker->epoch,
            .coordinator_epoch = marker->coordinator_epoch,
            .commit = marker->commit,
            .txn_v2 = marker->txn_v2,
            .ends_seen = marker->ends_seen,
            .seen = marker->seen,
            .done = on_groups_done,
        };
        group_coordinator_end_transaction(at->groups, marker->index, &marker->offsets);
        return;
    }
    marker->partition = topic_table_find(at->topics, &marker->topic_id, marker->index);
    if (marker->partition == NULL) {
        finish(marker, ERR_NOT_FOUND);
        return;
    }
    marker->plain = (struct partition_marker){
        .producer_id = marker->producer_id,
        .epoch = marker->epoch,
        .commit = marker->commit,
        .txn_v2 = marker->txn_v2,
        .coordinator_epoch = marker->coordinator_epoch,
        .ends_seen = marker->ends_seen,
        .seen = marker->seen,
        .appended = on_appended,
    };
    partition_append_marker(marker->partition, &marker->plain);
}

static void on_back(struct shard_call *hop)
{
    struct transaction_marker *marker = container_of(hop, struct transaction_marker, hop);

    marker->done(marker, marker->err);
}

void transaction_marker_start(struct transaction_marker *marker, struct shard *home)
{
    marker->partition = NULL;
    marker->durable = (struct partition_waiter){0};
    shard_call_start(&marker->hop, home,
                     shard_of_partition(home->shards, &marker->topic_id, marker->index), run,
                     on_back);
}

void transaction_marker_cancel(struct transaction_marker *marker)
{
    if (marker->partition == NULL)
        return; /* a mail that nobody reads; or the groups have ended it */
    partition_cancel_marker(&marker->plain);
    partition_cancel_wait(&marker->durable);
}
