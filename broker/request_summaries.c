#include "broker/request_summaries.h"

#include "base/check.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metric_family.h"
#include "net/protocol/api.h"

#include <string.h>

/* One phase of one API, of all shards. */
struct phase_window {
    struct histogram older; /* as it was at the begin of the window */
    struct histogram newer; /* the same for the next window */
    struct histogram all;   /* as it is now */
    struct histogram recent;
};

struct request_summary {
    struct phase_window phases[REQUEST_PHASE_COUNT];
    uint64_t turned_ns; /* when newer was taken */
};

static void destroy(struct request_summary *summary)
{
    if (summary == NULL)
        return;
    for (int phase = 0; phase < REQUEST_PHASE_COUNT; phase++) {
        struct phase_window *window = &summary->phases[phase];
        histogram_deinit(&window->older);
        histogram_deinit(&window->newer);
        histogram_deinit(&window->all);
        histogram_deinit(&window->recent);
    }
    mem_free(summary);
}

static struct request_summary *create(uint32_t digits, uint64_t now_ns)
{
    struct request_summary *summary = mem_try_alloc(sizeof(*summary));
    enum err err = summary == NULL ? ERR_NOMEM : OK;

    for (int phase = 0; phase < REQUEST_PHASE_COUNT && err == OK; phase++) {
        struct phase_window *window = &summary->phases[phase];
        struct histogram *each[] = {&window->older, &window->newer, &window->all, &window->recent};
        for (size_t i = 0; i < array_count(each) && err == OK; i++)
            err = histogram_init(each[i], digits);
    }
    if (err != OK) {
        destroy(summary);
        return NULL;
    }
    summary->turned_ns = now_ns;
    return summary;
}

static void copy(struct histogram *to, const struct histogram *from)
{
    histogram_reset(to);
    histogram_merge(to, from);
}

/* What is recorded now; turn: a new window begins with what the next one was kept for. */
static void look(struct request_summaries *summaries, int key, enum request_phase phase,
                 struct phase_window *window, bool turn)
{
    histogram_reset(&window->all);
    for (uint32_t i = 0; i < summaries->shards->count; i++) {
        const struct histogram *times =
            request_metrics_times(summaries->shards->at[i]->request_metrics, key, phase);
        if (times != NULL)
            histogram_merge(&window->all, times);
    }
    if (turn) {
        copy(&window->older, &window->newer);
        copy(&window->newer, &window->all);
    }
    copy(&window->recent, &window->all);
    histogram_subtract(&window->recent, &window->older);
}

static void tell(const struct api_desc *api, const struct request_summary *summary,
                 struct metrics_scrape *scrape)
{
    static const enum metric_id ids[REQUEST_PHASE_COUNT] = {
        [REQUEST_PHASE_QUEUE] = FAMILY_REQUEST_QUEUE,
        [REQUEST_PHASE_LOCAL] = FAMILY_REQUEST_LOCAL,
        [REQUEST_PHASE_REMOTE] = FAMILY_REQUEST_REMOTE,
        [REQUEST_PHASE_SEND] = FAMILY_REQUEST_SEND,
        [REQUEST_PHASE_TOTAL] = FAMILY_REQUEST_TOTAL,
    };
    char label[160] = "";
    enum err err = metrics_label(label, sizeof(label), "request", api->name, strlen(api->name));

    check(err == OK);
    for (int phase = 0; phase < REQUEST_PHASE_COUNT; phase++)
        metrics_sample_summary(scrape, metric_family(ids[phase]), label,
                               &summary->phases[phase].all, &summary->phases[phase].recent);
}

static const struct histogram *any_times(const struct shards *shards, int key)
{
    const struct histogram *times = NULL;

    for (uint32_t i = 0; i < shards->count && times == NULL; i++)
        times = request_metrics_times(shards->at[i]->request_metrics, key, REQUEST_PHASE_TOTAL);
    return times;
}

static void collect(struct metrics_collector *collector, struct metrics_scrape *scrape)
{
    struct request_summaries *summaries =
        container_of(collector, struct request_summaries, collector);
    uint64_t now_ns = clock_mono_ns(summaries->shards->at[0]->clock);

    for (int key = 0; key < REQUEST_KEYS_MAX; key++) {
        const struct histogram *times = any_times(summaries->shards, key);
        struct request_summary *summary = summaries->by_key[key];
        bool turn;
        if (times == NULL)
            continue;
        if (summary == NULL)
            summary = summaries->by_key[key] = create(times->digits, now_ns);
        if (summary == NULL)
            continue; /* RQS-2 */
        turn = now_ns - summary->turned_ns >= REQUEST_WINDOW_MS * 1000000ULL;
        if (turn)
            summary->turned_ns = now_ns;
        for (int phase = 0; phase < REQUEST_PHASE_COUNT; phase++)
            look(summaries, key, (enum request_phase)phase, &summary->phases[phase], turn);
        tell(api_find((int16_t)key), summary, scrape);
    }
}

void request_summaries_register(struct request_summaries *summaries, const struct shards *shards,
                                struct metrics *registry)
{
    summaries->shards = shards;
    summaries->collector.collect = collect;
    metrics_add_collector(registry, &summaries->collector);
}

void request_summaries_deinit(struct request_summaries *summaries)
{
    for (int key = 0; key < REQUEST_KEYS_MAX; key++)
        destroy(summaries->by_key[key]);
    *summaries = (struct request_summaries){0};
}
