#include "base/check.h"
#include "tools/load/load_option.h"

#include <string.h>

/* Workloads that are built in, as settings over the defaults. */
static const struct {
    const char *name;
    const char *purpose;
    const char *settings;
} builtins[] = {
    {"canonical", "what a run without arguments begins with: steady records, read as they come",
     "topics=1 partitions=16 size=1KiB rate=20k producers=1 subscriptions=1 consumers=1 "
     "linger=1ms"},
    {"ping", "one record at a time: the latency of a durable write",
     "partitions=1 size=1KiB producers=1 in-flight=1 linger=0 rate=max"},
    {"swarm", "64 producers with one record each under way: small requests",
     "partitions=16 size=1KiB producers=64 in-flight=1 linger=0 rate=max"},
    {"bulk", "16 producers as fast as it goes, in batches of 64 KiB",
     "partitions=16 size=1KiB producers=16 batch=64KiB linger=5ms buffer=4MiB rate=max"},
    {"omb", "OpenMessaging Benchmark's 1-topic-16-partitions-1kb at 100,000 a second",
     "topics=1 partitions=16 size=1KiB rate=100k producers=1 subscriptions=1 consumers=1 "
     "linger=5ms batch=128KiB"},
    {"tiny", "records of 100 bytes, a thousand to an lz4 batch",
     "partitions=16 size=100 producers=4 compression=lz4 batch=128KiB linger=10ms rate=500k "
     "random-ratio=0.5"},
    {"fan-out", "four subscriptions read all that is written",
     "partitions=16 size=1KiB rate=20k producers=1 subscriptions=4 consumers=1 linger=5ms"},
    {"backlog", "1 GiB is written, then read cold while the load goes on",
     "partitions=16 size=1KiB rate=20k producers=1 subscriptions=1 consumers=1 backlog=1GiB "
     "linger=5ms"},
    {"partitions", "a steady load over 1,000 partitions",
     "partitions=1000 size=4KiB rate=5k producers=4 keys=uniform linger=5ms"},
    {"bursts", "a tenth of each second has all of its records",
     "partitions=16 size=1KiB rate=bursts:10k/1s/0.1 producers=1 subscriptions=1 consumers=1"},
    {"zipf", "keys by Zipf's law: few partitions have most of the load",
     "partitions=16 size=1KiB rate=20k producers=2 keys=zipf:1.1 subscriptions=1 consumers=2"},
    {"lag", "consumers that stay 100,000 records behind",
     "partitions=16 size=1KiB rate=20k producers=1 subscriptions=1 consumers=1 lag=100k"},
    {"transactions", "ten records over four partitions a transaction, read committed",
     "partitions=4 size=1KiB rate=5k producers=4 txn-records=10 txn-partitions=4 abort-share=0.05 "
     "subscriptions=1 consumers=1 isolation=read_committed linger=0"},
    {"pipeline", "read, process, write: exactly once from topic to topic",
     "partitions=4 size=1KiB rate=2k producers=2 txn-records=50 pipeline=true subscriptions=1 "
     "consumers=1 isolation=read_committed linger=5ms"},
    {"groups", "members that leave and come again",
     "partitions=16 size=100 rate=1k producers=1 subscriptions=2 consumers=4 group=true "
     "member-churn=0.5 session-timeout=10s linger=5ms"},
};

enum { BUILTINS_COUNT = sizeof(builtins) / sizeof(builtins[0]) };

const char *load_workload_builtin(size_t index, const char **purpose_out, const char **settings_out)
{
    if (index >= BUILTINS_COUNT)
        return NULL;
    *purpose_out = builtins[index].purpose;
    *settings_out = builtins[index].settings;
    return builtins[index].name;
}

enum err load_workload_take_builtin(struct load_workload *workload, const char *name)
{
    char problem[256];

    for (size_t i = 0; i < BUILTINS_COUNT; i++)
        if (strcmp(name, builtins[i].name) == 0) {
            enum err err =
                load_option_set_all(workload, builtins[i].settings, problem, sizeof(problem));
            check(err == OK); /* a unit test takes each of them */
            memcpy(workload->name, name, strlen(name) + 1);
            return OK;
        }
    return ERR_NOT_FOUND;
}
