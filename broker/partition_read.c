#include "broker/partition_read.h"

int64_t partition_read_bound(const struct partition *partition, enum partition_isolation isolation)
{
    struct log_offsets offsets = log_offsets(partition->log);

    switch (isolation) { /* PRD-1 */
    case PARTITION_COMMITTED:
        return offsets.last_stable;
    case PARTITION_FOLLOWER:
        return offsets.log_end;
    default:
        return offsets.high_watermark;
    }
}

enum err partition_read_check(const struct partition *partition, int32_t expected_epoch)
{
    enum err err = partition_check_epoch(partition, expected_epoch);

    return err == OK && log_is_quarantined(partition->log) ? ERR_QUARANTINED : err;
}

enum err partition_read(struct partition *partition, enum partition_isolation isolation,
                        struct log_read *read)
{
    struct log_offsets offsets = log_offsets(partition->log);

    read->bound = partition_read_bound(partition, isolation);
    read->end_offset = read->offset;
    if (read->offset < offsets.log_start || read->offset > offsets.log_end)
        return ERR_OFFSET_RANGE;
    if (read->offset >= read->bound || (read->max_bytes == 0 && !read->at_least_one))
        return OK;
    return log_read(partition->log, read);
}

enum err partition_read_aborted(struct partition *partition, struct log_aborted *aborted)
{
    return log_aborted_find(partition->log, aborted);
}

void partition_release_aborted(struct log_aborted *aborted)
{
    log_aborted_release(aborted);
}

void partition_read_release(struct log_read *read)
{
    log_read_release(read);
}

bool partition_read_count(const struct partition *partition, enum partition_isolation isolation,
                          int64_t *offset, uint32_t max_bytes, uint32_t *bytes_out)
{
    return log_count_new_bytes(partition->log, offset, partition_read_bound(partition, isolation),
                               max_bytes, bytes_out);
}

enum err partition_read_all(struct partition *partition, int64_t offset,
                            bool (*visit)(void *context, const uint8_t *batch, uint32_t size_bytes),
                            void *context)
{
    if (log_is_quarantined(partition->log))
        return ERR_QUARANTINED;
    return log_scan(partition->log, offset, visit, context);
}

int64_t partition_read_epoch_end(const struct partition *partition, int32_t leader_epoch,
                                 int32_t *epoch_out)
{
    return epoch_cache_end_offset(log_epochs(partition->log), leader_epoch,
                                  log_offsets(partition->log).log_end, epoch_out);
}

int32_t partition_read_start_epoch(const struct partition *partition)
{
    return epoch_cache_find(log_epochs(partition->log), log_offsets(partition->log).log_start);
}
