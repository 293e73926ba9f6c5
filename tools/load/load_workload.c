#include "tools/load/load_workload.h"

#include "base/text.h"
#include "tools/load/load_option.h"
#include "tools/load/load_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_OF_MS UINT64_C(1000000)
#define NS_OF_S UINT64_C(1000000000)

void load_workload_defaults(struct load_workload *workload)
{
    *workload = (struct load_workload){
        .name = "custom",
        .brokers = "127.0.0.1:9092",
        .timeout_ns = 30 * NS_OF_S,
        .topics_count = 1,
        .partitions_count = 16,
        .size_text = "1KiB",
        .random_ratio = 1.0,
        .key_text = "none",
        .keys_count = 1000000,
        .key_bytes = 16,
        .codec_text = "none",
        .header_bytes = 16,
        .producers_count = 1,
        .rate_text = "10k",
        .acks = -1,
        .is_idempotent = true,
        .linger_ns = 5 * NS_OF_MS,
        .batch_bytes = 16 << 10,
        .request_max_bytes = 1 << 20,
        .buffer_bytes = 32 << 20,
        .requests_max = 5,
        .request_timeout_ns = 30 * NS_OF_S,
        .delivery_timeout_ns = 120 * NS_OF_S,
        .consumers_count = 1,
        .backlog_drain_ratio = 1.0,
        .fetch_min_bytes = 1,
        .fetch_max_bytes = 50 << 20,
        .fetch_partition_bytes = 1 << 20,
        .fetch_wait_ns = 500 * NS_OF_MS,
        .commit_interval_ns = 5 * NS_OF_S,
        .session_timeout_ns = 45 * NS_OF_S,
        .transaction_partitions = 1,
        .transaction_timeout_ns = 60 * NS_OF_S,
        .warmup_ns = 5 * NS_OF_S,
        .duration_ns = 60 * NS_OF_S,
        .threads_count = 1,
        .seed = 1,
        .account_bytes = UINT64_C(1) << 30,
        .blocks_count = 6,
        .limits_dir = ".",
    };
}

static enum err fail(char *problem, size_t problem_max, const char *text)
{
    snprintf(problem, problem_max, "%s", text);
    return ERR_INVALID;
}

/* ---- codecs: lz4, none:3,zstd:1 */

static enum err parse_codecs(struct load_workload *workload, char *problem, size_t problem_max)
{
    const char *text = workload->codec_text;

    workload->codecs_count = 0;
    do {
        size_t size_bytes = strcspn(text, ",");
        size_t name_bytes = strcspn(text, ",:");
        struct load_codec *codec = &workload->codecs[workload->codecs_count];
        int64_t weight = 1;
        int found = 0;
        if (workload->codecs_count == LOAD_CODECS_MAX)
            return fail(problem, problem_max, "--compression: more than 8 codecs");
        while (found < COMPRESSION_COUNT &&
               !text_equal(text, name_bytes, compression_name((enum compression)found)))
            found++;
        if (name_bytes < size_bytes &&
            text_parse_i64(text + name_bytes + 1, size_bytes - name_bytes - 1, 0, 1000000,
                           &weight) != OK)
            found = COMPRESSION_COUNT;
        if (found == COMPRESSION_COUNT) {
            snprintf(problem, problem_max,
                     "--compression is none, gzip, snappy, lz4, zstd, or several with weights "
                     "(lz4:3,none:1), not \"%s\"",
                     workload->codec_text);
            return ERR_INVALID;
        }
        *codec = (struct load_codec){(enum compression)found, (uint32_t)weight};
        workload->codecs_count++;
        text += size_bytes;
    } while (*text++ == ',');
    for (uint32_t i = 0; i < workload->codecs_count; i++)
        if (workload->codecs[i].weight > 0)
            return OK;
    return fail(problem, problem_max, "--compression: every weight is 0");
}

enum compression load_workload_codec(const struct load_workload *workload, uint32_t number)
{
    uint64_t total = 0;
    uint64_t at;

    for (uint32_t i = 0; i < workload->codecs_count; i++)
        total += workload->codecs[i].weight;
    at = number % total;
    for (uint32_t i = 0; i < workload->codecs_count; i++) {
        if (at < workload->codecs[i].weight)
            return workload->codecs[i].codec;
        at -= workload->codecs[i].weight;
    }
    return COMPRESSION_NONE; /* not reached: at < total */
}

uint64_t load_workload_record_bytes(const struct load_workload *workload)
{
    return (uint64_t)workload->size.mean_bytes +
           (workload->keys.kind == LOAD_KEYS_NONE ? 0 : workload->key_bytes);
}

uint32_t load_workload_shares(const struct load_workload *workload)
{
    uint32_t total = workload->topics_count * workload->producers_count;
    uint32_t shares = total < workload->threads_count ? total : workload->threads_count;

    return shares == 0 ? 1 : shares;
}

uint64_t load_workload_things(const struct load_workload *workload)
{
    uint64_t each = workload->transaction_records > 0 && !workload->is_pipeline
                        ? workload->transaction_records
                        : 1;

    if (workload->records_max == 0)
        return UINT64_MAX;
    return workload->records_max / each + (workload->records_max % each > 0 ? 1 : 0);
}

void load_workload_deinit(struct load_workload *workload)
{
    load_size_deinit(&workload->size);
}

/* ---- the objective: p99=10ms */

static enum err parse_objective(struct load_workload *workload, char *problem, size_t problem_max)
{
    const char *text = workload->find_text;
    const char *equals = strchr(text, '=');
    char percent[32];

    if (*text == '\0')
        return OK;
    if (text[0] == 'p' && equals != NULL && (size_t)(equals - text) <= sizeof(percent)) {
        snprintf(percent, sizeof(percent), "%.*s", (int)(equals - text - 1), text + 1);
        if (load_option_number(percent, &workload->find_percent) == OK &&
            workload->find_percent > 0 && workload->find_percent <= 100 &&
            load_option_time(equals + 1, NS_OF_MS, &workload->find_ns) == OK &&
            workload->find_ns > 0)
            return OK;
    }
    snprintf(problem, problem_max, "--find-max takes an objective as p99=10ms, not \"%s\"", text);
    return ERR_INVALID;
}

/* ---- do the parts agree? */

static enum err check_producing(const struct load_workload *workload, char *problem,
                                size_t problem_max)
{
    if (workload->topic[0] != '\0' && strlen(workload->topic) > 200)
        return fail(problem, problem_max, "--topic: a name has at most 200 bytes here");
    if (workload->in_flight_count > 0 && workload->is_open_loop)
        return fail(problem, problem_max,
                    "--in-flight (closed loop) and --rate (open loop) exclude each other; "
                    "--rate max is a closed loop");
    if (workload->find_text[0] != '\0' && !workload->is_open_loop)
        return fail(problem, problem_max,
                    "--find-max begins at a rate: --rate 1k (it is open loop)");
    if (workload->find_text[0] != '\0' && workload->pacing.shape != PACER_CONSTANT)
        return fail(problem, problem_max, "--find-max needs a constant --rate to begin with");
    if (workload->request_max_bytes < workload->size.max_bytes)
        return fail(problem, problem_max, "--request-max is below --size");
    if (workload->buffer_bytes < workload->batch_bytes ||
        workload->buffer_bytes < workload->size.max_bytes)
        return fail(problem, problem_max, "--buffer is below --batch or --size");
    if (workload->churn_rate > 0 && workload->transaction_records > 0)
        return fail(problem, problem_max, "--churn does not go with transactions");
    if ((uint64_t)workload->topics_count * workload->producers_count > LOAD_CLIENTS_MAX)
        return fail(problem, problem_max, "more than 10000 producers");
    if ((uint64_t)workload->topics_count * workload->subscriptions_count *
            workload->consumers_count >
        LOAD_CLIENTS_MAX)
        return fail(problem, problem_max, "more than 10000 consumers");
    if (workload->producers_count == 0 && workload->subscriptions_count == 0)
        return fail(problem, problem_max, "neither producers nor consumers");
    if (workload->producers_count == 0 && workload->topic[0] == '\0')
        return fail(problem, problem_max,
                    "there is nothing to read without producers: name a topic by --topic");
    return OK;
}

static enum err check_transactions(const struct load_workload *workload, char *problem,
                                   size_t problem_max)
{
    if (workload->is_pipeline && workload->transaction_records == 0)
        return fail(problem, problem_max, "--pipeline needs --txn-records");
    if (workload->transaction_records == 0)
        return OK;
    if (workload->is_pipeline && workload->buffer_bytes < 4 * workload->fetch_partition_bytes)
        return fail(problem, problem_max, "--pipeline needs a --buffer of four --fetch-partition");
    if (workload->is_pipeline && workload->zombie_share > 0)
        return fail(problem, problem_max, "--zombie-share does not go with --pipeline");
    if (workload->acks != -1)
        return fail(problem, problem_max, "transactions need --acks all");
    if (workload->in_flight_count > 0)
        return fail(problem, problem_max,
                    "--in-flight does not go with transactions: a producer has one open");
    if (workload->transaction_partitions > workload->partitions_count)
        return fail(problem, problem_max, "--txn-partitions is above --partitions");
    if (workload->transaction_records < workload->transaction_partitions && !workload->is_pipeline)
        return fail(problem, problem_max, "--txn-records is below --txn-partitions");
    return OK;
}

static enum err check_verify(const struct load_workload *workload, char *problem,
                             size_t problem_max)
{
    if (!workload->verifies)
        return workload->state_file[0] == '\0'
                   ? OK
                   : fail(problem, problem_max, "--state keeps the account of --verify");
    if (workload->size.min_bytes < LOAD_STAMP_BYTES)
        return fail(problem, problem_max,
                    "--verify puts 64 bytes into each record: --size of at least 64");
    if (workload->state_file[0] != '\0' && workload->topic[0] == '\0')
        return fail(problem, problem_max, "--state is of a topic that stays: name it by --topic");
    if (workload->acks == 0)
        return fail(problem, problem_max,
                    "--verify needs to know what was stored: --acks all or 1");
    if (workload->producers_count == 0)
        return fail(problem, problem_max,
                    "--verify accounts for what this run writes; `levee verify` looks at a topic");
    return OK;
}

enum err load_workload_check(struct load_workload *workload, char *problem, size_t problem_max)
{
    enum err err = load_shape_rate(workload, problem, problem_max);

    if (err == OK)
        err = load_shape_size(workload, problem, problem_max);
    if (err == OK)
        err = load_shape_keys(workload, problem, problem_max);
    if (err == OK)
        err = parse_codecs(workload, problem, problem_max);
    if (err == OK)
        err = parse_objective(workload, problem, problem_max);
    if (err != OK)
        return err;
    if (workload->acks != -1)
        workload->is_idempotent = false;
    if (workload->verifies && workload->subscriptions_count == 0)
        workload->subscriptions_count = 1; /* who verifies reads */
    if (workload->transaction_records > 0 && workload->subscriptions_count > 0 &&
        workload->verifies)
        workload->isolation = LOAD_READ_COMMITTED;
    workload->is_stamped =
        workload->verifies || (workload->producers_count > 0 && workload->subscriptions_count > 0 &&
                               workload->size.min_bytes >= LOAD_STAMP_BYTES);
    err = check_producing(workload, problem, problem_max);
    if (err == OK)
        err = check_transactions(workload, problem, problem_max);
    return err == OK ? check_verify(workload, problem, problem_max) : err;
}
