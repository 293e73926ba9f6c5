/* load_workload: all that a run of the load tools is: where, which topics, records, rates,
 * producers, consumers, transactions, how long, and what is made of it.
 *
 * A value: filled from defaults, a built-in workload, a file and options (load_option), checked
 * once (load_workload_check), and constant while it runs; any thread may read it then. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_WORKLOAD_H
#define LEVEE_TOOLS_LOAD_LOAD_WORKLOAD_H

#include "base/err.h"
#include "base/pacer.h"
#include "record/compression.h"
#include "tools/load/load_keys.h"
#include "tools/load/load_size.h"
#include "tools/load/load_stamp.h"

#include <stdbool.h>

enum {
    LOAD_WORD_MAX = 256,  /* a text option */
    LOAD_LONG_MAX = 2048, /* addresses, settings of topics */
    LOAD_CODECS_MAX = 8,
    LOAD_POINTS_MAX = 4096, /* of a trace of rates */
    LOAD_THREADS_MAX = 64,
    LOAD_CLIENTS_MAX = 10000, /* producers, and consumers, of a run */
};

enum load_isolation { LOAD_READ_UNCOMMITTED, LOAD_READ_COMMITTED };
enum load_start { LOAD_START_BEGIN, LOAD_START_END };

/* A part of the producers that compresses so. */
struct load_codec {
    enum compression codec;
    uint32_t weight;
};

struct load_workload {
    char name[LOAD_WORD_MAX];
    char brokers[LOAD_LONG_MAX]; /* bootstrap.servers */
    uint64_t timeout_ns;         /* of setting up and of draining */

    /* topics */
    char topic[LOAD_WORD_MAX]; /* "": topics of its own, deleted at the end */
    uint32_t topics_count;
    uint32_t partitions_count;         /* of each */
    uint32_t replicas_count;           /* 0: the broker's default */
    char topic_configs[LOAD_LONG_MAX]; /* key=value, separated by commas */
    bool keeps_topics;                 /* those of its own, too */

    /* records */
    char size_text[LOAD_WORD_MAX];    /* 1KiB | 100..2000 | @FILE */
    char payload_file[LOAD_WORD_MAX]; /* "": random bytes */
    double random_ratio;              /* of the bytes that are random; the rest compresses */
    char key_text[LOAD_WORD_MAX];     /* as load_keys_parse */
    uint64_t keys_count;
    uint32_t key_bytes;
    char codec_text[LOAD_WORD_MAX]; /* lz4 | none:3,zstd:1 */
    uint32_t headers_count;
    uint64_t header_bytes; /* of the value of each */

    /* producing */
    uint32_t producers_count; /* of each topic */
    char rate_text[LOAD_WORD_MAX];
    uint32_t
        in_flight_count;  /* records of a producer; 0: open loop, or as many as its buffer has */
    uint64_t records_max; /* 0: no end but the time */
    int32_t acks;
    bool is_idempotent;
    uint64_t linger_ns;
    uint64_t batch_bytes;
    uint64_t request_max_bytes;
    uint64_t buffer_bytes; /* of each producer */
    uint32_t requests_max; /* in flight on a connection */
    uint64_t request_timeout_ns;
    uint64_t delivery_timeout_ns;
    double churn_rate;   /* producers that are closed and made anew, a second */
    uint32_t idle_count; /* connections that do nothing */

    /* consuming */
    uint32_t subscriptions_count; /* groups of each topic, each reads all */
    uint32_t consumers_count;     /* of each subscription */
    bool uses_groups;             /* members of a group; false: partitions are dealt out */
    int32_t isolation;            /* enum load_isolation */
    int32_t start;                /* enum load_start */
    uint64_t lag_count;           /* records that consumers stay behind */
    uint64_t backlog_bytes;       /* written before consumers begin */
    double backlog_drain_ratio;   /* drained: so much of it was read */
    uint64_t fetch_min_bytes;
    uint64_t fetch_max_bytes;
    uint64_t fetch_partition_bytes;
    uint64_t fetch_wait_ns;
    uint64_t commit_interval_ns; /* of a group; 0: never */
    uint64_t session_timeout_ns;
    double member_churn_rate; /* members that leave and join again, a second */

    /* transactions */
    uint32_t transaction_records; /* 0: none */
    uint32_t transaction_partitions;
    double abort_share;
    double zombie_share; /* transactions in which a second producer takes the id */
    bool is_pipeline;    /* read, process, write, with the offsets of the group */
    uint64_t transaction_timeout_ns;
    bool forces_version_1;

    /* the run */
    uint64_t warmup_ns;
    uint64_t duration_ns;
    uint32_t threads_count;
    char agents[LOAD_LONG_MAX]; /* "": it runs here */
    uint64_t seed;
    bool verifies;
    uint64_t account_bytes; /* memory of the account */
    char state_file[LOAD_WORD_MAX];
    char find_text[LOAD_WORD_MAX]; /* "": no search; p99=10ms */

    /* comparing two brokers */
    uint32_t blocks_count;            /* A B B A */
    char durability_a[LOAD_WORD_MAX]; /* "": as the brokers tell */
    char durability_b[LOAD_WORD_MAX];
    bool allows_other_durability;
    bool allows_other_workload;

    /* what is made of it */
    int32_t is_json;
    char report_file[LOAD_WORD_MAX];
    char csv_file[LOAD_WORD_MAX];
    char json_file[LOAD_WORD_MAX];
    char hlog_file[LOAD_WORD_MAX];
    bool wants_limits;
    char limits_dir[LOAD_WORD_MAX];
    int32_t broker_pid; /* 0: who listens there */

    /* out of load_workload_check */
    bool is_open_loop;
    struct pacer_options pacing; /* of all producers together; things: records, or transactions */
    struct pacer_point points[LOAD_POINTS_MAX];
    struct load_keys_options keys;
    struct load_size size; /* producers share it */
    struct load_codec codecs[LOAD_CODECS_MAX];
    uint32_t codecs_count;
    bool is_stamped; /* records carry load_stamp */
    double find_percent;
    uint64_t find_ns;
};

/* Defaults: one topic with 16 partitions, records of 1 KiB, one producer. */
void load_workload_defaults(struct load_workload *workload);

/* What load_workload_check took.  A zeroed one is accepted. */
void load_workload_deinit(struct load_workload *workload);

/* A workload that is built in: its settings over what is there.  ERR_NOT_FOUND. */
must_use enum err load_workload_take_builtin(struct load_workload *workload, const char *name);

/* The built-in ones by index: name, what it is for, its settings as text.  NULL: no more. */
const char *load_workload_builtin(size_t index, const char **purpose_out,
                                  const char **settings_out);

/* Everything is there: read the texts, fill what follows from them, and see that the parts agree.
 * ERR_INVALID: problem says what is wrong.  ERR_NOT_FOUND, ERR_IO: a file. */
must_use enum err load_workload_check(struct load_workload *workload, char *problem,
                                      size_t problem_max);

/* Bytes of value and key of a record on the average. */
uint64_t load_workload_record_bytes(const struct load_workload *workload);

/* How many of the threads have producers: the schedule, and --records, are divided among these. */
uint32_t load_workload_shares(const struct load_workload *workload);

/* The part that share number of shares has of total things. */
static inline uint64_t load_workload_part(uint64_t total, uint32_t number, uint32_t shares)
{
    return total / shares + (number < total % shares ? 1 : 0);
}

/* --records as things of the schedule, transactions rounded up; UINT64_MAX: no end. */
uint64_t load_workload_things(const struct load_workload *workload);

/* The codec of producer number of count. */
enum compression load_workload_codec(const struct load_workload *workload, uint32_t number);

#endif
