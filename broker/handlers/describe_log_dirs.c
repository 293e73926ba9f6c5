/* DescribeLogDirs (key 35): the data directory, and what each partition takes in it (KIP-113, 827).
 *
 * The walk: prepare marks which partitions are asked for, by topic; the tour reads their sizes on
 * the shards where they live; answer leaves out what is not there. */
#include "base/hash_map.h"
#include "broker/config.h"
#include "broker/cordon.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/shard_tour.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/msg_describe_log_dirs.h"

#include <string.h>

typedef struct describe_log_dirs_request_describable_log_dir_topic asked_topic;
typedef struct describe_log_dirs_response_describe_log_dirs_topic answered_topic;
typedef struct describe_log_dirs_response_describe_log_dirs_partition answered_partition;
typedef struct describe_log_dirs_response_describe_log_dirs_result answered_dir;

enum { NOT_THERE = -1 };

/* One topic of the answer.  The image may change during the tour: nothing here points into it. */
struct measured {
    struct uuid topic_id;
    bool *is_asked; /* by partition */
    uint32_t partition_count;
    answered_topic *answer;
};

struct measuring {
    struct shard_tour tour;
    struct measured *topics;
    uint32_t topic_count;
    answered_dir *dir;
};

/* NULL: no memory. */
static struct measured *add_topic(struct measuring *all, const struct image_topic *topic)
{
    struct request *request = all->tour.request;
    struct measured *measured = &all->topics[all->topic_count];

    measured->answer = &all->dir->topics.items[all->topic_count];
    measured->topic_id = topic->id;
    measured->partition_count = topic->partition_count;
    measured->is_asked = request_try_alloc(request, topic->partition_count, sizeof(bool));
    if (measured->is_asked == NULL ||
        !request_try_text(request, wire_string(topic->name), &measured->answer->name))
        return NULL;
    all->topic_count++;
    return measured;
}

static enum err add_all(struct measuring *all)
{
    const struct image *image = all->tour.request->home->image;
    const struct image_topic *topic;
    size_t cursor = 0;

    while ((topic = image_topic_next(image, &cursor)) != NULL) {
        struct measured *measured = add_topic(all, topic);
        if (measured == NULL)
            return ERR_NOMEM;
        memset(measured->is_asked, 1, topic->partition_count);
    }
    return OK;
}

/* What does not exist is left out, what is named twice is told once: as Kafka does. */
static enum err add_asked(struct measuring *all, struct hash_map *seen)
{
    struct request *request = all->tour.request;
    const struct describe_log_dirs_request *body = request->body;

    for (int32_t t = 0; t < body->topics.count; t++) {
        const asked_topic *asked = &body->topics.items[t];
        const struct image_topic *topic = image_topic_by_name(
            request->home->image, asked->topic.text, (size_t)asked->topic.size_bytes);
        struct measured *measured;
        enum err err;
        if (topic == NULL)
            continue;
        measured = hash_map_find(seen, &topic->id, sizeof(topic->id));
        if (measured == NULL) {
            measured = add_topic(all, topic);
            if (measured == NULL)
                return ERR_NOMEM;
            err = hash_map_insert(seen, &measured->topic_id, sizeof(measured->topic_id), measured);
            if (err != OK)
                return err;
        }
        for (int32_t p = 0; p < asked->partitions.count; p++)
            if (topic_ref_has(topic, asked->partitions.items[p]))
                measured->is_asked[asked->partitions.items[p]] = true;
    }
    return OK;
}

static bool prepare_partitions(struct measuring *all, struct measured *measured)
{
    uint32_t count = 0;

    for (uint32_t p = 0; p < measured->partition_count; p++)
        count += measured->is_asked[p];
    measured->answer->partitions.items = request_try_array(
        all->tour.request, &describe_log_dirs_response_describe_log_dirs_partition_struct,
        (int32_t)count);
    if (measured->answer->partitions.items == NULL)
        return false;
    for (uint32_t p = 0; p < measured->partition_count; p++) {
        answered_partition *out =
            &measured->answer->partitions.items[measured->answer->partitions.count];
        if (!measured->is_asked[p])
            continue;
        measured->answer->partitions.count++;
        out->partition_index = (int32_t)p;
        out->partition_size = NOT_THERE;
    }
    return true;
}

static enum err prepare(struct measuring *all)
{
    struct request *request = all->tour.request;
    const struct describe_log_dirs_request *body = request->body;
    bool is_all = body->topics.count < 0; /* null */
    uint32_t count_max =
        is_all ? image_topic_count(request->home->image) : (uint32_t)body->topics.count;
    struct hash_map seen;
    enum err err;

    all->topics = request_try_alloc(request, count_max, sizeof(*all->topics));
    all->dir->topics.items = request_try_array(
        request, &describe_log_dirs_response_describe_log_dirs_topic_struct, (int32_t)count_max);
    if (all->topics == NULL || all->dir->topics.items == NULL)
        return ERR_NOMEM;
    hash_map_init(&seen, prng_u64(&request->home->prng));
    err = is_all ? add_all(all) : add_asked(all, &seen);
    hash_map_deinit(&seen);
    for (uint32_t t = 0; t < all->topic_count && err == OK; t++)
        if (!prepare_partitions(all, &all->topics[t]))
            err = ERR_NOMEM;
    return err;
}

static void measure(struct shard_tour *tour, struct shard *at)
{
    struct measuring *all = container_of(tour, struct measuring, tour);

    for (uint32_t t = 0; t < all->topic_count; t++) {
        struct measured *measured = &all->topics[t];
        for (int32_t p = 0; p < measured->answer->partitions.count; p++) {
            answered_partition *out = &measured->answer->partitions.items[p];
            const struct partition *partition =
                topic_table_find(at->topics, &measured->topic_id, out->partition_index);
            if (partition != NULL)
                out->partition_size = (int64_t)partition_size_bytes(partition);
        }
    }
}

static void answer(struct shard_tour *tour)
{
    struct measuring *all = container_of(tour, struct measuring, tour);

    for (uint32_t t = 0; t < all->topic_count; t++) {
        answered_topic *topic = all->topics[t].answer;
        int32_t count = 0;
        for (int32_t p = 0; p < topic->partitions.count; p++)
            if (topic->partitions.items[p].partition_size != NOT_THERE)
                topic->partitions.items[count++] = topic->partitions.items[p];
        topic->partitions.count = count;
        if (count > 0)
            all->dir->topics.items[all->dir->topics.count++] = *topic;
    }
    request_answer(tour->request);
}

static void fill_dir(struct request *request, answered_dir *out)
{
    const struct config *config = request->home->config;
    struct io *io = request->home->io;
    struct io_space space;

    out->log_dir = wire_string(config_log_dir(config));
    out->is_cordoned = cordon_covers(
        config, config_string(config, request->home->image, CONFIG_CORDONED_LOG_DIRS));
    if (io->v->dir_space(io, out->log_dir.text, &space) != OK)
        return; /* -1: not known */
    out->total_bytes = (int64_t)space.total_bytes;
    out->usable_bytes = (int64_t)space.free_bytes;
}

void handle_describe_log_dirs(struct request *request)
{
    struct describe_log_dirs_response *response = request->response;
    struct measuring *all = request_try_alloc(request, 1, sizeof(*all));

    response->results.items =
        request_try_array(request, &describe_log_dirs_response_describe_log_dirs_result_struct, 1);
    if (all == NULL || response->results.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->results.count = 1;
    all->dir = &response->results.items[0];
    all->tour.request = request;
    fill_dir(request, all->dir);
    if (prepare(all) == OK)
        shard_tour_start(&all->tour, request, measure, answer);
    else
        request_refuse_memory(request);
}
