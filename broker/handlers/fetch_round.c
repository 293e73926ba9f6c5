/* A round of a Fetch: every part is read once.
 *
 * The walk: sort_parts judges the parts at home and lines up those that may be read by the shard of
 * their partition → visit_next goes to one shard after the other, each once, for what is left of
 * the limits depends on what was read before → read_here reads its parts in their order (read_part
 * → of committed data the list of what was aborted: fetch_aborted.c → part_is_read) → all shards
 * were visited: finish_round.
 *
 * Memory: what a fetch holds is the reads' (MEMORY_COLD_READS of the partition's shard), or lent
 * within a bound (storage/log/log_loan.h).  A fetch takes at most a quarter of what is left, so
 * that many slow ones make smaller answers and not errors; a parked one holds nothing; one that
 * gets nothing waits in line, and only while it holds nothing, so that no two wait for each other.
 */
#include "base/sometimes.h"
#include "broker/handlers/fetch_private.h"
#include "broker/kafka_error.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "storage/log/log_loan.h"

#include <string.h>

enum {
    MEMORY_SHARE = 4,      /* a fetch may hold one part in so many of what is left */
    MEMORY_WAIT_MS = 5000, /* then it is answered with nothing, and may ask again */
    MEMORY_WAITS_MAX = 64, /* it is not the budget, then, but the process that has none */
    BUF_COST_BYTES = 128,  /* of a buf beside its bytes, at most */
    TURN_PARTS = 512,      /* read in one turn of the loop */
};

static void finish_round(struct fetch *fetch);
static void read_here(struct fetch *fetch);
static void visit_next(struct fetch *fetch);

/* ---- reading one part, on its partition's shard */

static void part_is_read(struct fetch *fetch);
static bool read_part(struct fetch *fetch);

static void end_memory_wait(struct fetch *fetch)
{
    struct shard *at = fetch->call.target;

    budget_cancel_wait(memory_budget(&at->memory, MEMORY_COLD_READS), &fetch->memory_waiter);
    loop_cancel_timer(&at->loop, &fetch->memory_timer);
}

static void on_memory(struct budget_waiter *waiter)
{
    struct fetch *fetch = container_of(waiter, struct fetch, memory_waiter);

    SOMETIMES("fetch: one waited for memory and got it", true);
    end_memory_wait(fetch);
    if (read_part(fetch))
        read_here(fetch);
}

static void give_up_memory(struct fetch *fetch)
{
    end_memory_wait(fetch);
    fetch->must_answer = true;
    part_is_read(fetch);
    read_here(fetch);
}

/* It has waited once, and not again for each part. */
static void on_memory_timer(struct timer *timer)
{
    struct fetch *fetch = container_of(timer, struct fetch, memory_timer);

    __atomic_store_n(&fetch->gave_up, true, __ATOMIC_RELAXED);
    give_up_memory(fetch);
}

void fetch_round_give_up(struct fetch *fetch)
{
    __atomic_store_n(&fetch->gave_up, true, __ATOMIC_RELAXED);
    if (fetch->call.target == fetch->request->home && list_is_linked(&fetch->memory_waiter.node))
        give_up_memory(fetch); /* elsewhere it ends with its timer */
}

/* What there is goes out.  A fetch that holds nothing waits in line (budget.h: BUD-2): false.  All
 * its waits of a round have one end, also those for which there was room and then no memory. */
static bool lack_memory(struct fetch *fetch)
{
    struct shard *at = fetch->call.target;

    fetch->need_bytes = fetch->read.need_bytes;
    if (fetch->memory_waits++ >= MEMORY_WAITS_MAX)
        __atomic_store_n(&fetch->gave_up, true, __ATOMIC_RELAXED);
    if (fetch->total_bytes > 0 || __atomic_load_n(&fetch->gave_up, __ATOMIC_RELAXED)) {
        fetch->must_answer = true;
        part_is_read(fetch);
        return true;
    }
    if (fetch->memory_waits == 1)
        fetch->memory_until_ns = clock_deadline_ns(loop_now_ns(&at->loop), MEMORY_WAIT_MS);
    fetch->memory_waiter.room = on_memory;
    fetch->memory_timer.fire = on_memory_timer;
    timer_set(&at->loop.timers, &fetch->memory_timer, fetch->memory_until_ns);
    budget_wait(memory_budget(&at->memory, MEMORY_COLD_READS), &fetch->memory_waiter,
                fetch->need_bytes + BUF_COST_BYTES);
    return false;
}

/* What a part was given; partition NULL: it is gone meanwhile. */
static void count_read(struct fetch *fetch, struct partition *partition, enum err err)
{
    struct fetch_part *part = fetch->reading;
    uint32_t size_bytes = fetch->read.size_bytes;

    if (partition == NULL) {
        topic_metrics_count(&fetch->call.target->topic_metrics, TOPIC_METRIC_FETCHES_FAILED,
                            err != OK);
    } else if (err != OK) {
        partition_count(partition, TOPIC_METRIC_FETCHES_FAILED, 1);
    } else if (size_bytes > part->billed_bytes) {
        partition_count(partition, TOPIC_METRIC_BYTES_OUT, size_bytes - part->billed_bytes);
        part->billed_bytes = size_bytes;
    }
}

struct partition *fetch_round_partition(const struct fetch *fetch)
{
    const struct fetch_part *part = fetch->reading;

    return topic_table_find(fetch->call.target->topics, &part->topic_id, part->partition);
}

/* The part was read, with all that belongs to it, or was not.  False: it waits for memory. */
static bool settle(struct fetch *fetch, struct partition *partition, enum err err)
{
    if (err == ERR_NOMEM)
        return lack_memory(fetch);
    count_read(fetch, partition, err);
    if (err == ERR_NOT_FOUND)
        fetch->reading->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (err != OK)
        fetch->reading->error_code = kafka_error(err);
    part_is_read(fetch);
    return true;
}

/* False: it waits for its list, or for memory; read_here follows. */
static bool end_read(struct fetch *fetch, struct partition *partition, enum err err)
{
    struct log_read *read = &fetch->read;

    fetch->loan_count = read->loan == NULL ? 0 : read->loan->part_count;
    if (err == OK && fetch->isolation == PARTITION_COMMITTED && read->size_bytes > 0)
        err = partition == NULL ? ERR_NOT_FOUND : fetch_aborted_list(fetch, partition);
    return err != ERR_AGAIN && settle(fetch, partition, err);
}

static void read_is_done(struct log_read *read, enum err err)
{
    struct fetch *fetch = container_of(read, struct fetch, read);

    if (end_read(fetch, fetch_round_partition(fetch), err))
        read_here(fetch);
}

void fetch_round_aborted(struct fetch *fetch, enum err err)
{
    if (settle(fetch, fetch_round_partition(fetch), err))
        read_here(fetch);
}

/* KIP-595/320: the fetcher's last epoch ends earlier here than it thinks.  ERR_OFFSET_RANGE:
 * nothing is known of that epoch. */
static enum err check_divergence(struct fetch_part *part, const struct partition *partition,
                                 bool *diverges_out)
{
    int32_t epoch;
    int64_t end_offset;

    *diverges_out = false;
    if (part->last_fetched_epoch < 0)
        return OK;
    end_offset = partition_read_epoch_end(partition, part->last_fetched_epoch, &epoch);
    if (epoch == EPOCH_UNDEFINED)
        return ERR_OFFSET_RANGE;
    if (epoch == part->last_fetched_epoch && end_offset >= part->fetch_offset)
        return OK;
    part->diverging.epoch = epoch;
    part->diverging.end_offset = end_offset;
    *diverges_out = true;
    return OK;
}

/* Bytes that this part may still add. */
static uint32_t budget_of(struct fetch *fetch, const struct fetch_part *part, struct shard *at)
{
    uint64_t total = fetch->total_bytes;
    uint64_t left = fetch->max_bytes > total ? fetch->max_bytes - total : 0;
    uint64_t held = total + fetch->aborted_bytes;
    uint64_t room = budget_room_bytes(memory_budget(&at->memory, MEMORY_COLD_READS)) +
                    fetch->copied_bytes + fetch->aborted_bytes;
    uint64_t share = room / MEMORY_SHARE > held ? room / MEMORY_SHARE - held : 0;

    if ((uint32_t)part->max_bytes < left)
        left = (uint32_t)part->max_bytes;
    if (left <= share)
        return (uint32_t)left;
    fetch->must_answer = fetch->must_answer || total > 0; /* more would be smaller answers */
    return (uint32_t)share;
}

/* As much as the limits leave.  ERR_AGAIN: read_is_done follows. */
static enum err start_read(struct fetch *fetch, struct partition *partition)
{
    const struct fetch_part *part = fetch->reading;
    struct log_read *read = &fetch->read;

    read->offset = part->fetch_offset;
    if (read->offset < partition_read_bound(partition, fetch->isolation) && !fetch->lists_are_full)
        read->max_bytes = budget_of(fetch, part, fetch->call.target);
    read->at_least_one = fetch->total_bytes == 0; /* KIP-74: progress beats the limits */
    read->may_borrow = true;
    read->need_bytes = fetch->need_bytes;
    read->done = read_is_done;
    fetch->need_bytes = 0;
    return partition_read(partition, fetch->isolation, read);
}

/* False: the file is being read, or it waits for memory; read_here follows. */
static bool read_part(struct fetch *fetch)
{
    struct fetch_part *part = fetch->reading;
    struct partition *partition = fetch_round_partition(fetch);
    bool diverges = false;
    enum err err;

    if (partition == NULL)
        return settle(fetch, NULL, ERR_NOT_FOUND);
    partition_count(partition, TOPIC_METRIC_FETCHES, 1);
    part->offsets = partition_offsets(partition);
    err = partition_read_check(partition, part->current_leader_epoch);
    if (err == OK)
        err = check_divergence(part, partition, &diverges);
    if (err == OK && !diverges)
        err = start_read(fetch, partition);
    return err != ERR_AGAIN && end_read(fetch, partition, err);
}

/* What was read is the part's, and the next one follows. */
static void part_is_read(struct fetch *fetch)
{
    struct fetch_part *part = fetch->reading;
    struct log_read *read = &fetch->read;

    if (part->error_code != KAFKA_NONE || part->diverging.epoch >= 0)
        fetch->must_answer = true;
    if (part->error_code == KAFKA_NONE && read->size_bytes > 0) {
        part->slice = (struct wire_slice){
            .bytes = read->bytes, .size_bytes = read->size_bytes, .owner = read->buf};
        part->loan = read->loan;
        part->loan_count = fetch->loan_count;
        part->aborted = fetch->aborted_buf;
        part->aborted_count = fetch->aborted_buf == NULL ? 0 : fetch->aborted.count;
        fetch->aborted_buf = NULL;
        fetch->total_bytes += read->size_bytes;
        fetch->copied_bytes += read->loan == NULL ? read->size_bytes : 0;
        part->counted_offset = read->end_offset;
        part->counted_bytes = read->size_bytes;
        read->buf = NULL; /* the reference moves over */
    }
    if (part->error_code == KAFKA_NONE && read->end_offset < read->bound) {
        if (fetch->total_bytes == 0)
            part->counted_offset = read->bound; /* a hole: nothing is there */
        else if (part->counted_bytes < (uint32_t)part->max_bytes)
            part->counted_bytes = (uint32_t)part->max_bytes;
    }
    fetch->available_bytes += part->counted_bytes;
    partition_read_release(read);
    fetch->read = (struct log_read){0};
    fetch->reading = part->next_here;
}

/* ---- a visit: the parts of one shard, there */

static void go_on_here(struct task *task)
{
    struct fetch *fetch = container_of(task, struct fetch, next_turn);

    fetch->turn_parts = 0;
    read_here(fetch);
}

static void read_here(struct fetch *fetch)
{
    while (fetch->reading != NULL) { /* parts over the limit still tell their offsets */
        if (++fetch->turn_parts > TURN_PARTS) {
            fetch->next_turn.run = go_on_here;
            loop_defer(&fetch->call.target->loop, &fetch->next_turn);
            return;
        }
        if (!read_part(fetch))
            return;
    }
    shard_call_finish(&fetch->call);
}

static void visit(struct shard_call *call)
{
    struct fetch *fetch = container_of(call, struct fetch, call);

    if (call->target != call->origin)
        fetch->turn_parts = 0;
    read_here(fetch);
}

/* ---- the round, at home */

static void visit_is_done(struct shard_call *call)
{
    visit_next(container_of(call, struct fetch, call));
}

static void visit_next(struct fetch *fetch)
{
    struct fetch_visit *next = fetch->next_visit;

    if (next == NULL) {
        finish_round(fetch);
        return;
    }
    fetch->next_visit = next->next;
    fetch->reading = next->first;
    shard_call_start(&fetch->call, fetch->request->home, next->at, visit, visit_is_done);
}

/* Last among those of its shard. */
static void line_up(struct fetch *fetch, struct fetch_part *part, struct shard *at)
{
    struct fetch_visit *visit = &fetch->visits[at->index];

    if (visit->at == NULL) {
        visit->at = at;
        visit->last = &visit->first;
        *fetch->last_visit = visit;
        fetch->last_visit = &visit->next;
    }
    *visit->last = part;
    visit->last = &part->next_here;
}

/* Is it to be read, as far as it is known at home? */
static void sort_part(struct fetch *fetch, struct fetch_part *part)
{
    struct shard *home = fetch->request->home;
    const struct image_topic *topic;
    bool by_id = fetch->request->api_version >= 13;

    part->next_here = NULL;
    part->error_code = KAFKA_NONE;
    part->counted_offset = part->fetch_offset;
    part->counted_bytes = 0;
    part->diverging = (struct fetch_response_epoch_end_offset){.epoch = -1, .end_offset = -1};
    part->offsets = (struct log_offsets){-1, -1, -1, -1, -1, -1};
    topic =
        topic_ref_find(home->image, by_id, part->topic_name, &part->key.topic, &part->error_code);
    if (topic == NULL && part->was_answered) /* a topic of the session is gone */
        part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (fetch->body->replica_id >= 0 || fetch->body->replica_state.replica_id >= 0)
        part->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER; /* nobody is a follower here */
    if (topic != NULL && !topic_ref_has(topic, part->partition))
        part->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (topic != NULL &&
        !request_may(fetch->request, KAFKA_ACL_OPERATION_READ, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     topic->name, strlen(topic->name)))
        part->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (part->error_code != KAFKA_NONE) {
        topic_metrics_count(&home->topic_metrics, TOPIC_METRIC_FETCHES, 1);
        topic_metrics_count(&home->topic_metrics, TOPIC_METRIC_FETCHES_FAILED, 1);
        fetch->must_answer = true;
        fetch->available_bytes += part->counted_bytes;
        return;
    }
    part->topic_id = topic->id;
    line_up(fetch, part, shard_of_partition(home->shards, &topic->id, part->partition));
}

static void sort_parts(struct fetch *fetch);

static void go_on_sorting(struct task *task)
{
    struct fetch *fetch = container_of(task, struct fetch, next_turn);

    fetch->turn_parts = 0;
    sort_parts(fetch);
}

static void sort_parts(struct fetch *fetch)
{
    for (; fetch->sorted_count < fetch->part_count; fetch->sorted_count++) {
        if (++fetch->turn_parts > TURN_PARTS) {
            fetch->next_turn.run = go_on_sorting;
            loop_defer(&fetch->request->home->loop, &fetch->next_turn);
            return;
        }
        sort_part(fetch, &fetch->parts[fetch->sorted_count]);
    }
    visit_next(fetch);
}

void fetch_round_drop(struct fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        struct fetch_part *part = &fetch->parts[i];
        buf_unref(part->slice.owner);
        part->slice = (struct wire_slice){0};
        part->loan = NULL;
        buf_unref(part->aborted);
        part->aborted = NULL;
        part->aborted_count = 0;
    }
}

void fetch_round_start(struct fetch *fetch)
{
    fetch_round_drop(fetch);
    memset(fetch->visits, 0, fetch->request->home->shards->count * sizeof(*fetch->visits));
    fetch->next_visit = NULL;
    fetch->last_visit = &fetch->next_visit;
    fetch->read = (struct log_read){0};
    fetch->sorted_count = 0;
    fetch->turn_parts = 0;
    fetch->total_bytes = 0;
    fetch->copied_bytes = 0;
    fetch->aborted_bytes = 0;
    fetch->lists_are_full = false;
    fetch->available_bytes = 0;
    fetch->must_answer = false;
    fetch->memory_waits = 0;
    sort_parts(fetch);
}

static void finish_round(struct fetch *fetch)
{
    if (fetch->must_answer || fetch->expired || fetch->part_count == 0 ||
        fetch->available_bytes >= fetch->min_bytes) {
        loop_cancel_timer(&fetch->request->home->loop, &fetch->deadline);
        fetch_answer(fetch);
    } else {
        fetch_wait(fetch);
    }
}
