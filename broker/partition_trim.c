#include "broker/partition_trim.h"

enum { TRY_AGAIN_MS = 100 };

/* What the log knows of a trim; of its own, because who asked may go before. */
struct partition_trim_wait {
    struct partition_trim *trim; /* NULL: gone */
};

static void on_raised(void *context, enum err err)
{
    struct partition_trim_wait *wait = context;
    struct partition_trim *trim = wait->trim;

    mem_free(wait);
    if (trim == NULL)
        return;
    trim->wait = NULL;
    trim->done(trim, err);
}

/* ERR_FULL: there is no room for it now. */
static enum err begin(struct partition_trim *trim)
{
    struct partition_trim_wait *wait = mem_try_alloc(sizeof(*wait));
    enum err err = wait == NULL
                       ? ERR_NOMEM
                       : log_delete_records(trim->partition->log, trim->offset, on_raised, wait);

    if (err != OK) {
        mem_free(wait);
        return err;
    }
    wait->trim = trim;
    trim->wait = wait;
    return OK;
}

static void try_now(struct partition_trim *trim)
{
    struct partition *partition = trim->partition;
    struct log_offsets offsets = log_offsets(partition->log);
    enum err err;

    if (trim->to_high_watermark)
        trim->offset = offsets.high_watermark;
    if (trim->offset < 0 || trim->offset > offsets.high_watermark) {
        trim->done(trim, ERR_OFFSET_RANGE);
        return;
    }
    if (trim->offset <= offsets.log_start) {
        trim->offset = offsets.log_start; /* gone already */
        trim->done(trim, OK);
        return;
    }
    err = begin(trim);
    if (err == ERR_FULL) { /* PTR-2 */
        list_push_back(&partition->trims, &trim->node);
        loop_set_timer_ms(&partition->shard->loop, &trim->retry, TRY_AGAIN_MS);
    } else if (err != OK) {
        trim->done(trim, err);
    }
}

static void on_retry(struct timer *timer)
{
    struct partition_trim *trim = container_of(timer, struct partition_trim, retry);

    list_remove(&trim->node);
    try_now(trim);
}

void partition_trim(struct partition *partition, struct partition_trim *trim)
{
    trim->partition = partition;
    trim->to_high_watermark = trim->offset == PARTITION_TRIM_TO_HIGH_WATERMARK;
    trim->wait = NULL;
    timer_init(&trim->retry, on_retry);
    try_now(trim);
}

void partition_trim_cancel(struct partition_trim *trim)
{
    if (trim->wait != NULL)
        trim->wait->trim = NULL; /* PTR-3 */
    trim->wait = NULL;
    if (!list_is_linked(&trim->node))
        return;
    list_remove(&trim->node);
    loop_cancel_timer(&trim->partition->shard->loop, &trim->retry);
}

void partition_trim_end_all(struct partition *partition, enum err err)
{
    struct list ended;
    struct list *node;

    list_init(&ended);
    list_splice_back(&ended, &partition->trims);
    while ((node = list_pop_front(&ended)) != NULL) {
        struct partition_trim *trim = container_of(node, struct partition_trim, node);
        loop_cancel_timer(&partition->shard->loop, &trim->retry);
        trim->done(trim, err);
    }
}
