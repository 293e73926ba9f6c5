#include "broker/partition_marker.h"

#include "base/check.h"
#include "record/batch_builder.h"

#include <string.h>

static void on_appended(struct partition_append *append, enum err err)
{
    struct partition_marker *marker = container_of(append, struct partition_marker, append);

    if (err == OK)
        marker->end_offset = append->result.last_offset + 1;
    marker->appended(marker, err);
}

/* The batch, into the marker's own memory: it may have to wait. */
static enum err build(struct partition_marker *marker, int64_t now_ms)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct control_marker end = {.commit = marker->commit,
                                 .coordinator_epoch = marker->coordinator_epoch};
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err;

    options.transactional = true;
    options.control = true;
    options.producer_id = marker->producer_id;
    options.producer_epoch = marker->epoch;
    options.base_sequence = -1; /* as in Kafka's MemoryRecords.withEndTransactionMarker */
    batch_builder_init(&builder, &options);
    err = batch_builder_add_marker(&builder, &end, now_ms);
    if (err == OK)
        err = batch_builder_finish(&builder, NULL, &bytes, &size_bytes);
    if (err == OK) {
        check(size_bytes <= sizeof(marker->bytes));
        memcpy(marker->bytes, bytes, size_bytes);
        marker->append.bytes = marker->bytes;
        marker->append.size_bytes = size_bytes;
    }
    batch_builder_deinit(&builder);
    return err;
}

void partition_append_marker(struct partition *partition, struct partition_marker *marker)
{
    int64_t now_ms = clock_wall_ms(partition->shard->clock);
    enum err err;

    marker->append = (struct partition_append){
        .max_timestamp_ms = now_ms,
        .for_all = true, /* Kafka's WriteTxnMarkers appends with acks=all */
        .urgent = true,  /* PMK-1 */
        .rules = {.origin = PRODUCER_COORDINATOR,
                  .txn_v2 = marker->txn_v2,
                  .ends_seen = marker->ends_seen,
                  .seen = marker->seen},
        .done = on_appended,
    };
    err = build(marker, now_ms);
    if (err != OK)
        marker->appended(marker, err);
    else
        partition_append(partition, &marker->append);
}

void partition_cancel_marker(struct partition_marker *marker)
{
    partition_cancel_append(&marker->append);
}
