#include "tools/load/load_identity.h"

#include <stdio.h>
#include <string.h>

void load_identity_take(struct load_identity *identity, bool is_topic, const char *name,
                        const char *value)
{
    if (strncmp(name, "levee.", 6) == 0)
        identity->is_levee = true;
    if (strcmp(name, "log.flush.interval.messages") == 0)
        identity->has_kafka_keys = true;
    if (!is_topic)
        return;
    if (strcmp(name, "levee.durability") == 0)
        snprintf(identity->durability, sizeof(identity->durability), "%s", value);
    if (strcmp(name, "flush.messages") == 0)
        snprintf(identity->flush_count, sizeof(identity->flush_count), "%s", value);
    if (strcmp(name, "write.caching") == 0)
        identity->caches_otherwise = true;
}

const char *load_identity_durability(const struct load_identity *identity)
{
    static const char synced[] = "on stable storage before the answer";
    static const char cached[] = "in the page cache: an answer does not wait for the disk";

    if (identity->is_levee)
        return strcmp(identity->durability, "sync") == 0    ? synced
               : strcmp(identity->durability, "cache") == 0 ? cached
                                                            : "";
    if (identity->caches_otherwise || !identity->has_kafka_keys || identity->flush_count[0] == '\0')
        return "";
    return strcmp(identity->flush_count, "1") == 0 ? synced : cached;
}

bool load_identity_of_path(const char *path, size_t size_bytes, char *out, size_t out_max)
{
    static const char mark[] = "/kafka-clients-";
    const char *found = memmem(path, size_bytes, mark, sizeof(mark) - 1);
    const char *end;

    if (found == NULL)
        return false;
    found += sizeof(mark) - 1;
    end = memmem(found, size_bytes - (size_t)(found - path), ".jar", 4);
    if (end == NULL || end - found > 32)
        return false;
    snprintf(out, out_max, "Apache Kafka %.*s", (int)(end - found), found);
    return true;
}
