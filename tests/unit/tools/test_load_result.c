#include "base/mem.h"
#include "base/prng.h"
#include "tools/load/load_find.h"
#include "tools/load/load_metric.h"
#include "tools/load/load_perf_line.h"
#include "tools/load/load_result.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ULL

static struct load_sample sample_at(uint64_t at_ns, uint64_t interval_ns, uint64_t stored)
{
    return (struct load_sample){
        .at_ns = at_ns,
        .interval_ns = interval_ns,
        .stored_count = stored,
        .lag_count = stored,
        .produce = {.count = stored, .mean_ns = 1000, .p99_ns = stored * 10, .max_ns = stored * 20},
        .broker_cpu_s = -1,
        .client_cpu_s = 0.5,
    };
}

static uint64_t stored_in(const struct load_result *result)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < result->samples_count; i++)
        count += result->samples[i].stored_count;
    return count;
}

Test(load_result, samples_beyond_the_limit_are_merged_and_none_is_lost)
{
    struct load_result *result;
    uint64_t expected = 0;
    uint64_t last_ns = 0;

    cr_assert(eq(int, load_result_create(&result), OK));
    for (uint64_t i = 1; i <= 3 * LOAD_SAMPLES_MAX + 5; i++) {
        struct load_sample sample = sample_at(i * SECOND, SECOND, i % 97);
        expected += i % 97;
        cr_assert(eq(int, load_result_sample(result, &sample), OK));
        cr_assert(le(u32, result->samples_count, LOAD_SAMPLES_MAX));
    }
    cr_assert(eq(u64, stored_in(result), expected));
    cr_assert(eq(u64, result->slot_ns, 4 * SECOND));
    for (uint32_t i = 0; i < result->samples_count; i++) {
        cr_assert(lt(u64, last_ns, result->samples[i].at_ns));
        cr_assert(eq(u64, result->samples[i].at_ns - last_ns, result->samples[i].interval_ns));
        cr_assert(eq(dbl, result->samples[i].broker_cpu_s, -1.0)); /* not known stays so */
        last_ns = result->samples[i].at_ns;
    }
    cr_assert(eq(u64, last_ns, (3 * LOAD_SAMPLES_MAX + 5) * SECOND));
    load_result_destroy(result);
    cr_assert(eq(u64, mem_used_count(), 0));
}

/* Two that saw half each say what one says that saw all. */
Test(load_result, merged_histograms_are_those_of_one_that_saw_everything)
{
    struct load_result *whole;
    struct load_result *half[2];
    struct prng prng;

    prng_init(&prng, 7);
    cr_assert(eq(int, load_result_create(&whole), OK));
    for (int i = 0; i < 2; i++)
        cr_assert(eq(int, load_result_create(&half[i]), OK));
    for (int i = 0; i < 20000; i++) {
        uint64_t value = prng_u64(&prng) >> (24 + prng_u64(&prng) % 40);
        struct load_result *one = half[value % 2];
        histogram_record(&whole->histograms[LOAD_HISTOGRAM_E2E], value);
        histogram_record(&one->histograms[LOAD_HISTOGRAM_E2E], value);
        one->stored_count++;
        whole->stored_count++;
    }
    cr_assert(eq(int, load_result_merge(half[0], half[1]), OK));
    cr_assert(eq(int,
                 memcmp(half[0]->histograms[LOAD_HISTOGRAM_E2E].counts,
                        whole->histograms[LOAD_HISTOGRAM_E2E].counts,
                        whole->histograms[LOAD_HISTOGRAM_E2E].counts_count * sizeof(uint64_t)),
                 0));
    cr_assert(eq(u64, half[0]->histograms[LOAD_HISTOGRAM_E2E].sum,
                 whole->histograms[LOAD_HISTOGRAM_E2E].sum));
    cr_assert(eq(u64, half[0]->stored_count, whole->stored_count));
    load_result_destroy(whole);
    load_result_destroy(half[0]);
    load_result_destroy(half[1]);
}

Test(load_result, samples_of_two_are_laid_over_each_other_by_their_time)
{
    struct load_result *into;
    struct load_result *from;

    cr_assert(eq(int, load_result_create(&into), OK));
    cr_assert(eq(int, load_result_create(&from), OK));
    /* one by the second with jitter, one already by two seconds and longer */
    for (uint64_t i = 1; i <= 9; i++) {
        struct load_sample sample = sample_at(i * SECOND + (i % 3) * 20000000, SECOND, 10);
        cr_assert(eq(int, load_result_sample(into, &sample), OK));
    }
    for (uint64_t i = 1; i <= 6; i++) {
        struct load_sample sample = sample_at(2 * i * SECOND, 2 * SECOND, 100 * i);
        sample.broker_cpu_s = 0.25;
        cr_assert(eq(int, load_result_sample(from, &sample), OK));
    }
    cr_assert(eq(int, load_result_merge(into, from), OK));
    cr_assert(eq(u64, stored_in(into), 90 + 2100));
    cr_assert(eq(u64, into->slot_ns, 2 * SECOND));
    cr_assert(eq(u32, into->samples_count, 6));
    cr_assert(eq(u64, into->samples[0].stored_count, 120));
    cr_assert(eq(u64, into->samples[0].lag_count, 110));
    cr_assert(eq(u64, into->samples[0].produce.p99_ns, 1000)); /* not below any of its parts */
    cr_assert(eq(u64, into->samples[5].stored_count, 600));
    cr_assert(eq(dbl, into->samples[0].broker_cpu_s, 0.25));
    load_result_destroy(into);
    load_result_destroy(from);
    cr_assert(eq(u64, mem_used_count(), 0));
}

/* What a broker stored after the schedule was over counts, but is no part of a rate. */
Test(load_result, a_rate_is_what_samples_saw)
{
    struct load_result *result;
    struct load_sample sample = sample_at(SECOND, SECOND, 100);

    cr_assert(eq(int, load_result_create(&result), OK));
    result->stored_count = 1000;
    result->duration_ns = 2 * SECOND;
    cr_assert(eq(dbl, load_result_stored_rate(result), 500.0));
    cr_assert(eq(int, load_result_sample(result, &sample), OK));
    cr_assert(eq(dbl, load_result_stored_rate(result), 100.0));
    load_result_destroy(result);
}

Test(load_result, a_merge_that_finds_no_memory_changes_nothing)
{
    struct load_result *into;
    struct load_result *from;
    struct load_sample sample = sample_at(SECOND, SECOND, 10);

    cr_assert(eq(int, load_result_create(&into), OK));
    cr_assert(eq(int, load_result_create(&from), OK));
    cr_assert(eq(int, load_result_sample(into, &sample), OK));
    cr_assert(eq(int, load_result_sample(from, &sample), OK));
    from->stored_count = 10;
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, load_result_merge(into, from), ERR_NOMEM));
        cr_assert(eq(u64, into->stored_count, 0));
        cr_assert(eq(u64, stored_in(into), 10));
    }
    mem_fail_after(0);
    load_result_destroy(into);
    load_result_destroy(from);
}

/* A schedule of 400,000 a second for 4 s: the broker stored 100,000 a second, the rest behind it.
 */
Test(load_result, what_was_stored_after_the_schedule_is_in_no_rate)
{
    struct load_result *result;
    char line[LOAD_PERF_LINE_BYTES];

    cr_assert(eq(int, load_result_create(&result), OK));
    result->duration_ns = 4 * SECOND;
    result->stored_count = 1600000;
    result->stored_bytes = 1600000ULL * 1024;
    for (uint64_t i = 1; i <= 4; i++) {
        struct load_sample sample = sample_at(i * SECOND, SECOND, 100000);
        cr_assert(eq(int, load_result_sample(result, &sample), OK));
    }
    cr_assert(eq(dbl, load_result_stored_bytes_rate(result), 102400000.0));
    load_perf_line(result, line);
    cr_assert(ne(ptr,
                 strstr(line, "1600000 records sent, 100000.000000 records/sec (97.66 MB/sec)"),
                 NULL),
              "%s", line);
    load_result_destroy(result);
}

Test(load_result, what_the_broker_used_is_over_what_it_did_in_the_same_time)
{
    struct load_result *result;

    cr_assert(eq(int, load_result_create(&result), OK));
    result->duration_ns = 4 * SECOND;
    result->stored_count = 1600000; /* most of it behind the schedule */
    result->stored_bytes = 1600000ULL * 1024;
    result->transactions_count = 4000;
    result->broker = (struct load_broker_use){.is_known = true,
                                              .cpu_s = 2,
                                              .written_bytes = 800000ULL * 1024,
                                              .flushes_count = 400,
                                              .device = "vda"};
    for (uint64_t i = 1; i <= 4; i++) {
        struct load_sample sample = sample_at(i * SECOND, SECOND, 100000);
        sample.stored_bytes = 100000 * 1024;
        sample.read_bytes = 0;
        sample.transactions_count = 250;
        cr_assert(eq(int, load_result_sample(result, &sample), OK));
    }
    cr_assert(eq(dbl, load_metric_of(LOAD_METRIC_TRANSACTIONS_RATE, result), 250.0));
    cr_assert(eq(dbl, load_metric_of(LOAD_METRIC_CPU, result), 2 * 1e9 / (400000.0 * 1024)));
    cr_assert(eq(dbl, load_metric_of(LOAD_METRIC_WRITTEN, result), 2.0));
    cr_assert(eq(dbl, load_metric_of(LOAD_METRIC_FLUSHES, result), 1.0));
    load_result_destroy(result);
}

Test(load_result, a_rate_that_loses_records_keeps_no_objective)
{
    struct load_workload workload = {.find_percent = 99, .find_ns = SECOND};
    struct load_result *result;

    cr_assert(eq(int, load_result_create(&result), OK));
    histogram_record(&result->histograms[LOAD_HISTOGRAM_PRODUCE], 1000);
    cr_assert(load_find_is_kept(&workload, result));
    result->is_verified = true;
    cr_assert(not(load_find_is_kept(&workload, result)));
    result->verdict.is_exactly_once = true;
    cr_assert(load_find_is_kept(&workload, result));
    load_result_destroy(result);
}

Test(load_result, lines_are_kept_by_key_and_errors_once)
{
    struct load_result *result;

    cr_assert(eq(int, load_result_create(&result), OK));
    load_result_setting(result, "acks", "%d", 1);
    load_result_setting(result, "acks", "%s", "all");
    for (int i = 0; i < 100; i++) {
        load_result_environment(result, "kernel", "%d", i);
        load_result_setting(result, "linger.ms", "%d", i);
        load_result_error(result, "error %d", i % 20);
    }
    cr_assert(eq(u32, result->settings_count, 2));
    cr_assert(eq(str, result->settings[0].value, "all"));
    cr_assert(eq(u32, result->environment_count, 1));
    cr_assert(eq(u32, result->errors_count, 8));
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key %d", i);
        load_result_setting(result, key, "x");
    }
    cr_assert(eq(u32, result->settings_count, LOAD_LINES_MAX));
    load_result_destroy(result);
}
