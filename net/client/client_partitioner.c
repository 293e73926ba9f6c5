#include "net/client/client_partitioner.h"

#include "base/check.h"

enum { TRIES_MAX = 8 }; /* for one with a leader, before any is taken */

uint32_t client_partitioner_murmur2(const void *bytes, size_t size_bytes)
{
    const uint32_t m = 0x5bd1e995;
    const uint8_t *at = bytes;
    uint32_t h = 0x9747b28cU ^ (uint32_t)size_bytes;
    size_t whole = size_bytes & ~(size_t)3;

    for (size_t i = 0; i < whole; i += 4) {
        uint32_t k = (uint32_t)at[i] | (uint32_t)at[i + 1] << 8 | (uint32_t)at[i + 2] << 16 |
                     (uint32_t)at[i + 3] << 24;

        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    for (size_t i = size_bytes; i > whole; i--)
        h ^= (uint32_t)at[i - 1] << 8 * (i - 1 - whole);
    if (whole < size_bytes)
        h *= m;
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

int32_t client_partitioner_of_key(const void *key, size_t key_bytes, int32_t partitions_count)
{
    check(partitions_count > 0);
    return (int32_t)(client_partitioner_murmur2(key, key_bytes) & 0x7fffffffU) % partitions_count;
}

int32_t client_partitioner_stick(struct client_partitioner *partitioner, struct prng *prng,
                                 const struct client_topic *topic, uint32_t size_bytes,
                                 uint32_t stick_bytes)
{
    if (!partitioner->is_chosen || partitioner->partition >= topic->partitions_count) {
        for (int tries = 0; tries < TRIES_MAX; tries++) {
            partitioner->partition = (int32_t)prng_below(prng, (uint64_t)topic->partitions_count);
            if (topic->partitions[partitioner->partition].leader_id >= 0)
                break;
        }
        partitioner->is_chosen = true;
        partitioner->left_bytes = stick_bytes;
    }
    if (size_bytes >= partitioner->left_bytes)
        partitioner->is_chosen = false;
    else
        partitioner->left_bytes -= size_bytes;
    return partitioner->partition;
}
