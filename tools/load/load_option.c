#include "tools/load/load_option.h"

#include "base/check.h"
#include "base/nearest.h"
#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define array_count(array) (sizeof(array) / sizeof((array)[0]))

enum { NAMES_MAX = 160, NAME_MAX_BYTES = 64 };

#define NS_OF_MS UINT64_C(1000000)
#define NS_OF_S UINT64_C(1000000000)

static const char *const isolation_words[] = {"read_uncommitted", "read_committed", NULL};
static const char *const start_words[] = {"start", "end", NULL};
static const char *const format_words[] = {"text", "json", NULL};

#define FIELD(field) offsetof(struct load_workload, field)
#define TEXT_FIELD(field) \
    offsetof(struct load_workload, field), sizeof(((struct load_workload *)0)->field)

/* Drawn by hand: name, argument, help | who | kind, field (and its size), unit, least, most. */
/* clang-format off */
#define T LOAD_OPTION_OF_TOPICS
#define R LOAD_OPTION_OF_RECORDS
#define P LOAD_OPTION_OF_PRODUCERS
#define C LOAD_OPTION_OF_CONSUMERS
#define X LOAD_OPTION_OF_TRANSACTIONS
#define G LOAD_OPTION_OF_GROUPS
#define A LOAD_OPTION_OF_RUN
static const struct load_option rows[] = {
    {"brokers", "-b", "HOST:PORT,...", "where a broker is", A, LOAD_OPTION_TEXT, TEXT_FIELD(brokers)},
    {"timeout", NULL, "TIME", "how long to wait for a broker, a topic, the last answers; bare: ms", A,
     LOAD_OPTION_TIME, FIELD(timeout_ns), 0, NS_OF_MS, 1, 0},
    {"name", NULL, "TEXT", "how the workload is called in results", A, LOAD_OPTION_TEXT, TEXT_FIELD(name)},
    {"topic", NULL, "NAME", "use this topic (made when it is not there), and leave it; several: NAME-0, ...", T,
     LOAD_OPTION_TEXT, TEXT_FIELD(topic)},
    {"topics", NULL, "N", "number of topics", T, LOAD_OPTION_COUNT, FIELD(topics_count), 0, 0, 1, 10000},
    {"partitions", "-p", "N", "partitions of a topic", T, LOAD_OPTION_COUNT, FIELD(partitions_count), 0, 0, 1, 100000},
    {"replicas", "-r", "N", "replication factor (0: the broker's default)", T, LOAD_OPTION_COUNT,
     FIELD(replicas_count), 0, 0, 0, 100},
    {"topic-config", "-C", "KEY=VALUE,...", "settings of topics that are made", T, LOAD_OPTION_TEXT,
     TEXT_FIELD(topic_configs)},
    {"keep-topics", NULL, NULL, "leave the topics there at the end", T, LOAD_OPTION_FLAG, FIELD(keeps_topics)},

    {"size", NULL, "SIZE", "of a record's value: 1KiB, 100..2000 (uniform), @FILE (lines: size weight)", R,
     LOAD_OPTION_TEXT, TEXT_FIELD(size_text)},
    {"payload-file", NULL, "FILE", "take the payload from a file", R, LOAD_OPTION_TEXT, TEXT_FIELD(payload_file)},
    {"random-ratio", NULL, "SHARE", "part of the payload that does not compress", R, LOAD_OPTION_SHARE,
     FIELD(random_ratio), 0, 0, 0.01, 1},
    {"keys", NULL, "SHAPE", "none, uniform, zipf:EXPONENT, hot:KEYS:RECORDS (percent), sequential", R,
     LOAD_OPTION_TEXT, TEXT_FIELD(key_text)},
    {"key-count", NULL, "N", "how many different keys", R, LOAD_OPTION_BIG, FIELD(keys_count), 0, 0, 1, 4e15},
    {"key-size", NULL, "N", "bytes of a key", R, LOAD_OPTION_COUNT, FIELD(key_bytes), 0, 0, 1, 1024},
    {"compression", "-z", "CODEC", "none, gzip, snappy, lz4, zstd; mixed over the producers: lz4:3,none:1", R,
     LOAD_OPTION_TEXT, TEXT_FIELD(codec_text)},
    {"headers", NULL, "N", "headers of a record", R, LOAD_OPTION_COUNT, FIELD(headers_count), 0, 0, 0, 64},
    {"header-bytes", NULL, "SIZE", "value of a header", R, LOAD_OPTION_SIZE, FIELD(header_bytes), 0, 0, 0, 4096},

    {"rate", NULL, "RATE", "records a second of all producers, whatever the broker does: 10k, poisson:10k,\n"
     "ramp:1k..50k/30s, sine:1k..50k/10s, bursts:10k/1s/0.1, trace:FILE (lines: seconds rate); max: as fast\n"
     "as it goes", P | X, LOAD_OPTION_TEXT, TEXT_FIELD(rate_text)},
    {"in-flight", NULL, "N", "closed loop: a producer has so many records under way, and sends when one is stored", P,
     LOAD_OPTION_COUNT, FIELD(in_flight_count), 0, 0, 0, 10000000},
    {"records", "-n", "N", "stop after so many records", P | C, LOAD_OPTION_BIG, FIELD(records_max), 0, 0, 0, 0},
    {"producers", NULL, "N", "producers of a topic, each with connections of its own", P | X, LOAD_OPTION_COUNT,
     FIELD(producers_count), 0, 0, 0, LOAD_CLIENTS_MAX},
    {"acks", NULL, "all|1|0", "what to wait for", P, LOAD_OPTION_ACKS, FIELD(acks)},
    {"idempotent", NULL, NULL, "number the batches (KIP-98); with acks=all this is the default", P, LOAD_OPTION_FLAG,
     FIELD(is_idempotent)},
    {"linger", NULL, "TIME", "how long a record may wait for others; bare: ms", P | X, LOAD_OPTION_TIME,
     FIELD(linger_ns), 0, NS_OF_MS, 0, 60e9},
    {"batch", NULL, "SIZE", "batch.size", P | X, LOAD_OPTION_SIZE, FIELD(batch_bytes), 0, 0, 1, 1 << 30},
    {"request-max", NULL, "SIZE", "max.request.size", P, LOAD_OPTION_SIZE, FIELD(request_max_bytes), 0, 0, 1000, 1 << 30},
    {"buffer", NULL, "SIZE", "buffer.memory of a producer", P, LOAD_OPTION_SIZE, FIELD(buffer_bytes), 0, 0, 1 << 16, 1e12},
    {"requests", NULL, "N", "max.in.flight.requests.per.connection", P, LOAD_OPTION_COUNT, FIELD(requests_max), 0, 0, 1, 5},
    {"request-timeout", NULL, "TIME", "request.timeout.ms; bare: ms", A, LOAD_OPTION_TIME, FIELD(request_timeout_ns), 0,
     NS_OF_MS, 1e6, 3600e9},
    {"delivery-timeout", NULL, "TIME", "delivery.timeout.ms; bare: ms", P | X, LOAD_OPTION_TIME,
     FIELD(delivery_timeout_ns), 0, NS_OF_MS, 1e6, 86400e9},
    {"churn", NULL, "RATE", "producers that are closed and made anew, a second", P, LOAD_OPTION_NUMBER,
     FIELD(churn_rate), 0, 0, 0, 10000},
    {"idle-connections", NULL, "N", "connections beside that do nothing", A, LOAD_OPTION_COUNT, FIELD(idle_count), 0, 0,
     0, 100000},

    {"subscriptions", NULL, "N", "how often each topic is read", C | X, LOAD_OPTION_COUNT, FIELD(subscriptions_count), 0, 0,
     0, 1000},
    {"consumers", NULL, "N", "consumers of a subscription", C | X | G, LOAD_OPTION_COUNT, FIELD(consumers_count), 0, 0, 1,
     LOAD_CLIENTS_MAX},
    {"group", NULL, NULL, "consumers are members of a group, which deals out the partitions", C, LOAD_OPTION_FLAG,
     FIELD(uses_groups)},
    {"isolation", NULL, "LEVEL", "read_uncommitted or read_committed", C, LOAD_OPTION_WORD, FIELD(isolation), 0, 0, 0, 0,
     isolation_words},
    {"from", NULL, "start|end", "where consumers begin in a topic that was there", C, LOAD_OPTION_WORD, FIELD(start), 0, 0,
     0, 0, start_words},
    {"lag", NULL, "N", "records that consumers stay behind", C, LOAD_OPTION_BIG, FIELD(lag_count), 0, 0, 0, 0},
    {"backlog", NULL, "SIZE", "write so much before consumers begin: cold reads", C, LOAD_OPTION_SIZE,
     FIELD(backlog_bytes), 0, 0, 0, 0},
    {"backlog-drain-ratio", NULL, "SHARE", "the backlog counts as read when so much of it was", C, LOAD_OPTION_SHARE,
     FIELD(backlog_drain_ratio), 0, 0, 0, 1},
    {"fetch-min", NULL, "SIZE", "fetch.min.bytes", C, LOAD_OPTION_SIZE, FIELD(fetch_min_bytes), 0, 0, 1, 1 << 30},
    {"fetch-max", NULL, "SIZE", "fetch.max.bytes", C, LOAD_OPTION_SIZE, FIELD(fetch_max_bytes), 0, 0, 1000, 1 << 30},
    {"fetch-partition", NULL, "SIZE", "max.partition.fetch.bytes", C, LOAD_OPTION_SIZE, FIELD(fetch_partition_bytes), 0, 0,
     1000, 1 << 30},
    {"fetch-wait", NULL, "TIME", "fetch.max.wait.ms; bare: ms", C, LOAD_OPTION_TIME, FIELD(fetch_wait_ns), 0, NS_OF_MS, 0,
     60e9},
    {"commit-interval", NULL, "TIME", "how often a group commits its offsets (0: never); bare: ms", C | G, LOAD_OPTION_TIME,
     FIELD(commit_interval_ns), 0, NS_OF_MS, 0, 3600e9},
    {"session-timeout", NULL, "TIME", "session.timeout.ms of members; bare: ms", C | G, LOAD_OPTION_TIME,
     FIELD(session_timeout_ns), 0, NS_OF_MS, 1e6, 3600e9},
    {"member-churn", NULL, "RATE", "members that leave and come again, a second", C | G, LOAD_OPTION_NUMBER,
     FIELD(member_churn_rate), 0, 0, 0, 1000},

    {"txn-records", NULL, "N", "records of a transaction (0: none)", X, LOAD_OPTION_COUNT, FIELD(transaction_records), 0, 0,
     0, 1000000},
    {"txn-partitions", NULL, "N", "partitions of a transaction", X, LOAD_OPTION_COUNT, FIELD(transaction_partitions), 0, 0,
     1, 10000},
    {"abort-share", NULL, "SHARE", "transactions that are aborted", X, LOAD_OPTION_SHARE, FIELD(abort_share), 0, 0, 0, 1},
    {"zombie-share", NULL, "SHARE", "transactions in which a second producer takes the id; the first must be fenced", X,
     LOAD_OPTION_SHARE, FIELD(zombie_share), 0, 0, 0, 1},
    {"pipeline", NULL, NULL, "read, process, write: a transaction holds what a group read, and its offsets", X,
     LOAD_OPTION_FLAG, FIELD(is_pipeline)},
    {"txn-timeout", NULL, "TIME", "transaction.timeout.ms; bare: ms", X, LOAD_OPTION_TIME, FIELD(transaction_timeout_ns), 0,
     NS_OF_MS, 1e6, 3600e9},
    {"txn-version-1", NULL, NULL, "speak the first version of the protocol, also where the second is there (KIP-890)", X,
     LOAD_OPTION_FLAG, FIELD(forces_version_1)},

    {"warmup", NULL, "TIME", "that runs and is not counted; bare: s", A, LOAD_OPTION_TIME, FIELD(warmup_ns), 0, NS_OF_S, 0,
     86400e9},
    {"duration", NULL, "TIME", "that is measured; bare: s", A, LOAD_OPTION_TIME, FIELD(duration_ns), 0, NS_OF_S, 1e6, 1e15},
    {"threads", NULL, "N", "threads of the tool", A, LOAD_OPTION_COUNT, FIELD(threads_count), 0, 0, 1, LOAD_THREADS_MAX},
    {"agents", NULL, "HOST:PORT,...", "let these agents (levee bench agent) run it together, each its part of the rate", A,
     LOAD_OPTION_TEXT, TEXT_FIELD(agents)},
    {"seed", NULL, "N", "of all chance", A, LOAD_OPTION_BIG, FIELD(seed), 0, 0, 0, 0},
    {"verify", NULL, NULL, "account for each record: lost, doubled, torn, aborted but visible, out of order, corrupt", A,
     LOAD_OPTION_FLAG, FIELD(verifies)},
    {"account-memory", NULL, "SIZE", "memory of that account", A, LOAD_OPTION_SIZE, FIELD(account_bytes), 0, 0, 1 << 20,
     1e12},
    {"state", NULL, "FILE", "keep the account there, over a restart of the tool", A, LOAD_OPTION_TEXT,
     TEXT_FIELD(state_file)},
    {"find-max", NULL, "pN=TIME", "search the highest rate that keeps an objective: p99=10ms", P | X, LOAD_OPTION_TEXT,
     TEXT_FIELD(find_text)},
    {"blocks", NULL, "N", "blocks of runs A B B A; six are the least that can show a difference", LOAD_OPTION_OF_COMPARE,
     LOAD_OPTION_COUNT, FIELD(blocks_count), 0, 0, 1, 64},
    {"durability-a", NULL, "TEXT", "when A makes a record safe, if it does not tell", LOAD_OPTION_OF_COMPARE,
     LOAD_OPTION_TEXT, TEXT_FIELD(durability_a)},
    {"durability-b", NULL, "TEXT", "the same of B", LOAD_OPTION_OF_COMPARE, LOAD_OPTION_TEXT, TEXT_FIELD(durability_b)},
    {"different-durability", NULL, NULL, "compare also what is safe at different moments; each line tells it",
     LOAD_OPTION_OF_COMPARE, LOAD_OPTION_FLAG, FIELD(allows_other_durability)},
    {"different-workload", NULL, NULL, "compare also files of different workloads or settings", LOAD_OPTION_OF_COMPARE,
     LOAD_OPTION_FLAG, FIELD(allows_other_workload)},
    {"format", NULL, "text|json", "form of the output", A, LOAD_OPTION_WORD, FIELD(is_json), 0, 0, 0, 0, format_words},
    {"json", NULL, "FILE", "write the result as JSON, in OpenMessaging Benchmark's fields", A, LOAD_OPTION_TEXT,
     TEXT_FIELD(json_file)},
    {"report", NULL, "FILE", "write an HTML report", A | LOAD_OPTION_OF_REPORT, LOAD_OPTION_TEXT, TEXT_FIELD(report_file)},
    {"csv", NULL, "FILE", "write what each second saw", A, LOAD_OPTION_TEXT, TEXT_FIELD(csv_file)},
    {"hlog", NULL, "FILE", "write the histograms (HdrHistogram's log)", A, LOAD_OPTION_TEXT, TEXT_FIELD(hlog_file)},
    {"limits", NULL, NULL, "measure the limits of disk and loopback too", A, LOAD_OPTION_FLAG, FIELD(wants_limits)},
    {"limits-dir", NULL, "DIR", "where the disk's limit is measured (the broker's directory, else .)", A, LOAD_OPTION_TEXT,
     TEXT_FIELD(limits_dir)},
    {"broker-pid", NULL, "PID", "the broker's process, when it runs here (0: who listens there)", A, LOAD_OPTION_COUNT,
     FIELD(broker_pid), 0, 0, 0, 1 << 30},
};
#undef T
#undef R
#undef P
#undef C
#undef X
#undef G
#undef A

/* OpenMessaging Benchmark's keys (Workload.java) that are not ours in camel case. */
static const struct {
    const char *key;
    const char *name;
    const char *suffix;
} aliases[] = {
    {"partitionsPerTopic", "partitions", ""},
    {"messageSize", "size", ""},
    {"keyDistributor", "keys", ""},
    {"randomBytesRatio", "random-ratio", ""},
    {"subscriptionsPerTopic", "subscriptions", ""},
    {"consumerPerSubscription", "consumers", ""},
    {"producersPerTopic", "producers", ""},
    {"producerRate", "rate", ""},
    {"consumerBacklogSizeGB", "backlog", "GiB"},
    {"testDurationMinutes", "duration", "m"},
    {"warmupDurationMinutes", "warmup", "m"},
    {"replicationFactor", "replicas", ""},
};
/* clang-format on */

const struct load_option *load_option_rows(size_t *count_out)
{
    *count_out = array_count(rows);
    return rows;
}

/* "txn-records" -> "txnRecords". */
static void camel(const char *name, char out[NAME_MAX_BYTES])
{
    size_t at = 0;

    for (; *name != '\0' && at + 1 < NAME_MAX_BYTES; name++)
        if (*name == '-' && name[1] != '\0')
            out[at++] = (char)toupper((unsigned char)*++name);
        else
            out[at++] = *name;
    out[at] = '\0';
}

const struct load_option *load_option_find(const char *name, size_t name_bytes, uint32_t of,
                                           const char **near)
{
    const char *names[array_count(rows)];
    char word[NAME_MAX_BYTES];
    size_t count = 0;

    if (near != NULL)
        *near = NULL;
    for (size_t i = 0; i < array_count(rows); i++) {
        if ((rows[i].of & of) == 0)
            continue;
        if (text_equal(name, name_bytes, rows[i].name))
            return &rows[i];
        names[count++] = rows[i].name;
    }
    snprintf(word, sizeof(word), "%.*s", (int)(name_bytes < 60 ? name_bytes : 60), name);
    if (near != NULL)
        *near = nearest_name(word, names, count);
    return NULL;
}

const struct load_option *load_option_find_key(const char *key, const char **suffix_out,
                                               const char **near)
{
    static _Thread_local char texts[array_count(rows)][NAME_MAX_BYTES];
    const char *names[NAMES_MAX];
    size_t count = 0;

    static_assert(array_count(rows) + array_count(aliases) <= NAMES_MAX, "names fit");
    *suffix_out = "";
    *near = NULL;
    for (size_t i = 0; i < array_count(aliases); i++) {
        if (strcmp(key, aliases[i].key) == 0) {
            *suffix_out = aliases[i].suffix;
            return load_option_find(aliases[i].name, strlen(aliases[i].name), LOAD_OPTION_OF_ALL,
                                    NULL);
        }
        names[count++] = aliases[i].key;
    }
    for (size_t i = 0; i < array_count(rows); i++) {
        camel(rows[i].name, texts[i]);
        if (strcmp(key, texts[i]) == 0 || strcmp(key, rows[i].name) == 0)
            return &rows[i];
        names[count++] = texts[i];
    }
    *near = nearest_name(key, names, count);
    return NULL;
}

/* ---- numbers */

static enum err parse_number(const char *text, double *out, const char **rest_out)
{
    char *end;

    if (!isdigit((unsigned char)text[0]) && text[0] != '.')
        return ERR_INVALID; /* no sign, no "inf" or "nan" */
    *out = strtod(text, &end);
    if (end == text || !isfinite(*out) || memchr(text, 'x', (size_t)(end - text)) != NULL)
        return ERR_INVALID;
    *rest_out = end;
    return OK;
}

static enum err scale(double *number, const char *rest, bool is_size)
{
    static const struct {
        const char *suffix;
        double factor;
    } factors[] = {{"", 1},        {"k", 1e3},        {"K", 1e3},           {"M", 1e6}, {"G", 1e9},
                   {"Ki", 1024.0}, {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"T", 1e12}};
    size_t size_bytes = strlen(rest);

    if (is_size && size_bytes > 0 && rest[size_bytes - 1] == 'B')
        size_bytes--;
    for (size_t i = 0; i < array_count(factors); i++)
        if (text_equal(rest, size_bytes, factors[i].suffix)) {
            *number *= factors[i].factor;
            return OK;
        }
    return ERR_INVALID;
}

enum err load_option_number(const char *text, double *out)
{
    const char *rest;
    enum err err = parse_number(text, out, &rest);

    return err == OK ? scale(out, rest, false) : err;
}

static enum err whole(double number, uint64_t *out)
{
    if (number > 9e18 || number != floor(number))
        return ERR_INVALID;
    *out = (uint64_t)number;
    return OK;
}

enum err load_option_size(const char *text, uint64_t *out)
{
    const char *rest;
    double number;
    enum err err = parse_number(text, &number, &rest);

    if (err == OK)
        err = scale(&number, rest, true);
    return err == OK ? whole(floor(number), out) : err;
}

enum err load_option_time(const char *text, uint64_t unit_ns, uint64_t *out)
{
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    const char *rest;
    double number;
    enum err err = parse_number(text, &number, &rest);

    if (err != OK)
        return err;
    if (*rest == '\0')
        return whole(floor(number * (double)unit_ns), out);
    for (size_t i = 0; i < array_count(units); i++)
        if (strcmp(rest, units[i].suffix) == 0)
            return whole(floor(number * units[i].ns), out);
    return ERR_INVALID;
}

/* ---- fields */

static const char *takes(enum load_option_kind kind)
{
    switch (kind) {
    case LOAD_OPTION_COUNT:
    case LOAD_OPTION_BIG:
        return "a number (10, 5k, 2M)";
    case LOAD_OPTION_SIZE:
        return "a size (1000, 16KiB, 1MB)";
    case LOAD_OPTION_TIME:
        return "a time (250us, 5ms, 60s, 2m)";
    case LOAD_OPTION_SHARE:
        return "a share (0.1, 10%)";
    case LOAD_OPTION_FLAG:
        return "true or false";
    case LOAD_OPTION_ACKS:
        return "all, 1 or 0";
    default:
        return "a number";
    }
}

static enum err read_value(const struct load_option *option, const char *text, double *out)
{
    uint64_t number = 0;
    enum err err;

    switch (option->kind) {
    case LOAD_OPTION_SIZE:
        err = load_option_size(text, &number);
        *out = (double)number;
        return err;
    case LOAD_OPTION_TIME:
        err = load_option_time(text, option->unit_ns, &number);
        *out = (double)number;
        return err;
    case LOAD_OPTION_SHARE: {
        size_t size_bytes = strlen(text);
        char share[32];
        if (size_bytes < 2 || text[size_bytes - 1] != '%' || size_bytes >= sizeof(share))
            return load_option_number(text, out);
        snprintf(share, sizeof(share), "%.*s", (int)(size_bytes - 1), text);
        err = load_option_number(share, out);
        *out /= 100;
        return err;
    }
    default:
        return load_option_number(text, out);
    }
}

static enum err set_number(struct load_workload *workload, const struct load_option *option,
                           const char *text, char *problem, size_t problem_max)
{
    char *field = (char *)workload + option->offset;
    double number = 0;
    enum err err = read_value(option, text, &number);
    bool is_whole = option->kind != LOAD_OPTION_NUMBER && option->kind != LOAD_OPTION_SHARE;

    if (err == OK && is_whole && number != floor(number))
        err = ERR_INVALID;
    if (err == OK && option->kind == LOAD_OPTION_COUNT && number > UINT32_MAX)
        err = ERR_INVALID;
    if (err != OK) {
        snprintf(problem, problem_max, "takes %s, not \"%s\"", takes(option->kind), text);
        return ERR_INVALID;
    }
    if (number < option->min || (option->max > 0 && number > option->max)) {
        if (option->kind == LOAD_OPTION_TIME)
            snprintf(problem, problem_max, "takes %gms to %gms, not \"%s\"", option->min / 1e6,
                     option->max / 1e6, text);
        else if (option->max > 0)
            snprintf(problem, problem_max, "takes %.15g to %.15g, not \"%s\"", option->min,
                     option->max, text);
        else
            snprintf(problem, problem_max, "takes %.15g or more, not \"%s\"", option->min, text);
        return ERR_INVALID;
    }
    if (option->kind == LOAD_OPTION_COUNT)
        *(uint32_t *)(void *)field = (uint32_t)number;
    else if (is_whole)
        *(uint64_t *)(void *)field = (uint64_t)number;
    else
        *(double *)(void *)field = number;
    return OK;
}

static enum err set_word(int32_t *field, const struct load_option *option, const char *text,
                         char *problem, size_t problem_max)
{
    size_t told = 0;

    for (int32_t i = 0; option->words[i] != NULL; i++)
        if (strcmp(text, option->words[i]) == 0) {
            *field = i;
            return OK;
        }
    told = (size_t)snprintf(problem, problem_max, "is ");
    for (int32_t i = 0; option->words[i] != NULL && told < problem_max; i++)
        told += (size_t)snprintf(problem + told, problem_max - told, "%s%s", i == 0 ? "" : " or ",
                                 option->words[i]);
    if (told < problem_max)
        snprintf(problem + told, problem_max - told, ", not \"%s\"", text);
    return ERR_INVALID;
}

enum err load_option_set(struct load_workload *workload, const struct load_option *option,
                         const char *text, char *problem, size_t problem_max)
{
    char *field = (char *)workload + option->offset;

    switch (option->kind) {
    case LOAD_OPTION_TEXT:
        if (strlen(text) >= option->size) {
            snprintf(problem, problem_max, "is longer than %zu bytes", option->size - 1);
            return ERR_INVALID;
        }
        memcpy(field, text, strlen(text) + 1);
        return OK;
    case LOAD_OPTION_FLAG:
        if (text_parse_bool(text, strlen(text), (bool *)(void *)field) == OK)
            return OK;
        snprintf(problem, problem_max, "is true or false, not \"%s\"", text);
        return ERR_INVALID;
    case LOAD_OPTION_ACKS: {
        int32_t *acks = (int32_t *)(void *)field;
        if (strcmp(text, "all") == 0 || strcmp(text, "-1") == 0)
            *acks = -1;
        else if (strcmp(text, "1") == 0 || strcmp(text, "0") == 0)
            *acks = text[0] - '0';
        else {
            snprintf(problem, problem_max, "is all, 1 or 0, not \"%s\"", text);
            return ERR_INVALID;
        }
        return OK;
    }
    case LOAD_OPTION_WORD:
        return set_word((int32_t *)(void *)field, option, text, problem, problem_max);
    default:
        return set_number(workload, option, text, problem, problem_max);
    }
}

enum err load_option_set_all(struct load_workload *workload, const char *settings, char *problem,
                             size_t problem_max)
{
    while (*settings != '\0') {
        size_t size_bytes = strcspn(settings, " ");
        const char *equals = memchr(settings, '=', size_bytes);
        const struct load_option *option;
        char value[LOAD_WORD_MAX];
        enum err err;
        check(equals != NULL && size_bytes < sizeof(value));
        option = load_option_find(settings, (size_t)(equals - settings), LOAD_OPTION_OF_ALL, NULL);
        check(option != NULL);
        snprintf(value, sizeof(value), "%.*s", (int)(size_bytes - 1 - (size_t)(equals - settings)),
                 equals + 1);
        err = load_option_set(workload, option, value, problem, problem_max);
        if (err != OK)
            return err;
        settings += size_bytes;
        settings += *settings == ' ';
    }
    return OK;
}

static void time_text(uint64_t ns, char *text, size_t text_max)
{
    static const struct {
        uint64_t ns;
        const char *suffix;
    } units[] = {{NS_OF_S, "s"}, {NS_OF_MS, "ms"}, {1000, "us"}, {1, "ns"}};

    for (size_t i = 0; i < array_count(units); i++)
        if (ns % units[i].ns == 0) {
            snprintf(text, text_max, "%" PRIu64 "%s", ns / units[i].ns, units[i].suffix);
            return;
        }
}

void load_option_get(const struct load_workload *workload, const struct load_option *option,
                     char *text, size_t text_max)
{
    const char *field = (const char *)workload + option->offset;

    switch (option->kind) {
    case LOAD_OPTION_TEXT:
        snprintf(text, text_max, "%s", field);
        return;
    case LOAD_OPTION_FLAG:
        snprintf(text, text_max, "%s", *(const bool *)field ? "true" : "false");
        return;
    case LOAD_OPTION_WORD:
        snprintf(text, text_max, "%s", option->words[*(const int32_t *)(const void *)field]);
        return;
    case LOAD_OPTION_ACKS: {
        int32_t acks = *(const int32_t *)(const void *)field;
        snprintf(text, text_max, "%s", acks < 0 ? "all" : acks == 0 ? "0" : "1");
        return;
    }
    case LOAD_OPTION_COUNT:
        snprintf(text, text_max, "%" PRIu32, *(const uint32_t *)(const void *)field);
        return;
    case LOAD_OPTION_NUMBER:
    case LOAD_OPTION_SHARE:
        snprintf(text, text_max, "%.15g", *(const double *)(const void *)field);
        return;
    case LOAD_OPTION_TIME:
        time_text(*(const uint64_t *)(const void *)field, text, text_max);
        return;
    default:
        snprintf(text, text_max, "%" PRIu64, *(const uint64_t *)(const void *)field);
    }
}
