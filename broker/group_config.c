#include "broker/group_config.h"

#include "base/check.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <string.h>

/* clang-format off */
static const struct config_key keys[] = {
    {"consumer.assignment.interval.ms", CONFIG_I32, CONFIG_STORED, true, "1000", 0, INT32_MAX, NULL, NULL},
    {"consumer.heartbeat.interval.ms", CONFIG_I32, CONFIG_STORED, true, "5000", 1, INT32_MAX, NULL, NULL},
    {"consumer.session.timeout.ms", CONFIG_I32, CONFIG_STORED, true, "45000", 1, INT32_MAX, NULL, NULL},
    {"share.assignment.interval.ms", CONFIG_I32, CONFIG_STORED, true, "1000", 0, INT32_MAX, NULL, NULL},
    {"share.auto.offset.reset", CONFIG_STRING, CONFIG_STORED, true, "latest", 0, 0, NULL, NULL},
    {"share.delivery.count.limit", CONFIG_I32, CONFIG_STORED, true, "5", 2, INT32_MAX, NULL, NULL},
    {"share.heartbeat.interval.ms", CONFIG_I32, CONFIG_STORED, true, "5000", 1, INT32_MAX, NULL, NULL},
    {"share.isolation.level", CONFIG_STRING, CONFIG_STORED, true, "read_uncommitted", 0, 0, "read_committed,read_uncommitted", NULL},
    {"share.partition.max.record.locks", CONFIG_I32, CONFIG_STORED, true, "2000", 100, INT32_MAX, NULL, NULL},
    {"share.record.lock.duration.ms", CONFIG_I32, CONFIG_STORED, true, "30000", 1000, INT32_MAX, NULL, NULL},
    {"share.renew.acknowledge.enable", CONFIG_BOOL, CONFIG_STORED, true, "true", 0, 0, NULL, NULL},
    {"share.session.timeout.ms", CONFIG_I32, CONFIG_STORED, true, "45000", 1, INT32_MAX, NULL, NULL},
    {"streams.assignment.interval.ms", CONFIG_I32, CONFIG_STORED, true, "1000", 0, INT32_MAX, NULL, NULL},
    {"streams.heartbeat.interval.ms", CONFIG_I32, CONFIG_STORED, true, "5000", 1, INT32_MAX, NULL, NULL},
    {"streams.initial.rebalance.delay.ms", CONFIG_I32, CONFIG_STORED, true, "3000", 0, INT32_MAX, NULL, NULL},
    {"streams.num.standby.replicas", CONFIG_I32, CONFIG_STORED, true, "0", 0, INT32_MAX, NULL, NULL},
    {"streams.session.timeout.ms", CONFIG_I32, CONFIG_STORED, true, "45000", 1, INT32_MAX, NULL, NULL},
};

/* The broker's key behind each, and those that bound it with Kafka's words for it. */
struct origin {
    const char *name;
    const char *broker_name; /* NULL: the broker has none */
    const char *min_name, *too_low;
    const char *max_name, *too_high;
};

#define TOO_LOW(name, min) min, name " must be greater than or equal to " min
#define TOO_HIGH(name, max) max, name " must be less than or equal to " max

static const struct origin origins[array_count(keys)] = {
    {"consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms",
     TOO_LOW("consumer.assignment.interval.ms", "group.consumer.min.assignment.interval.ms"),
     TOO_HIGH("consumer.assignment.interval.ms", "group.consumer.max.assignment.interval.ms")},
    {"consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms",
     TOO_LOW("consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms"),
     TOO_HIGH("consumer.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms")},
    {"consumer.session.timeout.ms", "group.consumer.session.timeout.ms",
     TOO_LOW("consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms"),
     TOO_HIGH("consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms")},
    {"share.assignment.interval.ms", "group.share.assignment.interval.ms",
     TOO_LOW("share.assignment.interval.ms", "group.share.min.assignment.interval.ms"),
     TOO_HIGH("share.assignment.interval.ms", "group.share.max.assignment.interval.ms")},
    {"share.auto.offset.reset", NULL,
     NULL, NULL,
     NULL, NULL},
    {"share.delivery.count.limit", "group.share.delivery.count.limit",
     TOO_LOW("share.delivery.count.limit", "group.share.min.delivery.count.limit"),
     TOO_HIGH("share.delivery.count.limit", "group.share.max.delivery.count.limit")},
    {"share.heartbeat.interval.ms", "group.share.heartbeat.interval.ms",
     TOO_LOW("share.heartbeat.interval.ms", "group.share.min.heartbeat.interval.ms"),
     TOO_HIGH("share.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms")},
    {"share.isolation.level", NULL,
     NULL, NULL,
     NULL, NULL},
    {"share.partition.max.record.locks", "group.share.partition.max.record.locks",
     TOO_LOW("share.partition.max.record.locks", "group.share.min.partition.max.record.locks"),
     TOO_HIGH("share.partition.max.record.locks", "group.share.max.partition.max.record.locks")},
    {"share.record.lock.duration.ms", "group.share.record.lock.duration.ms",
     TOO_LOW("share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms"),
     TOO_HIGH("share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms")},
    {"share.renew.acknowledge.enable", NULL,
     NULL, NULL,
     NULL, NULL},
    {"share.session.timeout.ms", "group.share.session.timeout.ms",
     TOO_LOW("share.session.timeout.ms", "group.share.min.session.timeout.ms"),
     TOO_HIGH("share.session.timeout.ms", "group.share.max.session.timeout.ms")},
    {"streams.assignment.interval.ms", "group.streams.assignment.interval.ms",
     TOO_LOW("streams.assignment.interval.ms", "group.streams.min.assignment.interval.ms"),
     TOO_HIGH("streams.assignment.interval.ms", "group.streams.max.assignment.interval.ms")},
    {"streams.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms",
     TOO_LOW("streams.heartbeat.interval.ms", "group.streams.min.heartbeat.interval.ms"),
     TOO_HIGH("streams.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms")},
    {"streams.initial.rebalance.delay.ms", "group.streams.initial.rebalance.delay.ms",
     NULL, NULL,
     NULL, NULL},
    {"streams.num.standby.replicas", "group.streams.num.standby.replicas",
     NULL, NULL,
     TOO_HIGH("streams.num.standby.replicas", "group.streams.max.standby.replicas")},
    {"streams.session.timeout.ms", "group.streams.session.timeout.ms",
     TOO_LOW("streams.session.timeout.ms", "group.streams.min.session.timeout.ms"),
     TOO_HIGH("streams.session.timeout.ms", "group.streams.max.session.timeout.ms")},
};
/* clang-format on */

const struct config_key *group_config_keys(uint32_t *count_out)
{
    *count_out = array_count(keys);
    return keys;
}

const struct config_key *group_config_key_find(const char *name)
{
    for (size_t i = 0; i < array_count(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static const struct origin *origin_of(const struct config_key *key)
{
    const struct origin *origin = &origins[key - keys];

    check(strcmp(origin->name, key->name) == 0); /* both tables are in the same order */
    return origin;
}

uint32_t group_config_synonyms(const struct config *config, const struct image *image,
                               const char *group, const struct config_key *key,
                               struct config_synonym out[CONFIG_SYNONYMS_MAX])
{
    const struct origin *origin = origin_of(key);
    const char *const names[CONFIG_SYNONYM_NAMES_MAX] = {origin->broker_name};
    const char *own = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_GROUP, group, key->name);
    uint32_t count = 0;

    if (own != NULL && config_check(key, own, NULL, 0) == OK)
        out[count++] = (struct config_synonym){key->name, own, CONFIG_SOURCE_GROUP};
    if (origin->broker_name != NULL)
        return count + config_synonyms(config, image, names, out + count);
    out[count++] = (struct config_synonym){key->name, key->default_text, CONFIG_SOURCE_DEFAULT};
    return count;
}

bool group_config_check_bounds(const struct config *config, const struct image *image,
                               const struct config_key *key, int64_t value,
                               const char **problem_out)
{
    const struct origin *origin = origin_of(key);

    if (origin->min_name != NULL && value < config_i64(config, image, origin->min_name)) {
        *problem_out = origin->too_low;
        return false;
    }
    if (origin->max_name != NULL && value > config_i64(config, image, origin->max_name)) {
        *problem_out = origin->too_high;
        return false;
    }
    return true;
}
