/* probe_create -> the topic is made (probe_topic), its metadata awaited, its ends asked for ->
 * begin: the fetcher reads from there, and records leave on the schedule.  Whatever fails on the
 * way is tried again after RETRY_MS. */
#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "tools/load/probe_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { RETRY_MS = 1000, STEP_MAX_MS = 10000, NS_PER_MS = 1000000 };

static void set_up(struct probe *probe);

void probe_private_problem(struct probe *probe, enum err err, const char *format, ...)
{
    va_list args;

    probe->summary.err = err;
    va_start(args, format);
    vsnprintf(probe->summary.problem, sizeof(probe->summary.problem), format, args);
    va_end(args);
}

void probe_private_look(struct probe *probe)
{
    if (probe->options.is_once && probe_private_round_is_over(probe) && !probe->is_told) {
        probe->is_told = true;
        if (probe->options.done != NULL)
            probe->options.done(probe->options.context);
    }
}

/* A step of the set-up failed.  What can't pass by itself ends a probe that runs once. */
static void retry(struct probe *probe, enum err err)
{
    if (probe->is_ending || err == ERR_CANCELED)
        return;
    if (probe->options.is_once &&
        (err == ERR_PERMISSION || err == ERR_INVALID || err == ERR_REFUSED) && !probe->is_told) {
        probe->is_told = true;
        if (probe->options.done != NULL)
            probe->options.done(probe->options.context);
        return;
    }
    loop_set_timer_ms(probe->options.env->loop, &probe->retry, RETRY_MS);
}

static void on_retry(struct timer *timer)
{
    set_up(container_of(timer, struct probe, retry));
}

/* ---- setting up */

static enum err make_tables(struct probe *probe)
{
    int32_t count = probe->topic->partitions_count;
    enum err err = probe_metrics_set_partitions(&probe->metrics, count);

    if (err != OK)
        return err;
    probe->partitions_count = count;
    probe->summary.partitions_count = count;
    probe->counts = mem_try_alloc((size_t)count * sizeof(*probe->counts));
    probe->places = mem_try_alloc((size_t)count * sizeof(*probe->places));
    probe->stops = mem_try_alloc((size_t)count * sizeof(*probe->stops));
    probe->questions = mem_try_alloc((size_t)count * sizeof(*probe->questions));
    probe->commits = mem_try_alloc((size_t)count * sizeof(*probe->commits));
    probe->commit_errors = mem_try_alloc((size_t)count * sizeof(*probe->commit_errors));
    if (probe->counts == NULL || probe->places == NULL || probe->stops == NULL ||
        probe->questions == NULL || probe->commits == NULL || probe->commit_errors == NULL ||
        !probe_ledger_init(&probe->ledger, (uint64_t)probe->options.sla_ms * NS_PER_MS,
                           probe->counts, count))
        return ERR_NOMEM;
    return OK;
}

static void on_ends(struct client_offsets_op *op, enum err err)
{
    struct probe *probe = container_of(op, struct probe, list);

    probe->is_listing = false;
    if (probe_private_is_held_up(probe))
        return;
    for (int32_t p = 0; err == OK && p < probe->partitions_count; p++) {
        if (probe->questions[p].error_code != KAFKA_NONE) {
            probe_private_problem(probe, ERR_AGAIN, "ListOffsets, partition %" PRId32 ": %s", p,
                                  kafka_error_name(probe->questions[p].error_code));
            retry(probe, ERR_AGAIN);
            return;
        }
        err =
            client_fetcher_assign(probe->fetcher, probe->topic, p, probe->questions[p].offset, -1);
    }
    if (err != OK) {
        probe_private_problem(probe, err, "ListOffsets: %s", err_text(err));
        retry(probe, err);
        return;
    }
    probe_private_begin(probe);
}

static void ask_ends(struct probe *probe)
{
    for (int32_t p = 0; p < probe->partitions_count; p++)
        probe->questions[p] = (struct client_offset_question){
            .topic = probe->topic, .partition = p, .timestamp_ms = CLIENT_OFFSET_LATEST};
    probe->list = (struct client_offsets_op){
        .done = on_ends, .cluster = probe->cluster, .timeout_ms = STEP_MAX_MS};
    probe->is_listing = true;
    client_offsets_list(&probe->list, probe->questions, (uint32_t)probe->partitions_count, false);
}

static void on_known(struct client_wait *wait, enum err err)
{
    struct probe *probe = container_of(wait, struct probe, wait);

    if (err == OK && probe->counts == NULL)
        err = make_tables(probe);
    if (err != OK) {
        probe_private_problem(probe, err, "topic %s: %s", probe->options.topic,
                              wait->kafka_error != KAFKA_NONE ? kafka_error_name(wait->kafka_error)
                                                              : err_text(err));
        retry(probe, err);
        return;
    }
    ask_ends(probe);
}

static void on_made(struct probe_topic *made, enum err err)
{
    struct probe *probe = container_of(made, struct probe, made);
    const char *why = client_cluster_problem(probe->cluster);

    if (err != OK) {
        probe_private_problem(probe, err, "%s%s%s", made->problem, why[0] == '\0' ? "" : "; ", why);
        retry(probe, err);
        return;
    }
    probe->wait = (struct client_wait){.done = on_known};
    client_cluster_wait_topic(probe->cluster, &probe->wait, probe->topic, STEP_MAX_MS);
}

static void set_up(struct probe *probe)
{
    probe->made = (struct probe_topic){.cluster = probe->cluster,
                                       .name = probe->options.topic,
                                       .timeout_ms = STEP_MAX_MS,
                                       .done = on_made};
    probe_topic_make(&probe->made);
}

/* ---- a topic that went (PRB-4) */

static void on_made_again(struct probe_topic *made, enum err err)
{
    struct probe *probe = container_of(made, struct probe, made);

    probe->is_making = false;
    if (!probe->is_ending && err != OK)
        probe_private_problem(probe, err, "%s", made->problem);
}

void probe_private_make_again(struct probe *probe)
{
    if (probe->is_making)
        return;
    probe->is_making = true;
    probe->made = (struct probe_topic){.cluster = probe->cluster,
                                       .name = probe->options.topic,
                                       .timeout_ms = STEP_MAX_MS,
                                       .done = on_made_again};
    probe_topic_make(&probe->made);
}

/* ---- life */

static enum err create_parts(struct probe *probe, char *problem, size_t problem_max)
{
    struct client_options options = client_options_default();
    enum err err;

    options.bootstrap_servers = probe->options.brokers;
    options.allow_auto_create = false;
    options.request_timeout_ms = STEP_MAX_MS;
    err =
        client_cluster_create(probe->options.env, &options, &probe->cluster, problem, problem_max);
    if (err != OK)
        return err;
    probe->topic = client_cluster_topic(probe->cluster, probe->options.topic);
    if (probe->topic == NULL)
        return ERR_NOMEM;
    err = probe_private_create_producer(probe);
    return err == OK ? probe_private_create_fetcher(probe) : err;
}

enum err probe_create(const struct probe_options *options, struct probe **out, char *problem,
                      size_t problem_max)
{
    struct probe *probe = mem_try_alloc(sizeof(*probe));
    enum err err;

    if (probe == NULL)
        return ERR_NOMEM;
    probe->options = *options;
    uuid_random(options->env->prng, &probe->id);
    probe_metrics_init(&probe->metrics, options->registry);
    timer_init(&probe->retry, on_retry);
    probe_private_init_timers(probe);
    snprintf(problem, problem_max, "%s", err_text(ERR_NOMEM));
    err = create_parts(probe, problem, problem_max);
    if (err != OK) {
        probe_destroy(probe, NULL, NULL);
        return err;
    }
    set_up(probe);
    *out = probe;
    return OK;
}

struct probe_summary probe_summary_of(const struct probe *probe)
{
    struct probe_summary summary = probe->summary;

    for (int32_t p = 0; p < probe->partitions_count; p++) {
        summary.counts.produced += probe->counts[p].produced;
        summary.counts.failed += probe->counts[p].failed;
        summary.counts.received += probe->counts[p].received;
        summary.counts.lost += probe->counts[p].lost;
        summary.counts.late += probe->counts[p].late;
        summary.counts.in_flight += probe->counts[p].in_flight;
    }
    return summary;
}

bool probe_summary_is_good(const struct probe_summary *summary, bool is_once)
{
    bool is_whole = is_once ? summary->counts.received == summary->counts.produced : summary->is_up;

    return summary->has_begun && summary->counts.failed == 0 && summary->counts.lost == 0 &&
           summary->commits_failed == 0 && summary->counts.received > 0 && is_whole &&
           summary->commits_count > 0;
}

/* ---- the end: producer, fetcher, cluster, one after the other */

static void on_cluster_closed(void *context)
{
    struct probe *probe = context;
    void (*closed)(void *context) = probe->closed;

    context = probe->closed_context;
    probe_ledger_deinit(&probe->ledger);
    probe_metrics_deinit(&probe->metrics);
    mem_free(probe->counts);
    mem_free(probe->places);
    mem_free(probe->stops);
    mem_free(probe->questions);
    mem_free(probe->commits);
    mem_free(probe->commit_errors);
    mem_free(probe);
    if (closed != NULL)
        closed(context);
}

static void close_cluster(void *context)
{
    struct probe *probe = context;

    probe->wants_cluster_closed = true;
    if (probe->is_listing || probe->is_committing)
        return; /* its done comes back here */
    if (probe->cluster != NULL)
        client_cluster_destroy(probe->cluster, on_cluster_closed, probe);
    else
        on_cluster_closed(probe);
}

static void close_fetcher(void *context)
{
    struct probe *probe = context;

    if (probe->fetcher != NULL)
        client_fetcher_destroy(probe->fetcher, close_cluster, probe);
    else
        close_cluster(probe);
}

bool probe_private_is_held_up(struct probe *probe)
{
    if (probe->wants_cluster_closed)
        close_cluster(probe);
    return probe->is_ending;
}

void probe_destroy(struct probe *probe, void (*closed)(void *context), void *context)
{
    struct loop *loop = probe->options.env->loop;

    probe->is_ending = true;
    probe->closed = closed;
    probe->closed_context = context;
    loop_cancel_timer(loop, &probe->retry);
    probe_private_cancel_timers(probe);
    if (probe->is_listing)
        client_offsets_cancel(&probe->list);
    if (probe->is_committing)
        client_offsets_cancel(&probe->commit);
    if (probe->producer != NULL)
        client_producer_destroy(probe->producer, close_fetcher, probe);
    else if (!probe->is_renewing)
        close_fetcher(probe);
}

void probe_private_producer_closed(struct probe *probe)
{
    if (probe->is_ending)
        close_fetcher(probe);
}
