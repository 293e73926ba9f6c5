/* begin → send, a marker for each partition of the set → on_marked ... → the set is empty:
 * Complete* is appended, and the completion is the entry's no more → durable: freed.
 *
 * The set is walked in its order, round after round: a round begins when nothing is under way, with
 * those whose marker failed in the last one, after a while. */
#include "broker/coordinator/transaction_completion.h"

#include "base/log_line.h"
#include "base/mem.h"
#include "broker/coordinator/transaction_marker.h"
#include "broker/internal_topics.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <stdio.h>
#include <string.h>

enum { AGAIN_MS = 50, AGAIN_MAX_MS = 5000 };

struct transaction_completion {
    struct transaction_entry *entry; /* NULL: Complete* is in the log */
    struct transaction_markers *markers;
    struct list node;            /* markers->waiting */
    struct list sent;            /* of sent_marker.node */
    struct timer again;          /* the next round; also: memory, Complete* */
    uint32_t again_ms;           /* the next delay */
    uint32_t topic_at, index_at; /* in the entry's set: the next of this round */
    bool is_durable;             /* the prepare record */
    bool is_sending;
    bool is_completing;
    struct transaction_step step;   /* Complete* */
    struct transaction_step asking; /* whether the prepare record is durable */
};

/* One marker that is under way. */
struct sent_marker {
    struct transaction_marker marker;
    struct transaction_markers *markers;
    struct list all; /* markers->under_way */
    struct list node;
    struct transaction_completion *completion; /* NULL: nobody is told */
    const char *topic;                         /* of the set, which has it as long as this one */
};

static void go_on(struct transaction_completion *completion);

/* ---- the set */

static const struct transaction_topic *next_topic(const struct transaction_completion *completion)
{
    const struct transaction_partitions *set = &completion->entry->partitions;

    return completion->topic_at < set->topic_count ? &set->topics[completion->topic_at] : NULL;
}

static void step_over(struct transaction_completion *completion)
{
    if (++completion->index_at < next_topic(completion)->count)
        return;
    completion->topic_at++;
    completion->index_at = 0;
}

/* It stands before the place where the round is: that moves with it. */
static void remove_marked(struct transaction_completion *completion, const char *topic_name,
                          int32_t index)
{
    struct transaction_entry *entry = completion->entry;
    char topic[256]; /* the set's name goes with its last partition */
    const struct transaction_topic *next = next_topic(completion);
    bool is_of_next = next != NULL && strcmp(next->name, topic_name) == 0;
    uint32_t topic_count = entry->partitions.topic_count;

    snprintf(topic, sizeof(topic), "%s", topic_name);
    transaction_coordinator_marked(entry, topic, index);
    if (is_of_next)
        completion->index_at--;
    else if (entry->partitions.topic_count < topic_count)
        completion->topic_at--;
}

/* NULL: it was deleted, which the metadata alone says (TCM-3). */
static const struct image_topic *find_topic(const struct transaction_completion *completion,
                                            const char *name, int32_t index)
{
    const struct image_topic *topic =
        image_topic_by_name(completion->markers->shard->image, name, strlen(name));

    return topic != NULL && (uint32_t)index < topic->partition_count ? topic : NULL;
}

/* ---- markers under way */

static bool may_begin_one(struct transaction_markers *markers)
{
    if (markers->turn_number != markers->shard->loop.turn_count) {
        markers->turn_number = markers->shard->loop.turn_count;
        markers->begun_count = 0;
    }
    return markers->under_way_count < TRANSACTION_MARKERS_MAX &&
           markers->begun_count < TRANSACTION_MARKERS_TURN_MAX;
}

static void free_sent(struct sent_marker *sent)
{
    struct transaction_markers *markers = sent->markers;

    list_remove(&sent->all);
    markers->under_way_count--;
    mem_free(sent);
    if (!list_is_empty(&markers->waiting))
        loop_defer(&markers->shard->loop, &markers->turn);
}

static void tell_failed(struct transaction_completion *completion, const struct sent_marker *sent,
                        enum err err)
{
    const struct transaction_entry *entry = completion->entry;
    struct log_sink *sink = completion->markers->shard->sink;

    counter_add(&completion->markers->retried, 1);
    if (err == ERR_QUARANTINED)
        log_line(sink, LOG_ERROR, "LVE-5021",
                 "a transaction cannot end: one of its partitions is quarantined",
                 log_text("transactional_id", entry->id, entry->id_bytes),
                 log_i64("producer_id", sent->marker.producer_id), log_str("topic", sent->topic),
                 log_i64("partition", sent->marker.index));
    else
        log_line(sink, LOG_WARN, "LVE-5020", "a marker is written again later",
                 log_text("transactional_id", entry->id, entry->id_bytes),
                 log_i64("producer_id", sent->marker.producer_id),
                 log_i64("epoch", sent->marker.epoch), log_str("topic", sent->topic),
                 log_i64("partition", sent->marker.index), log_err(err));
}

/* The partition has a newer epoch of the producer: what had this one is not open there, and nothing
 * is left to end.  (Kafka forgets the markers of all partitions then, and the id hangs.) */
static bool is_behind(const struct transaction_completion *completion,
                      const struct sent_marker *sent, enum err err)
{
    const struct transaction_entry *entry = completion->entry;

    if (err != ERR_PRODUCER_EPOCH)
        return false;
    log_line(completion->markers->shard->sink, LOG_ERROR, "LVE-5022",
             "a partition has a newer epoch than the transaction that ends: it gets no marker",
             log_text("transactional_id", entry->id, entry->id_bytes),
             log_i64("producer_id", sent->marker.producer_id), log_i64("epoch", sent->marker.epoch),
             log_str("topic", sent->topic), log_i64("partition", sent->marker.index));
    return true;
}

static void on_marked(struct transaction_marker *marker, enum err err)
{
    struct sent_marker *sent = container_of(marker, struct sent_marker, marker);
    struct transaction_completion *completion = sent->completion;

    if (completion == NULL) {
        free_sent(sent);
        return;
    }
    list_remove(&sent->node);
    if (err == OK || find_topic(completion, sent->topic, sent->marker.index) == NULL ||
        is_behind(completion, sent, err)) {
        counter_add(&sent->markers->written, err == OK);
        remove_marked(completion, sent->topic, sent->marker.index);
    } else {
        tell_failed(completion, sent, err);
    }
    free_sent(sent);
    go_on(completion);
}

/* Is it of this shard?  Its journal has the prepare record then (TCM-1). */
static bool is_here(const struct transaction_completion *completion,
                    const struct image_topic *topic, int32_t index)
{
    struct shard *home = completion->markers->shard;

    return shard_of_partition(home->shards, &topic->id, index) == home;
}

/* ERR_NOMEM: it is not sent. */
static enum err send_marker(struct transaction_completion *completion,
                            const struct image_topic *image, const struct transaction_topic *topic,
                            int32_t index)
{
    struct transaction_markers *markers = completion->markers;
    const struct transaction_fields *fields = &completion->entry->transaction.fields;
    const struct image_topic *offsets =
        internal_topics_image(markers->shard->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP);
    struct sent_marker *sent = mem_try_alloc(sizeof(*sent));

    if (sent == NULL)
        return ERR_NOMEM;
    sent->completion = completion;
    sent->markers = markers;
    sent->topic = topic->name;
    sent->marker.topic_id = image->id;
    sent->marker.index = index;
    sent->marker.is_offsets = image == offsets;
    sent->marker.producer_id = fields->producer_id; /* TCM-2: as the prepare record has them */
    sent->marker.epoch = fields->epoch;
    sent->marker.commit = fields->state == TRANSACTION_PREPARE_COMMIT;
    sent->marker.txn_v2 = fields->client_version >= TRANSACTION_V2;
    sent->marker.coordinator_epoch = transaction_coordinator_epoch(completion->entry);
    sent->marker.done = on_marked;
    list_push_back(&completion->sent, &sent->node);
    list_push_back(&markers->under_way, &sent->all);
    markers->under_way_count++;
    markers->begun_count++;
    step_over(completion); /* before it may be marked */
    transaction_marker_start(&sent->marker, markers->shard);
    return OK;
}

/* ---- rounds */

static void go_on_later(struct transaction_completion *completion)
{
    loop_set_timer_ms(&completion->markers->shard->loop, &completion->again, completion->again_ms);
    completion->again_ms =
        completion->again_ms >= AGAIN_MAX_MS / 2 ? AGAIN_MAX_MS : completion->again_ms * 2;
}

/* One partition of the round.  False: there is none that may be sent now. */
static bool send_next(struct transaction_completion *completion)
{
    const struct transaction_topic *topic = next_topic(completion);
    const struct image_topic *image;
    int32_t index;

    if (topic == NULL || timer_is_set(&completion->again))
        return false;
    index = topic->indexes[completion->index_at];
    image = find_topic(completion, topic->name, index);
    if (image == NULL) { /* DUR-T16 */
        step_over(completion);
        remove_marked(completion, topic->name, index);
        return true;
    }
    if (!completion->is_durable && !is_here(completion, image, index))
        return false; /* transaction_completion_durable goes on */
    if (send_marker(completion, image, topic, index) == OK)
        return true;
    go_on_later(completion);
    return false;
}

static bool is_waiting(const struct transaction_completion *completion)
{
    return list_is_linked(&completion->node);
}

/* Complete*, or the next round, or what is under way is waited for.  It may be freed inside. */
static void on_complete_appended(struct transaction_step *step)
{
    struct transaction_completion *completion =
        container_of(step, struct transaction_completion, step);

    completion->entry->completion = NULL; /* the next transaction may have one */
    completion->entry = NULL;
}

static void on_complete_done(struct transaction_step *step, enum err err)
{
    struct transaction_completion *completion =
        container_of(step, struct transaction_completion, step);

    completion->is_completing = false;
    if (completion->entry == NULL)
        mem_free(completion);
    else
        go_on_later(completion); /* it was not recorded */
}

static void complete(struct transaction_completion *completion)
{
    completion->is_completing = true;
    completion->step = (struct transaction_step){
        .entry = completion->entry,
        .event = {.kind = TRANSACTION_COMPLETE,
                  .version = completion->entry->transaction.fields.client_version,
                  .now_ms = clock_wall_ms(completion->markers->shard->clock),
                  .new_producer_id = TRANSACTION_NO_PRODUCER},
        .appended = on_complete_appended,
        .done = on_complete_done,
    };
    transaction_step_start(&completion->step);
}

/* What comes when no more is to be sent now.  The completion may be gone afterwards. */
static void settle(struct transaction_completion *completion)
{
    if (completion->is_completing || is_waiting(completion) || timer_is_set(&completion->again) ||
        !list_is_empty(&completion->sent))
        return;
    if (completion->entry->partitions.count == 0) {
        complete(completion);
    } else if (next_topic(completion) == NULL) { /* some failed */
        completion->topic_at = 0;
        completion->index_at = 0;
        go_on_later(completion);
    }
}

/* The completion may be gone afterwards, here and in what calls it. */
static void go_on(struct transaction_completion *completion)
{
    struct transaction_markers *markers = completion->markers;

    if (completion->is_sending || completion->is_completing)
        return;
    completion->is_sending = true;
    while (!is_waiting(completion) && next_topic(completion) != NULL) {
        if (!list_is_empty(&markers->waiting) || !may_begin_one(markers)) {
            list_push_back(&markers->waiting, &completion->node); /* TCM-4 */
            loop_defer(&markers->shard->loop, &markers->turn);
        } else if (!send_next(completion)) {
            break;
        }
    }
    completion->is_sending = false;
    settle(completion);
}

/* Each of those that wait has one marker in turn. */
static void on_turn(struct task *task)
{
    struct transaction_markers *markers = container_of(task, struct transaction_markers, turn);

    while (!list_is_empty(&markers->waiting) && may_begin_one(markers)) {
        struct transaction_completion *completion =
            list_first(&markers->waiting, struct transaction_completion, node);
        bool has_sent;
        list_remove(&completion->node);
        completion->is_sending = true;
        has_sent = send_next(completion);
        completion->is_sending = false;
        if (has_sent && next_topic(completion) != NULL)
            list_push_back(&markers->waiting, &completion->node);
        else
            settle(completion);
    }
    if (!list_is_empty(&markers->waiting) && markers->under_way_count < TRANSACTION_MARKERS_MAX)
        loop_defer(&markers->shard->loop, &markers->turn); /* else free_sent does */
}

static void on_again(struct timer *timer)
{
    go_on(container_of(timer, struct transaction_completion, again));
}

/* ---- */

enum err transaction_completion_begin(struct transaction_entry *entry)
{
    struct transaction_completion *completion = mem_try_alloc(sizeof(*completion));

    check(entry->completion == NULL);
    check(transaction_is_ending(&entry->transaction));
    if (completion == NULL)
        return ERR_NOMEM;
    completion->entry = entry;
    completion->markers = transaction_coordinator_markers(entry->coordinator);
    completion->again_ms = AGAIN_MS;
    list_init(&completion->sent);
    timer_init(&completion->again, on_again);
    entry->completion = completion;
    go_on(completion);
    return OK;
}

void transaction_completion_durable(struct transaction_entry *entry)
{
    struct transaction_completion *completion = entry->completion;

    if (completion == NULL || completion->is_durable)
        return;
    completion->is_durable = true;
    go_on(completion);
}

static void on_told(struct transaction_step *asking, enum err err)
{
    struct transaction_completion *completion =
        container_of(asking, struct transaction_completion, asking);

    asking->entry = NULL;
    if (err == OK && completion->entry != NULL)
        transaction_completion_durable(completion->entry);
}

enum err transaction_completion_begin_again(struct transaction_entry *entry)
{
    enum err err = transaction_completion_begin(entry);
    struct transaction_completion *completion = entry->completion;

    /* Complete* may be on its way already: this completion goes with it. */
    if (err != OK || completion == NULL || completion->is_completing)
        return err;
    completion->asking = (struct transaction_step){
        .entry = entry,
        .event = {.kind = TRANSACTION_VERIFY, .producer_id = TRANSACTION_NO_PRODUCER},
        .done = on_told,
    };
    transaction_step_start(&completion->asking);
    return OK;
}

void transaction_completion_end(struct transaction_completion *completion)
{
    if (completion == NULL)
        return;
    check(!completion->is_completing);
    for (struct list *node = list_pop_front(&completion->sent); node != NULL;
         node = list_pop_front(&completion->sent))
        container_of(node, struct sent_marker, node)->completion = NULL;
    if (is_waiting(completion))
        list_remove(&completion->node);
    loop_cancel_timer(&completion->markers->shard->loop, &completion->again);
    completion->entry->completion = NULL;
    mem_free(completion);
}

void transaction_markers_init(struct transaction_markers *markers, struct shard *shard)
{
    *markers = (struct transaction_markers){.shard = shard, .turn = {.run = on_turn}};
    list_init(&markers->under_way);
    list_init(&markers->waiting);
}

void transaction_markers_deinit(struct transaction_markers *markers)
{
    if (markers->shard == NULL)
        return;
    check(list_is_empty(&markers->waiting));
    loop_undefer(&markers->turn);
    for (struct list *node = list_pop_front(&markers->under_way); node != NULL;
         node = list_pop_front(&markers->under_way)) {
        struct sent_marker *sent = container_of(node, struct sent_marker, all);
        transaction_marker_cancel(&sent->marker);
        mem_free(sent);
    }
}
