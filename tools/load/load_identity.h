/* load_identity: who a broker is, when it makes an acknowledged record safe, how it is set: as far
 * as it tells by DescribeConfigs, and as its process does when it runs here.
 *
 * Blocks; one thread; stateless.
 *   LID-1  the topic's own setting decides about durability, not the broker's default; who is
 *          not understood is not known */
#ifndef LEVEE_TOOLS_LOAD_LOAD_IDENTITY_H
#define LEVEE_TOOLS_LOAD_LOAD_IDENTITY_H

#include "tools/load/load_result.h"

/* Driver and durability of the result, and a line of its environment for each setting of the broker
 * that is not its default.  topic: one that the run uses.  pid: the broker's process; 0: elsewhere.
 * Where the broker does not tell, the result stays as it is. */
void load_identity_ask(struct load_result *result, const char *brokers, const char *topic,
                       int32_t timeout_ms, int32_t pid);

/* What of its settings says who it is; pure, for tests. */
struct load_identity {
    bool is_levee;         /* it has settings of levee's name */
    bool has_kafka_keys;   /* settings that Apache Kafka's brokers have */
    char durability[64];   /* levee.durability of the topic */
    char flush_count[32];  /* flush.messages of the topic */
    bool caches_otherwise; /* the topic has a switch of another broker: write.caching */
};

/* One setting of the broker, or of the topic. */
void load_identity_take(struct load_identity *identity, bool is_topic, const char *name,
                        const char *value);

/* "on stable storage before the answer", "in the page cache: ..."; "": not known. */
const char *load_identity_durability(const struct load_identity *identity);

/* "Apache Kafka 4.3.1" from the path of a library that its process has open (without NUL); false:
 * it is another one. */
bool load_identity_of_path(const char *path, size_t size_bytes, char *out, size_t out_max);

#endif
