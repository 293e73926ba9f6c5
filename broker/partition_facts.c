#include "broker/partition_facts.h"

#include <string.h>

static bool is_alive(const struct image *image, int32_t broker_id)
{
    const struct image_broker *broker = image_broker_find(image, broker_id);

    return broker != NULL && !broker->fenced;
}

int32_t partition_facts_leader(const struct image *image, const struct image_partition *partition)
{
    return is_alive(image, partition->leader) ? partition->leader : -1;
}

bool partition_facts_copy_ids(struct request *request, const int32_t *ids, uint32_t count,
                              int32_t **items_out, int32_t *count_out)
{
    *items_out = request_try_alloc(request, count, sizeof(**items_out));
    if (*items_out == NULL)
        return false;
    if (count > 0)
        memcpy(*items_out, ids, count * sizeof(*ids));
    *count_out = (int32_t)count;
    return true;
}

bool partition_facts_copy_offline(struct request *request, const struct image_partition *partition,
                                  int32_t **items_out, int32_t *count_out)
{
    const struct image *image = request->home->image;
    int32_t count = 0;

    *items_out = request_try_alloc(request, partition->replica_count, sizeof(**items_out));
    if (*items_out == NULL)
        return false;
    for (uint32_t i = 0; i < partition->replica_count; i++)
        if (!is_alive(image, partition->replicas[i]))
            (*items_out)[count++] = partition->replicas[i];
    *count_out = count;
    return true;
}
