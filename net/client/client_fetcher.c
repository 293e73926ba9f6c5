#include "base/mem.h"
#include "net/client/client_fetcher_private.h"

#include <string.h>

enum { EXPANDED_MAX_BYTES = 1 << 30 };

struct client_fetcher_options client_fetcher_options_default(void)
{
    return (struct client_fetcher_options){
        .uses_sessions = true,
        .checks_crcs = true,
        .min_bytes = 1,
        .max_bytes = 50 << 20,
        .partition_max_bytes = 1 << 20,
        .max_wait_ms = 500,
        .rack = "",
    };
}

/* ---- life */

static void finish(struct client_fetcher *fetcher)
{
    void (*closed)(void *context) = fetcher->closed;
    void *context = fetcher->closed_context;

    while (!list_is_empty(&fetcher->nodes))
        client_fetch_node_destroy(list_first(&fetcher->nodes, struct client_fetch_node, all));
    hash_map_deinit(&fetcher->by_name);
    hash_map_deinit(&fetcher->by_id);
    for (uint32_t i = 0; i < fetcher->topics_max; i++)
        if (fetcher->topics[i] != NULL) {
            mem_free(fetcher->topics[i]->parts);
            mem_free(fetcher->topics[i]);
        }
    mem_free(fetcher->topics);
    batch_reader_deinit(&fetcher->reader);
    compression_context_destroy(fetcher->compression);
    mem_free(fetcher->rack);
    mem_free(fetcher);
    if (closed != NULL)
        closed(context);
}

static void tell_troubles(struct client_fetcher *fetcher)
{
    while (!list_is_empty(&fetcher->troubled) && !fetcher->is_closing) {
        struct client_fetch_part *part =
            list_first(&fetcher->troubled, struct client_fetch_part, troubled);
        list_remove(&part->troubled);
        fetcher->events->trouble(fetcher->context, part->topic->topic, part->partition,
                                 part->trouble, part->trouble_offset, part->trouble_code);
    }
}

/* Once nothing is under way, and each broker has been told whose connection is free. */
static void close_on(struct client_fetcher *fetcher)
{
    bool is_busy = false;

    list_for_each(at, &fetcher->nodes)
    {
        struct client_fetch_node *node = container_of(at, struct client_fetch_node, all);
        is_busy = node->in_flight || client_fetch_node_leave(node) || is_busy;
    }
    if (!is_busy)
        finish(fetcher);
}

static void on_task(struct task *task)
{
    struct client_fetcher *fetcher = container_of(task, struct client_fetcher, task);

    if (fetcher->is_closing) {
        close_on(fetcher);
        return;
    }
    list_for_each(node, &fetcher->nodes)
        client_fetch_node_look(container_of(node, struct client_fetch_node, all));
    tell_troubles(fetcher);
    if (!fetcher->is_closing && !fetcher->is_told && !list_is_empty(&fetcher->ready)) {
        fetcher->is_told = true;
        fetcher->events->ready(fetcher->context);
    }
}

static void on_timer(struct timer *timer)
{
    struct client_fetcher *fetcher = container_of(timer, struct client_fetcher, timer);

    list_for_each(node, &fetcher->parts)
    {
        struct client_fetch_part *part = container_of(node, struct client_fetch_part, all);
        if (part->node == NULL && !part->is_stopped)
            client_fetch_part_place(part);
    }
    client_fetcher_wake(fetcher);
}

void client_fetcher_wake(struct client_fetcher *fetcher)
{
    loop_defer(fetcher->env->loop, &fetcher->task);
}

void client_fetcher_wake_at(struct client_fetcher *fetcher, uint64_t at_ns)
{
    if (fetcher->is_closing ||
        (timer_is_set(&fetcher->timer) && fetcher->timer.deadline_ns <= at_ns))
        return;
    timer_set(&fetcher->env->loop->timers, &fetcher->timer, at_ns);
}

/* A topic that was made anew has another id. */
static void take_id(struct client_fetcher *fetcher, struct client_fetch_topic *topic)
{
    if (uuid_equal(&topic->id, &topic->topic->id))
        return;
    for (int32_t p = 0; p < topic->parts_max; p++)
        if (topic->parts[p] != NULL)
            client_fetch_part_leave_node(topic->parts[p]);
    if (!uuid_is_zero(&topic->id))
        hash_map_remove(&fetcher->by_id, &topic->id, sizeof(topic->id));
    topic->id = topic->topic->id;
    if (!uuid_is_zero(&topic->id) &&
        hash_map_insert(&fetcher->by_id, &topic->id, sizeof(topic->id), topic) != OK)
        topic->id = (struct uuid){0}; /* by name, then */
}

static void on_changed(struct client_listener *listener)
{
    struct client_fetcher *fetcher = container_of(listener, struct client_fetcher, listener);

    for (uint32_t i = 0; i < fetcher->topics_max; i++)
        if (fetcher->topics[i] != NULL)
            take_id(fetcher, fetcher->topics[i]);
    list_for_each(node, &fetcher->parts)
    {
        struct client_fetch_part *part = container_of(node, struct client_fetch_part, all);
        if (!part->is_stopped)
            client_fetch_part_place(part);
    }
}

enum err client_fetcher_create(struct client_cluster *cluster,
                               const struct client_fetcher_options *options,
                               const struct client_fetcher_events *events, void *context,
                               struct client_fetcher **out)
{
    struct client_fetcher *fetcher = mem_try_alloc(sizeof(*fetcher));

    if (fetcher == NULL)
        return ERR_NOMEM;
    fetcher->rack = mem_try_strdup(options->rack == NULL ? "" : options->rack);
    if (fetcher->rack == NULL) {
        mem_free(fetcher);
        return ERR_NOMEM;
    }
    fetcher->cluster = cluster;
    fetcher->env = client_cluster_env(cluster);
    fetcher->options = *options;
    fetcher->events = events;
    fetcher->context = context;
    list_init(&fetcher->nodes);
    list_init(&fetcher->parts);
    list_init(&fetcher->ready);
    list_init(&fetcher->troubled);
    hash_map_init(&fetcher->by_name, prng_u64(fetcher->env->prng));
    hash_map_init(&fetcher->by_id, prng_u64(fetcher->env->prng));
    fetcher->task.run = on_task;
    timer_init(&fetcher->timer, on_timer);
    fetcher->compression = compression_context_create();
    batch_reader_init(&fetcher->reader, fetcher->compression, EXPANDED_MAX_BYTES);
    fetcher->listener.changed = on_changed;
    client_cluster_listen(cluster, &fetcher->listener);
    *out = fetcher;
    return OK;
}

static void remove_part(struct client_fetch_part *part)
{
    client_fetch_part_rewind(part);
    client_fetch_part_leave_node(part);
    if (list_is_linked(&part->troubled))
        list_remove(&part->troubled);
    part->topic->parts[part->partition] = NULL;
    list_remove(&part->all);
    mem_free(part);
}

static void drop_current(struct client_fetcher *fetcher)
{
    buf_unref(fetcher->current);
    fetcher->current = NULL;
    fetcher->is_open = false;
}

void client_fetcher_destroy(struct client_fetcher *fetcher, void (*closed)(void *context),
                            void *context)
{
    drop_current(fetcher);
    while (!list_is_empty(&fetcher->parts))
        remove_part(list_first(&fetcher->parts, struct client_fetch_part, all));
    client_cluster_unlisten(&fetcher->listener);
    loop_cancel_timer(fetcher->env->loop, &fetcher->timer);
    fetcher->is_closing = true;
    fetcher->closed = closed;
    fetcher->closed_context = context;
    list_for_each(at, &fetcher->nodes)
    {
        struct client_fetch_node *node = container_of(at, struct client_fetch_node, all);
        if (!node->in_flight)
            continue;
        client_broker_cancel(&node->call);
        node->session.id = 0; /* an end of it would have to wait for that answer */
    }
    client_fetcher_wake(fetcher);
}

/* ---- what is assigned */

struct client_fetch_part *client_fetcher_find(const struct client_fetcher *fetcher,
                                              const struct client_fetch_topic *topic,
                                              int32_t partition)
{
    (void)fetcher;
    return topic == NULL || partition < 0 || partition >= topic->parts_max
               ? NULL
               : topic->parts[partition];
}

static struct client_fetch_part *find(const struct client_fetcher *fetcher,
                                      const struct client_topic *topic, int32_t partition)
{
    return topic->index >= fetcher->topics_max
               ? NULL
               : client_fetcher_find(fetcher, fetcher->topics[topic->index], partition);
}

/* Make room for index in a table of pointers. */
static bool grow(void *table, uint32_t *max, uint32_t index)
{
    uint32_t larger = *max == 0 ? 4 : *max;
    void **pointers = *(void ***)table;

    if (index < *max)
        return true;
    while (larger <= index)
        larger = larger > UINT32_MAX / 2 ? UINT32_MAX : larger * 2;
    pointers = mem_try_realloc(pointers, larger * sizeof(*pointers));
    if (pointers == NULL)
        return false;
    memset(pointers + *max, 0, (larger - *max) * sizeof(*pointers));
    *(void ***)table = pointers;
    *max = larger;
    return true;
}

static struct client_fetch_topic *take_topic(struct client_fetcher *fetcher,
                                             struct client_topic *topic)
{
    struct client_fetch_topic *made;

    if (!grow(&fetcher->topics, &fetcher->topics_max, topic->index))
        return NULL;
    if (fetcher->topics[topic->index] != NULL)
        return fetcher->topics[topic->index];
    made = mem_try_alloc(sizeof(*made));
    if (made == NULL)
        return NULL;
    made->topic = topic;
    if (hash_map_insert(&fetcher->by_name, topic->name, strlen(topic->name), made) != OK) {
        mem_free(made);
        return NULL;
    }
    fetcher->topics[topic->index] = made;
    take_id(fetcher, made);
    return made;
}

enum err client_fetcher_assign(struct client_fetcher *fetcher, struct client_topic *topic,
                               int32_t partition, int64_t offset, int32_t leader_epoch)
{
    struct client_fetch_part *part = find(fetcher, topic, partition);
    struct client_fetch_topic *of;
    uint32_t parts_max;

    check(partition >= 0 && offset >= 0);
    if (part == NULL) {
        of = take_topic(fetcher, topic);
        part = of == NULL ? NULL : mem_try_alloc(sizeof(*part));
        parts_max = of == NULL ? 0 : (uint32_t)of->parts_max;
        if (part == NULL || !grow(&of->parts, &parts_max, (uint32_t)partition)) {
            mem_free(part);
            return ERR_NOMEM;
        }
        of->parts_max = (int32_t)parts_max;
        part->fetcher = fetcher;
        part->topic = of;
        part->partition = partition;
        part->preferred_id = -1;
        part->high_watermark = -1;
        part->last_stable_offset = -1;
        list_init(&part->pieces);
        list_push_back(&fetcher->parts, &part->all);
        of->parts[partition] = part;
    }
    client_fetch_part_seek(part, offset, leader_epoch);
    return OK;
}

void client_fetcher_unassign(struct client_fetcher *fetcher, struct client_topic *topic,
                             int32_t partition)
{
    struct client_fetch_part *part = find(fetcher, topic, partition);

    if (part != NULL)
        remove_part(part);
}

void client_fetcher_pause(struct client_fetcher *fetcher, struct client_topic *topic,
                          int32_t partition, bool is_paused)
{
    struct client_fetch_part *part = find(fetcher, topic, partition);

    if (part != NULL)
        client_fetch_part_pause(part, is_paused);
}

int64_t client_fetcher_position(const struct client_fetcher *fetcher,
                                const struct client_topic *topic, int32_t partition,
                                int64_t *high_watermark, int64_t *last_stable_offset,
                                int32_t *leader_epoch)
{
    const struct client_fetch_part *part = find(fetcher, topic, partition);

    if (high_watermark != NULL)
        *high_watermark = part == NULL ? -1 : part->high_watermark;
    if (last_stable_offset != NULL)
        *last_stable_offset = part == NULL ? -1 : part->last_stable_offset;
    if (leader_epoch != NULL)
        *leader_epoch = part == NULL ? -1 : part->position_epoch;
    return part == NULL ? -1 : part->position;
}

uint64_t client_fetcher_failing_since_ns(const struct client_fetcher *fetcher, int16_t *error_code)
{
    uint64_t since_ns = 0;

    list_for_each(at, &fetcher->parts)
    {
        const struct client_fetch_part *part = container_of(at, struct client_fetch_part, all);
        const struct client_fetch_node *node = part->node;
        bool is_nodes = part->failing_since_ns == 0 && node != NULL;
        uint64_t part_ns = is_nodes ? node->failing_since_ns : part->failing_since_ns;
        if (part_ns == 0 || part->is_paused || part->is_stopped ||
            (since_ns != 0 && since_ns <= part_ns))
            continue;
        since_ns = part_ns;
        if (error_code != NULL)
            *error_code = is_nodes ? node->failing_code : part->failing_code;
    }
    return since_ns;
}

/* ---- pulls */

/* The next whole batch of the piece.  ERR_NOT_FOUND: no more; ERR_CORRUPT: CFE-4, or batches that
 * do not rise. */
static enum err next_of(struct client_fetcher *fetcher, struct client_fetch_piece *piece,
                        struct batch_header *header, const uint8_t **bytes)
{
    enum err err = batch_next(&piece->walk, header, bytes);
    int64_t last_offset;

    if (err == ERR_TRUNCATED)
        return ERR_NOT_FOUND; /* cut by the broker at its limit of bytes */
    if (err != OK)
        return err == ERR_NOT_FOUND ? err : ERR_CORRUPT;
    last_offset = batch_last_offset(header);
    if (header->base_offset < 0 || last_offset < header->base_offset || last_offset == INT64_MAX ||
        (piece->is_begun && header->base_offset < piece->part->position)) /* CFE-1 */
        return ERR_CORRUPT;
    return fetcher->options.checks_crcs && !batch_crc_is_good(*bytes, header) ? ERR_CORRUPT : OK;
}

static void hand_out(struct client_fetcher *fetcher, struct client_fetch_piece *piece,
                     const uint8_t *bytes, int64_t from_offset, struct client_fetched *out)
{
    out->topic = piece->part->topic->topic;
    out->partition = piece->part->partition;
    out->is_visible = !out->is_aborted && !batch_is_control(&out->header);
    out->bytes = bytes;
    out->from_offset = from_offset;
    out->high_watermark = piece->high_watermark;
    out->last_stable_offset = piece->last_stable_offset;
    out->log_start_offset = piece->log_start_offset;
    out->received_ns = piece->answer->received_ns;
    fetcher->current = buf_ref(piece->answer->frame);
    fetcher->current_bytes = bytes;
    fetcher->current_size_bytes = out->header.size_bytes;
    fetcher->current_from = from_offset;
}

enum err client_fetcher_next_batch(struct client_fetcher *fetcher, struct client_fetched *out)
{
    drop_current(fetcher);
    while (!list_is_empty(&fetcher->ready)) {
        struct client_fetch_piece *piece =
            list_first(&fetcher->ready, struct client_fetch_piece, ready);
        struct client_fetch_part *part = piece->part;
        const uint8_t *bytes;
        int64_t from_offset = part->position;
        enum err err = next_of(fetcher, piece, &out->header, &bytes);

        if (err == ERR_NOT_FOUND) {
            client_fetch_part_end_piece(piece);
            continue;
        }
        if (err != OK) {
            client_fetch_part_stop(part, CLIENT_FETCHER_CORRUPT, from_offset, 0);
            continue;
        }
        out->is_aborted = client_aborted_drops(&piece->aborted, &out->header, bytes);
        if (batch_last_offset(&out->header) < from_offset)
            continue;
        piece->is_begun = true;
        part->position = batch_last_offset(&out->header) + 1; /* CFE-3 */
        part->position_epoch = out->header.leader_epoch;
        if ((out->is_aborted && !fetcher->options.wants_aborted) ||
            (batch_is_control(&out->header) && !fetcher->options.wants_control))
            continue;
        hand_out(fetcher, piece, bytes, from_offset, out);
        return OK;
    }
    fetcher->is_told = false;
    return ERR_AGAIN;
}

enum err client_fetcher_next_record(struct client_fetcher *fetcher,
                                    struct client_fetched_record *out)
{
    enum err err = fetcher->current == NULL ? ERR_NOT_FOUND : OK;

    if (err == OK && !fetcher->is_open) {
        err = batch_reader_open(&fetcher->reader, fetcher->current_bytes,
                                fetcher->current_size_bytes);
        fetcher->is_open = err == OK;
    }
    while (err == OK) {
        err = batch_reader_next(&fetcher->reader, &out->record, &out->offset, &out->timestamp_ms);
        if (err == OK && out->offset >= fetcher->current_from)
            return OK;
    }
    return err == ERR_NOT_FOUND || err == ERR_CODEC || err == ERR_NOMEM ? err : ERR_CORRUPT;
}
