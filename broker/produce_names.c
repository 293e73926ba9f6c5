#include "broker/produce_names.h"

#include "base/hash_map.h"
#include "net/protocol/msg_produce.h"

#include <string.h>

typedef struct produce_request_topic_produce_data asked_topic;
typedef struct produce_request_partition_produce_data asked_partition;

/* So many are compared with each other; more go through a map, as clients choose the number. */
enum { COMPARED_MAX = 16 };

static enum err compare_partitions(const asked_topic *asked)
{
    const asked_partition *items = asked->partition_data.items;

    for (int32_t i = 1; i < asked->partition_data.count; i++)
        for (int32_t j = 0; j < i; j++)
            if (items[i].index == items[j].index)
                return ERR_EXISTS;
    return OK;
}

static enum err check_partitions(const struct request *request, const asked_topic *asked)
{
    struct hash_map seen;
    enum err err = OK;

    if (asked->partition_data.count <= 1)
        return OK;
    if (asked->partition_data.count <= COMPARED_MAX)
        return compare_partitions(asked);
    hash_map_init(&seen, prng_u64(&request->home->prng));
    for (int32_t i = 0; i < asked->partition_data.count && err == OK; i++) {
        asked_partition *partition = &asked->partition_data.items[i];
        err = hash_map_insert(&seen, &partition->index, sizeof(partition->index), partition);
    }
    hash_map_deinit(&seen);
    return err;
}

static bool is_same_topic(const asked_topic *one, const asked_topic *other, bool by_id)
{
    if (by_id)
        return memcmp(&one->topic_id, &other->topic_id, sizeof(one->topic_id)) == 0;
    return one->name.size_bytes == other->name.size_bytes &&
           memcmp(one->name.text, other->name.text, (size_t)one->name.size_bytes) == 0;
}

static enum err compare_topics(const struct produce_request *body, bool by_id)
{
    const asked_topic *items = body->topic_data.items;

    for (int32_t i = 1; i < body->topic_data.count; i++)
        for (int32_t j = 0; j < i; j++)
            if (is_same_topic(&items[i], &items[j], by_id))
                return ERR_EXISTS;
    return OK;
}

static enum err check_topics(const struct request *request)
{
    const struct produce_request *body = request->body;
    bool by_id = request->api_version >= 13;
    struct hash_map seen;
    enum err err = OK;

    if (body->topic_data.count <= 1)
        return OK;
    if (body->topic_data.count <= COMPARED_MAX)
        return compare_topics(body, by_id);
    hash_map_init(&seen, prng_u64(&request->home->prng));
    for (int32_t i = 0; i < body->topic_data.count && err == OK; i++) {
        asked_topic *asked = &body->topic_data.items[i];
        const void *key = by_id ? (const void *)&asked->topic_id : asked->name.text;
        size_t key_bytes = by_id ? sizeof(asked->topic_id) : (size_t)asked->name.size_bytes;
        err = hash_map_insert(&seen, key, key_bytes, asked);
    }
    hash_map_deinit(&seen);
    return err;
}

enum err produce_names_check(const struct request *request)
{
    const struct produce_request *body = request->body;
    enum err err = check_topics(request);

    for (int32_t i = 0; i < body->topic_data.count && err == OK; i++)
        err = check_partitions(request, &body->topic_data.items[i]);
    return err;
}
