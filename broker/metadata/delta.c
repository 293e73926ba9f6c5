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

void delta_note_topic(struct delta *delta, const struct uuid *id, const char *name, uint32_t change,
                      uint32_t old_partition_count)
{
    /* newest first: records about one topic stand together */
    for (uint32_t i = delta->topic_count; i-- > 0;) {
        if (uuid_equal(&delta->topics[i].id, id)) {
            delta->topics[i].changes |= change;
            return;
        }
        if (delta->topic_count - i > 64)
            break; /* a repeated entry does no harm: publishing compares with the image */
    }
    if (delta->topic_count == delta->topic_max) {
        delta->topic_max = delta->topic_max == 0 ? 8 : delta->topic_max * 2;
        delta->topics = mem_realloc(delta->topics, delta->topic_max * sizeof(*delta->topics));
    }
    delta->topics[delta->topic_count++] =
        (struct delta_topic){.id = *id,
                             .name = mem_strdup(name),
                             .changes = change,
                             .old_partition_count = old_partition_count};
}
