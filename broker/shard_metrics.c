#include "broker/shard_metrics.h"

#include "broker/coordinator/transaction_coordinator.h"
#include "broker/fetch_session.h"
#include "broker/request_metrics.h"
#include "broker/shard.h"
#include "broker/stall_watch.h"
#include "net/conn_server.h"
#include "storage/store.h"

void shard_metrics_register(struct shard *shard, struct metrics *metrics)
{
    store_register_metrics(shard->store, metrics);
    stall_watch_register_metrics(shard->stalls, metrics);
    memory_register_metrics(&shard->memory, metrics);
    fetch_sessions_register_metrics(shard->fetch_sessions, metrics);
    topic_metrics_register(&shard->topic_metrics, metrics);
    transaction_coordinator_register_metrics(shard->transactions, metrics);
    request_metrics_register(shard->request_metrics, metrics);
}

uint64_t shard_metrics_progress(const struct shard *shard)
{
    const struct conn_counters *counters = &shard->conns->counters;
    uint64_t progress = counter_read(&counters->out_bytes) + store_progress(shard->store);

    for (uint32_t reason = 0; reason < CONN_CLOSE_COUNT; reason++)
        progress += counter_read(&counters->closed[reason]);
    return progress;
}
