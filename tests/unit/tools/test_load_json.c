#include "base/mem.h"
#include "tests/support/load_sample_run.h"
#include "tools/load/load_csv.h"
#include "tools/load/load_json.h"
#include "tools/load/load_perf_line.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <string.h>

static const struct load_sample_run a_run = {
    .seed = 3, .seconds = 30, .rate = 50000, .median_ms = 2, .cpus = 0.4, .has_findings = true};

static struct load_result *run_with_everything(void)
{
    struct load_result *result = load_sample_result(&a_run, "levee 0.1.0", "fsync before ack");

    histogram_record_n(&result->histograms[LOAD_HISTOGRAM_DELAY], 1500, 10);
    histogram_record(&result->histograms[LOAD_HISTOGRAM_COMMIT], HISTOGRAM_VALUE_MAX);
    load_result_error(result, "broker says \"%s\" \x01 \xff", "<NOT_LEADER>");
    load_result_setting(result, "key \"<&>", "caf\xc3\xa9 \xff");
    return result;
}

static struct load_result *there_and_back(const struct load_result *result)
{
    struct load_result *back;
    char *text;

    cr_assert(eq(int, load_json_text(result, &text), OK));
    cr_assert(eq(int, load_json_parse(text, strlen(text), &back), OK));
    mem_free(text);
    return back;
}

Test(load_json, what_is_read_back_is_what_was_written)
{
    struct load_result *result = run_with_everything();
    struct load_result *back = there_and_back(result);

    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++) {
        const struct histogram *a = &result->histograms[i], *b = &back->histograms[i];
        cr_assert(eq(int, memcmp(a->counts, b->counts, a->counts_count * sizeof(uint64_t)), 0));
        cr_assert(eq(u64, a->total_count, b->total_count));
        cr_assert(eq(u64, a->max, b->max));
        cr_assert(eq(u64, histogram_min(a), histogram_min(b)));
        cr_assert(eq(u64, a->sum, b->sum));
    }
    cr_assert(eq(u32, back->samples_count, result->samples_count));
    for (uint32_t i = 0; i < back->samples_count; i++) {
        struct load_sample *a = &result->samples[i], *b = &back->samples[i];
        cr_assert(lt(dbl, fabs(a->broker_cpu_s - b->broker_cpu_s), 1e-12));
        cr_assert(lt(dbl, fabs(a->client_cpu_s - b->client_cpu_s), 1e-12));
        b->broker_cpu_s = a->broker_cpu_s;
        b->client_cpu_s = a->client_cpu_s;
        cr_assert(eq(int, memcmp(a, b, sizeof(*a)), 0));
    }
    cr_assert(eq(str, back->workload, result->workload));
    cr_assert(eq(str, back->durability, result->durability));
    cr_assert(eq(u64, back->stored_count, result->stored_count));
    cr_assert(eq(u64, back->slot_ns, result->slot_ns));
    cr_assert(eq(int, back->is_open_loop, true));
    cr_assert(eq(u64, back->broker.flushes_count, result->broker.flushes_count));
    cr_assert(eq(str, back->broker.device, "vda"));
    cr_assert(eq(u64, back->limits.sync_p50_ns, 109000));
    cr_assert(eq(u32, back->verdict.findings_count, 3));
    cr_assert(eq(u64, back->verdict.counts[LOAD_LOST], 2));
    cr_assert(eq(int, back->verdict.findings[2].kind, LOAD_DOUBLED));
    cr_assert(eq(i64, back->verdict.findings[2].other_offset, 900));
    cr_assert(eq(int, back->verdict.is_exactly_once, false));
    cr_assert(eq(u32, back->settings_count, result->settings_count));
    cr_assert(eq(str, back->settings[3].key, "key \"<&>"));
    cr_assert(eq(str, back->settings[3].value, "caf\xc3\xa9 \xef\xbf\xbd"));
    cr_assert(eq(str, back->errors[0], "broker says \"<NOT_LEADER>\" \x01 \xef\xbf\xbd"));
    load_result_destroy(result);
    load_result_destroy(back);
    cr_assert(eq(u64, mem_used_count(), 0));
}

/* The fields that OpenMessaging Benchmark's chart script takes, in its units. */
Test(load_json, open_messaging_finds_its_fields)
{
    static const char *const arrays[] = {
        "publishRate",
        "publishErrorRate",
        "consumeRate",
        "backlog",
        "publishLatencyAvg",
        "publishLatency50pct",
        "publishLatency75pct",
        "publishLatency95pct",
        "publishLatency99pct",
        "publishLatency999pct",
        "publishLatency9999pct",
        "publishLatencyMax",
        "publishDelayLatencyAvg",
        "publishDelayLatency99pct",
        "publishDelayLatencyMax",
        "endToEndLatencyAvg",
        "endToEndLatency95pct",
        "endToEndLatency99pct",
        "endToEndLatencyMax",
    };
    static const char *const maps[] = {"aggregatedPublishLatencyQuantiles",
                                       "aggregatedPublishDelayLatencyQuantiles",
                                       "aggregatedEndToEndLatencyQuantiles"};
    struct load_result *result = run_with_everything();
    char *text;
    json_t *all;

    cr_assert(eq(int, load_json_text(result, &text), OK));
    all = json_loads(text, 0, NULL);
    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        cr_assert(eq(sz, json_array_size(json_object_get(all, arrays[i])), 30), "%s", arrays[i]);
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
        cr_assert(ge(sz, json_object_size(json_object_get(all, maps[i])), 2), "%s", maps[i]);
    cr_assert(
        eq(int, strcmp(json_string_value(json_object_get(all, "workload")), result->workload), 0));
    cr_assert(eq(i64, json_integer_value(json_object_get(all, "messageSize")), 1024));
    cr_assert(eq(i64, json_integer_value(json_object_get(all, "producersPerTopic")), 4));
    cr_assert(lt(dbl,
                 fabs(json_real_value(json_object_get(all, "aggregatedPublishLatency50pct")) - 2.0),
                 0.1)); /* milliseconds */
    cr_assert(eq(i64, json_integer_value(json_object_get(all, "aggregatedPublishDelayLatencyMax")),
                 2)); /* microseconds, whole */
    json_decref(all);
    mem_free(text);
    load_result_destroy(result);
}

Test(load_json, a_run_without_samples_has_one_point)
{
    struct load_result *result;
    char *text;
    json_t *all;

    cr_assert(eq(int, load_result_create(&result), OK));
    cr_assert(eq(int, load_json_text(result, &text), OK));
    all = json_loads(text, 0, NULL);
    cr_assert(eq(sz, json_array_size(json_object_get(all, "publishRate")), 1));
    json_decref(all);
    mem_free(text);
    load_result_destroy(there_and_back(result));
    load_result_destroy(result);
    cr_assert(eq(u64, mem_used_count(), 0));
}

Test(load_json, what_is_not_ours_is_refused)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"levee\":7}",
        "{\"levee\":{\"topics_count\":4294967296}}",
        "{\"levee\":{\"stored_count\":-1}}",
        "{\"levee\":{\"stored_count\":\"x\"}}",
        "{\"levee\":{\"samples\":{\"at_ns\":[1,2],\"stored_count\":[1]}}}",
        "{\"levee\":{\"histograms\":{\"e2e\":{\"digits\":3,\"count\":2,\"sum\":1,\"min\":1,\"max\":"
        "1,"
        "\"counts\":[[1,1]]}}}}",
        "{\"levee\":{\"histograms\":{\"e2e\":{\"digits\":2,\"count\":1,\"sum\":1,\"min\":1,\"max\":"
        "1,"
        "\"counts\":[[1,1]]}}}}",
        "{\"levee\":{\"is_verified\":true,\"verdict\":{\"findings\":[{\"kind\":\"none\"}]}}}",
    };
    struct load_result *back = NULL;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_assert(eq(int, load_json_parse(texts[i], strlen(texts[i]), &back), ERR_MALFORMED), "%s",
                  texts[i]);
    cr_assert(eq(u64, mem_used_count(), 0));
}

Test(load_json, the_file_is_replaced_as_a_whole)
{
    struct load_result *result = run_with_everything();
    struct load_result *back;
    char path[] = "/tmp/levee-load-json-XXXXXX";
    int fd = mkstemp(path);

    cr_assert(ge(int, fd, 0));
    cr_assert(eq(int, load_json_write(result, path), OK));
    cr_assert(eq(int, load_json_read(path, &back), OK));
    cr_assert(eq(u64, back->read_count, result->read_count));
    cr_assert(eq(int, load_json_write(result, "/nonexistent/x.json"), ERR_NOT_FOUND));
    remove(path);
    cr_assert(eq(int, load_json_read(path, &back), ERR_NOT_FOUND));
    load_result_destroy(result);
    load_result_destroy(back);
}

/* Kafka's format: "%d records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, ..." */
Test(load_json, the_last_line_is_that_of_kafka_producer_perf_test)
{
    struct load_result *result;
    char line[LOAD_PERF_LINE_BYTES];

    cr_assert(eq(int, load_result_create(&result), OK));
    result->stored_count = 1000;
    result->stored_bytes = 1024 * 1000;
    result->duration_ns = 2000000000;
    histogram_record_n(&result->histograms[LOAD_HISTOGRAM_PRODUCE], 2000000, 990);
    histogram_record_n(&result->histograms[LOAD_HISTOGRAM_PRODUCE], 40000000, 10);
    load_perf_line(result, line);
    cr_assert(eq(str, line,
                 "1000 records sent, 500.000000 records/sec (0.49 MB/sec), 2.38 ms avg latency, "
                 "40.00 ms max latency, 2 ms 50th, 2 ms 95th, 2 ms 99th, 40 ms 99.9th."));
    load_result_destroy(result);
}

Test(load_json, csv_has_a_line_a_sample_and_as_many_columns_in_each)
{
    struct load_result *result = run_with_everything();
    FILE *file = tmpfile();
    char line[1024];
    int lines = 0, columns = -1;

    result->samples[3].broker_cpu_s = -1;
    result->samples[3].e2e = (struct load_latency){0};
    cr_assert(eq(int, load_csv_print(result, file), OK));
    rewind(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        int commas = 0;
        for (const char *at = line; *at != '\0'; at++)
            commas += *at == ',';
        columns = columns < 0 ? commas : columns;
        cr_assert(eq(int, commas, columns), "%s", line);
        cr_assert(eq(int, strcmp(line + strlen(line) - 2, "\r\n"), 0));
        lines++;
    }
    cr_assert(eq(int, lines, 31));
    fclose(file);
    load_result_destroy(result);
}
