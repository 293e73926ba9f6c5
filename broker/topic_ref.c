#include "broker/topic_ref.h"

#include "broker/internal_topics.h"
#include "net/protocol/kafka_errors.h"

const struct image_topic *topic_ref_find(const struct image *image, bool by_id,
                                         struct wire_string name, const struct uuid *id,
                                         int16_t *error_out)
{
    const struct image_topic *topic;

    if (by_id) {
        topic = image_topic_by_id(image, id);
        *error_out = topic == NULL ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_NONE;
    } else {
        topic = name.text == NULL ? NULL
                                  : image_topic_by_name(image, name.text, (size_t)name.size_bytes);
        *error_out = topic == NULL ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_NONE;
    }
    return topic;
}

bool topic_is_internal(const char *name)
{
    return internal_topics_find(name) != NULL;
}
