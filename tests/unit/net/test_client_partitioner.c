#include "net/client/client_partitioner.h"
#include "net/client/client_producer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* Of Kafka's UtilsTest.testMurmur2. */
Test(client_partitioner, hashes_as_kafka_does)
{
    static const struct {
        const char *text;
        int32_t hash;
    } known[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t size_bytes = strlen(known[i].text);
        int32_t positive = known[i].hash & 0x7fffffff;

        cr_assert(
            eq(i32, (int32_t)client_partitioner_murmur2(known[i].text, size_bytes), known[i].hash));
        cr_assert(
            eq(i32, client_producer_partition_of(known[i].text, size_bytes, 7), positive % 7));
        cr_assert(eq(i32, client_partitioner_of_key(known[i].text, size_bytes, 1), 0));
    }
}

/* KIP-794: as much as a batch to one, then to another; those without a leader get nothing. */
Test(client_partitioner, sticks_to_one_for_a_batch)
{
    struct client_partition partitions[6] = {{.leader_id = 1}, {.leader_id = -1}, {.leader_id = 2},
                                             {.leader_id = 1}, {.leader_id = -1}, {.leader_id = 2}};
    struct client_topic topic = {.partitions_count = 6, .partitions = partitions};
    struct client_partitioner partitioner = {0};
    uint32_t counts[6] = {0};
    uint32_t changes_count = 0;
    int32_t last = -1;
    struct prng prng;

    prng_init(&prng, 5);
    for (int i = 0; i < 100000; i++) {
        int32_t partition = client_partitioner_stick(&partitioner, &prng, &topic, 100, 1000);

        cr_assert(ge(i32, partition, 0));
        cr_assert(lt(i32, partition, 6));
        changes_count += partition != last;
        last = partition;
        counts[partition]++;
    }
    cr_assert(lt(u32, changes_count, 10100)); /* of 10000 batches */
    cr_assert(lt(u32, 6000, changes_count));
    for (int i = 0; i < 6; i++)
        if (partitions[i].leader_id >= 0)
            cr_assert(lt(u32, 20000, counts[i]));
        else
            cr_assert(lt(u32, counts[i], 500));
}
