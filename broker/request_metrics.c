#include "broker/request_metrics.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/metric_family.h"
#include "net/protocol/api.h"
#include "net/protocol/codec_errors.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <stdio.h>
#include <string.h>

enum { VERSIONS_MAX = 32, ERRORS_MAX = 256, LABEL_BYTES = 160 };

struct api_metrics {
    const struct api_desc *api;
    struct codec_errors *errors;
    struct gauge in_work;
    struct counter by_version[VERSIONS_MAX];
    struct counter by_error[ERRORS_MAX]; /* code + 1; what has no place counts as the last */
    struct histogram phases[REQUEST_PHASE_COUNT]; /* microseconds */
};

/* ---- counting, on the loop */

static void destroy_api(struct api_metrics *api)
{
    if (api == NULL)
        return;
    for (int phase = 0; phase < REQUEST_PHASE_COUNT; phase++)
        histogram_deinit(&api->phases[phase]);
    codec_errors_destroy(api->errors);
    mem_free(api);
}

static struct api_metrics *create_api(const struct api_desc *desc)
{
    struct api_metrics *api = mem_try_alloc(sizeof(*api));
    enum err err = OK;

    if (api == NULL)
        return NULL;
    api->api = desc;
    for (int phase = 0; phase < REQUEST_PHASE_COUNT && err == OK; phase++)
        err = histogram_init(&api->phases[phase], 1);
    if (err == OK)
        err = codec_errors_create(desc->response, &api->errors);
    if (err == OK)
        return api;
    destroy_api(api);
    return NULL;
}

struct api_metrics *request_metrics_begin(struct request_metrics *metrics,
                                          const struct api_desc *api)
{
    struct api_metrics **place;

    if (api->key < 0 || api->key >= REQUEST_KEYS_MAX)
        return NULL;
    place = &metrics->apis[api->key];
    if (*place == NULL)
        __atomic_store_n(place, create_api(api), __ATOMIC_RELEASE);
    if (*place != NULL)
        gauge_add(&(*place)->in_work, 1);
    return *place;
}

static void count_error(void *context, int16_t error_code)
{
    struct api_metrics *api = context;
    int32_t index = error_code + 1;

    counter_add(&api->by_error[index < 0 || index >= ERRORS_MAX ? ERRORS_MAX - 1 : index], 1);
}

void request_metrics_answered(struct api_metrics *api, int16_t version, const void *response,
                              bool closed)
{
    gauge_add(&api->in_work, -1);
    if (closed)
        return;
    counter_add(&api->by_version[version < 0 || version >= VERSIONS_MAX ? 0 : version], 1);
    if (response != NULL)
        codec_errors_each(api->errors, version, response, count_error, api);
}

void request_metrics_took(struct api_metrics *api, enum request_phase phase, uint64_t took_ns)
{
    histogram_record(&api->phases[phase], took_ns / 1000);
}

void request_metrics_deinit(struct request_metrics *metrics)
{
    for (int key = 0; key < REQUEST_KEYS_MAX; key++)
        destroy_api(metrics->apis[key]);
    *metrics = (struct request_metrics){0};
}

/* ---- telling, on the thread that scrapes */

static void add_label(char label[LABEL_BYTES], const char *key, const char *value)
{
    enum err err = metrics_label(label, LABEL_BYTES, key, value, strlen(value));

    check(err == OK); /* names of ours and of Kafka's */
}

static void tell_counts(const struct api_metrics *api, struct metrics_scrape *scrape)
{
    for (int version = 0; version < VERSIONS_MAX; version++) {
        uint64_t count = counter_read(&api->by_version[version]);
        char label[LABEL_BYTES] = "";
        char number[16];
        if (count == 0)
            continue;
        snprintf(number, sizeof(number), "%d", version);
        add_label(label, "request", api->api->name);
        add_label(label, "version", number);
        metrics_sample(scrape, metric_family(FAMILY_REQUESTS), label, (double)count);
    }
    for (int index = 0; index < ERRORS_MAX; index++) {
        uint64_t count = counter_read(&api->by_error[index]);
        char label[LABEL_BYTES] = "";
        const char *name;
        if (count == 0)
            continue;
        name = kafka_error_name((int16_t)(index - 1));
        add_label(label, "request", api->api->name);
        add_label(label, "error", name);
        metrics_sample(scrape, metric_family(FAMILY_REQUEST_ERRORS), label, (double)count);
    }
}

const char *request_phase_name(enum request_phase phase)
{
    static const char *const names[REQUEST_PHASE_COUNT] = {
        [REQUEST_PHASE_QUEUE] = "queue",   [REQUEST_PHASE_LOCAL] = "local",
        [REQUEST_PHASE_REMOTE] = "remote", [REQUEST_PHASE_SEND] = "send",
        [REQUEST_PHASE_TOTAL] = "total",
    };

    check((unsigned)phase < REQUEST_PHASE_COUNT);
    return names[phase];
}

static void tell_times(const struct api_metrics *api, struct metrics_scrape *scrape)
{
    for (int phase = 0; phase < REQUEST_PHASE_COUNT; phase++) {
        char label[LABEL_BYTES] = "";
        add_label(label, "request", api->api->name);
        add_label(label, "phase", request_phase_name((enum request_phase)phase));
        metrics_sample_histogram(scrape, metric_family(FAMILY_REQUEST_SECONDS), label,
                                 &api->phases[phase]);
    }
}

const struct histogram *request_metrics_times(const struct request_metrics *metrics, int key,
                                              enum request_phase phase)
{
    const struct api_metrics *api = __atomic_load_n(&metrics->apis[key], __ATOMIC_ACQUIRE);

    return api == NULL ? NULL : &api->phases[phase];
}

static const char *purpose_of(int key)
{
    switch (key) {
    case API_PRODUCE:
        return "Produce";
    case API_FETCH:
        return "Fetch";
    case API_JOIN_GROUP:
    case API_SYNC_GROUP:
        return "Rebalance";
    default:
        return NULL;
    }
}

static void tell_in_work(const struct api_metrics *api, int key, struct metrics_scrape *scrape)
{
    int64_t count = api == NULL ? 0 : gauge_read(&api->in_work);
    const char *purpose = purpose_of(key);
    char label[LABEL_BYTES] = "";

    if (api != NULL) {
        add_label(label, "request", api->api->name);
        metrics_sample(scrape, metric_family(FAMILY_REQUESTS_IN_WORK), label, (double)count);
    }
    if (purpose == NULL)
        return;
    label[0] = '\0';
    add_label(label, "delayedoperation", purpose);
    metrics_sample(scrape, metric_family(FAMILY_PURGATORY), label, (double)count);
}

static void collect(struct metrics_collector *collector, struct metrics_scrape *scrape)
{
    struct request_metrics *metrics = container_of(collector, struct request_metrics, collector);

    for (int key = 0; key < REQUEST_KEYS_MAX; key++) {
        const struct api_metrics *api = __atomic_load_n(&metrics->apis[key], __ATOMIC_ACQUIRE);
        tell_in_work(api, key, scrape);
        if (api == NULL)
            continue;
        tell_counts(api, scrape);
        tell_times(api, scrape);
    }
}

void request_metrics_register(struct request_metrics *metrics, struct metrics *registry)
{
    metrics->collector.collect = collect;
    metrics_add_collector(registry, &metrics->collector);
}
