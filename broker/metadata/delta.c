#include "broker/metadata/delta.h"

#include "base/mem.h"

void delta_init(struct delta *delta)
{
    *delta = (struct delta){0};
}

void delta_deinit(struct delta *delta)
{
    for (uint32_t i = 0; i < delta->topic_count; i++)
        mem_free(delta->topics[i].name);
    mem_free(delta->topics);
    *delta = (struct delta){0};
}

/* Room for one more. */
static bool reserve(struct delta *delta)
{
    uint32_t max = delta->topic_max == 0 ? 8 : delta->topic_max * 2;
    struct delta_topic *topics;

    if (delta->topic_count < delta->topic_max)
        return true;
    topics = mem_try_realloc(delta->topics, max * sizeof(*topics));
    if (topics == NULL)
        return false;
    delta->topics = topics;
    delta->topic_max = max;
    return true;
}

enum err delta_note_topic(struct delta *delta, const struct uuid *id, const char *name,
                          size_t name_bytes, uint32_t change, uint32_t old_partition_count)
{
    char *copy;

    /* newest first: records about one topic stand together */
    for (uint32_t i = delta->topic_count; i-- > 0;) {
        if (uuid_equal(&delta->topics[i].id, id)) {
            delta->topics[i].changes |= change;
            return OK;
        }
        if (delta->topic_count - i > 64)
            break; /* a repeated entry does no harm: publishing compares with the image */
    }
    copy = mem_try_strndup(name, name_bytes);
    if (copy == NULL || !reserve(delta)) {
        mem_free(copy);
        return ERR_NOMEM;
    }
    delta->topics[delta->topic_count++] = (struct delta_topic){
        .id = *id, .name = copy, .changes = change, .old_partition_count = old_partition_count};
    return OK;
}
