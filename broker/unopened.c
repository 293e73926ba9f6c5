#include "broker/unopened.h"

#include "base/mem.h"

#include <string.h>

static struct unopened_key key_of(const struct uuid *topic_id, int32_t partition)
{
    struct unopened_key key;

    memset(&key, 0, sizeof(key)); /* it is hashed as bytes */
    key.topic_id = *topic_id;
    key.partition = partition;
    return key;
}

void unopened_init(struct unopened *unopened, uint64_t seed)
{
    hash_map_init(&unopened->by_key, seed);
    list_init(&unopened->by_try);
}

void unopened_deinit(struct unopened *unopened)
{
    struct unopened_partition *first;

    while ((first = unopened_first(unopened)) != NULL)
        unopened_remove(unopened, first);
    hash_map_deinit(&unopened->by_key);
}

enum err unopened_add(struct unopened *unopened, const struct uuid *topic_id, int32_t partition,
                      const char *topic_name, enum err err)
{
    struct unopened_partition *added = mem_try_alloc(sizeof(*added));
    enum err inserted = ERR_NOMEM;

    if (added == NULL)
        return ERR_NOMEM;
    *added = (struct unopened_partition){
        .key = key_of(topic_id, partition), .topic_name = mem_try_strdup(topic_name), .err = err};
    if (added->topic_name != NULL)
        inserted = hash_map_insert(&unopened->by_key, &added->key, sizeof(added->key), added);
    if (inserted != OK) {
        mem_free(added->topic_name);
        mem_free(added);
        return inserted;
    }
    list_push_back(&unopened->by_try, &added->node);
    return OK;
}

struct unopened_partition *unopened_find(const struct unopened *unopened,
                                         const struct uuid *topic_id, int32_t partition)
{
    struct unopened_key key = key_of(topic_id, partition);

    return hash_map_find(&unopened->by_key, &key, sizeof(key));
}

struct unopened_partition *unopened_first(const struct unopened *unopened)
{
    return list_is_empty(&unopened->by_try)
               ? NULL
               : list_first(&unopened->by_try, struct unopened_partition, node);
}

void unopened_note_try(struct unopened *unopened, struct unopened_partition *partition,
                       enum err err)
{
    partition->err = err;
    list_remove(&partition->node);
    list_push_back(&unopened->by_try, &partition->node);
}

void unopened_remove(struct unopened *unopened, struct unopened_partition *partition)
{
    (void)hash_map_remove(&unopened->by_key, &partition->key, sizeof(partition->key));
    list_remove(&partition->node);
    mem_free(partition->topic_name);
    mem_free(partition);
}
