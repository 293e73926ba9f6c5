#include "tools/load/load_run.h"

#include "base/clock_system.h"
#include "base/mem.h"
#include "tools/load/load_environment.h"
#include "tools/load/load_identity.h"
#include "tools/load/load_limits.h"
#include "tools/load/load_option.h"
#include "tools/load/load_process.h"
#include "tools/load/load_sampler.h"
#include "tools/load/load_shared_account.h"
#include "tools/load/load_topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define NS_OF_S UINT64_C(1000000000)
#define START_IN_NS UINT64_C(20000000) /* workers hear of the start before it comes */
#define STOP_MAX_NS (3 * NS_OF_S)      /* who wants to stop waits no longer for a silent broker */
#define UNREAD_MAX_NS (3 * NS_OF_S)    /* nothing comes, and something is still not read */
#define QUIET_NS NS_OF_S               /* all was read, and nothing came for so long */

enum { LIMITS_MS = 1000, IDLE_MS = 300, IDENTITY_MS = 10000 };

/* One run under way. */
struct run {
    const struct load_workload *workload;
    const struct load_run_options *options;
    struct load_shared shared;
    struct load_worker *workers;
    struct load_sampler sampler;
    struct load_process process;
    struct load_result *result;
    struct clock clock;
    uint64_t sample_at_ns; /* when the next sample is due */
    uint64_t progress_ns;  /* when something was stored or read last */
    uint64_t progress_count;
    uint64_t backlog_count; /* records that were written first, until they are read */
    double broker_cpu_s;    /* at the last sample */
    bool is_measuring;
    bool is_at_end; /* consumers have read everything that there is */
    bool was_rated; /* rate_error is there */
};

static uint64_t now_ns(struct run *run)
{
    return clock_mono_ns(&run->clock);
}

static void sleep_ns(uint64_t ns)
{
    struct timespec pause = {.tv_sec = (time_t)(ns / NS_OF_S), .tv_nsec = (long)(ns % NS_OF_S)};

    nanosleep(&pause, NULL);
}

static bool is_stopped(const struct run *run)
{
    return run->options->stop != NULL && *run->options->stop != 0;
}

static void set_phase(struct run *run, enum load_phase phase)
{
    atomic_store_explicit(&run->shared.phase, phase, memory_order_release);
}

static bool all_workers(const struct run *run, size_t flag_offset)
{
    for (uint32_t i = 0; i < run->workload->threads_count; i++) {
        const char *worker = (const char *)&run->workers[i];
        if (!atomic_load_explicit((const atomic_bool *)(const void *)(worker + flag_offset),
                                  memory_order_acquire))
            return false;
    }
    return true;
}

static bool one_is(const struct run *run, size_t flag_offset)
{
    for (uint32_t i = 0; i < run->workload->threads_count; i++) {
        const char *worker = (const char *)&run->workers[i];
        if (atomic_load_explicit((const atomic_bool *)(const void *)(worker + flag_offset),
                                 memory_order_acquire))
            return true;
    }
    return false;
}

static bool one_is_broken(const struct run *run)
{
    return one_is(run, offsetof(struct load_worker, is_broken));
}

/* ---- what the result says of the run */

static void describe(struct run *run)
{
    const struct load_workload *workload = run->workload;
    struct load_workload *defaults = mem_alloc(sizeof(*defaults));
    struct load_result *result = run->result;
    size_t count;
    const struct load_option *rows = load_option_rows(&count);

    load_workload_defaults(defaults);
    snprintf(result->workload, sizeof(result->workload), "%s", workload->name);
    snprintf(result->brokers, sizeof(result->brokers), "%.200s", workload->brokers);
    for (size_t i = 0; i < count; i++) {
        char value[LOAD_LONG_MAX];
        char usual[LOAD_LONG_MAX];
        load_option_get(workload, &rows[i], value, sizeof(value));
        load_option_get(defaults, &rows[i], usual, sizeof(usual));
        if (strcmp(value, usual) != 0)
            load_result_setting(result, rows[i].name, "%.200s", value);
    }
    mem_free(defaults);
    result->is_open_loop = workload->is_open_loop;
    result->is_verified = workload->verifies;
    result->topics_count = (int32_t)workload->topics_count;
    result->partitions_count = (int32_t)workload->partitions_count;
    result->producers_count = (int32_t)(workload->topics_count * workload->producers_count);
    result->consumers_count = (int32_t)(workload->topics_count * workload->subscriptions_count *
                                        workload->consumers_count);
    result->message_bytes = load_workload_record_bytes(workload);
    result->began_at_ms = (uint64_t)clock_wall_ms(&run->clock);
    load_environment_machine(result);
}

static void take_worker(struct load_result *result, const struct load_stats *stats)
{
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++)
        histogram_merge(&result->histograms[i], &stats->histograms[i]);
    result->sent_count += stats->counters[LOAD_COUNTER_SENT];
    result->stored_count += stats->counters[LOAD_COUNTER_STORED];
    result->stored_bytes += stats->counters[LOAD_COUNTER_STORED_BYTES];
    result->read_count += stats->counters[LOAD_COUNTER_READ];
    result->read_bytes += stats->counters[LOAD_COUNTER_READ_BYTES];
    result->error_count += stats->counters[LOAD_COUNTER_ERRORS];
    result->late_count += stats->counters[LOAD_COUNTER_LATE];
    result->transactions_count += stats->counters[LOAD_COUNTER_TRANSACTIONS];
    result->aborted_count += stats->counters[LOAD_COUNTER_ABORTED];
    result->requests_count += stats->counters[LOAD_COUNTER_REQUESTS];
}

/* ---- sampling */

/* Those of the result begin and end with the measured part; the others are shown alone. */
static void sample(struct run *run, uint64_t now)
{
    uint64_t measure_ns = atomic_load(&run->shared.measure_ns);
    uint64_t start_ns = atomic_load(&run->shared.start_ns);
    bool is_warmup = !run->is_measuring && now <= measure_ns + NS_OF_S;
    struct load_sample taken;
    double cpu_s;

    load_sampler_take(&run->sampler, now, is_warmup ? start_ns : measure_ns, &taken);
    if (run->is_measuring && load_process_now(&run->process, &cpu_s, &taken.broker_rss_bytes)) {
        taken.broker_cpu_s = cpu_s - run->broker_cpu_s;
        run->broker_cpu_s = cpu_s;
    }
    load_view_sample(run->options->view, &taken, is_warmup);
    if (run->is_measuring && load_result_sample(run->result, &taken) != OK)
        load_shared_error(&run->shared, "no memory for a sample");
}

static void note_progress(struct run *run, uint64_t now)
{
    uint64_t count = load_sampler_total(&run->sampler, LOAD_COUNTER_STORED_ALL) +
                     load_sampler_total(&run->sampler, LOAD_COUNTER_READ_ALL) +
                     load_sampler_total(&run->sampler, LOAD_COUNTER_FAILED_ALL);

    if (count == run->progress_count)
        return;
    run->progress_count = count;
    run->progress_ns = now;
}

/* Consumers stay so many records behind what is stored. */
static void keep_lag(struct run *run)
{
    uint64_t lag = run->workload->lag_count;
    uint64_t stored;

    if (lag == 0)
        return;
    stored = load_sampler_total(&run->sampler, LOAD_COUNTER_STORED_ALL);
    atomic_store_explicit(&run->shared.read_limit,
                          (stored > lag ? stored - lag : 0) / run->workload->threads_count,
                          memory_order_relaxed);
}

static void tick(struct run *run)
{
    uint64_t now = now_ns(run);

    note_progress(run, now);
    keep_lag(run);
    if (now >= run->sample_at_ns) {
        sample(run, now);
        run->sample_at_ns += NS_OF_S;
        if (run->sample_at_ns <= now)
            run->sample_at_ns = now + NS_OF_S;
    }
    sleep_ns(run->workload->lag_count > 0 ? 2000000 : 10000000);
}

/* ---- phases */

static enum err set_up(struct run *run, char *problem, size_t problem_max)
{
    const struct load_workload *workload = run->workload;
    uint64_t end = now_ns(run) + workload->timeout_ns;

    run->workers = mem_alloc(workload->threads_count * sizeof(*run->workers));
    for (uint32_t i = 0; i < workload->threads_count; i++) {
        enum err err = load_worker_start(&run->workers[i], &run->shared, i);
        if (err != OK) {
            snprintf(problem, problem_max, "thread %u: %s", (unsigned)i, err_text(err));
            return err;
        }
    }
    while (!all_workers(run, offsetof(struct load_worker, is_ready))) {
        bool is_late = now_ns(run) >= end;
        if (one_is_broken(run) || is_late || is_stopped(run)) {
            load_shared_lock(&run->shared);
            if (run->result->errors_count > 0)
                snprintf(problem, problem_max, "%s", run->result->errors[0]);
            else
                snprintf(problem, problem_max, "%s",
                         is_stopped(run) ? "stopped before anything was measured"
                                         : "its producers and consumers did not get ready in time");
            load_shared_unlock(&run->shared);
            return is_late ? ERR_TIMEOUT : ERR_CANCELED;
        }
        sleep_ns(2000000);
    }
    return OK;
}

static enum err begin(struct run *run, char *problem, size_t problem_max)
{
    const struct load_workload *workload = run->workload;
    uint64_t start =
        run->options->begin_at == NULL ? 0 : run->options->begin_at(run->options->context);
    uint64_t now = now_ns(run);
    bool has_backlog = workload->backlog_bytes > 0 && workload->subscriptions_count > 0;
    enum err err;

    if (start == 0)
        start = now + START_IN_NS;
    atomic_store(&run->shared.start_ns, start);
    if (!has_backlog) {
        atomic_store(&run->shared.measure_ns, start + workload->warmup_ns);
        atomic_store(&run->shared.end_ns, start + workload->warmup_ns + workload->duration_ns);
    }
    atomic_store(&run->shared.holds_consumers, has_backlog);
    err = load_sampler_init(&run->sampler, &run->shared, run->workers, workload->threads_count,
                            start);
    if (err != OK) {
        snprintf(problem, problem_max, "the schedule: %s", err_text(err));
        return err;
    }
    run->sample_at_ns = start + NS_OF_S;
    run->progress_ns = now;
    set_phase(run, LOAD_PHASE_RUN);
    if (has_backlog || workload->warmup_ns > 0)
        load_view_note(run->options->view, has_backlog ? "writing the backlog" : "warming up");
    while (has_backlog && !is_stopped(run) &&
           load_sampler_total(&run->sampler, LOAD_COUNTER_STORED_BYTES_ALL) <
               workload->backlog_bytes)
        tick(run);
    if (has_backlog) {
        now = now_ns(run);
        run->backlog_count = load_sampler_total(&run->sampler, LOAD_COUNTER_STORED_ALL);
        atomic_store(&run->shared.measure_ns, now);
        atomic_store(&run->shared.end_ns, now + workload->duration_ns);
        atomic_store(&run->shared.holds_consumers, false);
    }
    return OK;
}

/* Everybody has nothing more to send, or no producer is left. */
static bool is_over(struct run *run, uint64_t now)
{
    bool is_sent = all_workers(run, offsetof(struct load_worker, is_sent));
    bool has_producers = run->workload->producers_count > 0;

    if (now >= atomic_load_explicit(&run->shared.end_ns, memory_order_relaxed))
        return true;
    if (!has_producers)
        return run->workload->records_max > 0 &&
               load_sampler_total(&run->sampler, LOAD_COUNTER_READ_ALL) >=
                   run->workload->records_max;
    return is_sent && (run->workload->records_max > 0 || one_is_broken(run));
}

/* How far is what was given from what was intended, at the end? */
static void rate(struct run *run, uint64_t now)
{
    struct load_result *result = run->result;
    uint64_t intended;
    uint64_t sent = load_sampler_total(&run->sampler, LOAD_COUNTER_SENT);
    uint64_t measure_ns = atomic_load(&run->shared.measure_ns);
    uint64_t end_ns = atomic_load(&run->shared.end_ns);

    load_sampler_intend(&run->sampler, now);
    intended = run->sampler.intended_measured;
    result->duration_ns = end_ns > measure_ns ? end_ns - measure_ns : 0;
    if (!run->workload->is_open_loop || intended == 0 || result->duration_ns == 0)
        return;
    result->intended_rate = (double)intended / ((double)result->duration_ns / 1e9);
    result->rate_error = (sent > intended ? (double)(sent - intended) : (double)(intended - sent)) /
                         (double)intended;
}

/* The backlog that was written first is read: how long did it take? */
static void note_backlog(struct run *run, uint64_t now)
{
    double wanted = (double)run->backlog_count * run->workload->backlog_drain_ratio;
    double seconds = (double)(now - atomic_load(&run->shared.measure_ns)) / 1e9;

    if (run->backlog_count == 0 ||
        (double)load_sampler_total(&run->sampler, LOAD_COUNTER_READ_ALL) < wanted)
        return;
    load_result_environment(run->result, "backlog", "%" PRIu64 " records read in %.2f s",
                            run->backlog_count, seconds);
    run->backlog_count = 0;
}

static void measure(struct run *run)
{
    uint64_t end_ns;
    uint64_t now;

    while (now = now_ns(run), !is_over(run, now) && !is_stopped(run)) {
        if (!run->is_measuring && now >= atomic_load(&run->shared.measure_ns)) {
            if (now > run->sampler.at_ns + NS_OF_S / 20)
                sample(run, now); /* the last one of the warm-up */
            run->sample_at_ns = now + NS_OF_S;
            run->is_measuring = true;
            if (now > atomic_load(&run->shared.start_ns) + NS_OF_S / 2)
                load_view_note(run->options->view, "measuring");
            load_process_begin(&run->process);
            if (run->shared.outage != NULL)
                load_outage_begin(run->shared.outage, now);
            if (run->options->measuring != NULL)
                run->options->measuring(run->options->context);
        }
        note_backlog(run, now);
        tick(run);
    }
    if (run->shared.outage != NULL)
        load_outage_end(run->shared.outage, now);
    end_ns = atomic_load(&run->shared.end_ns);
    run->result->is_partial = now < end_ns && run->workload->records_max == 0;
    if (now < end_ns)
        atomic_store(&run->shared.end_ns, now); /* what was due later is not due any more */
    if (atomic_load(&run->shared.measure_ns) > now)
        atomic_store(&run->shared.measure_ns, now);
    if (run->is_measuring && now > run->sampler.at_ns + NS_OF_S / 20)
        sample(run, now); /* the rest of the last second */
    run->is_measuring = false;
    rate(run, now);
    load_process_end(&run->process, &run->result->broker);
}

/* How long a silent broker is waited for. */
static uint64_t patience_ns(const struct run *run)
{
    uint64_t timeout_ns = run->workload->timeout_ns;

    return is_stopped(run) && timeout_ns > STOP_MAX_NS ? STOP_MAX_NS : timeout_ns;
}

/* Wait for a flag of all workers as long as something goes on. */
static bool wait_for(struct run *run, size_t flag_offset, bool (*is_enough)(struct run *run))
{
    run->progress_ns = now_ns(run);
    while (!all_workers(run, flag_offset)) {
        if (now_ns(run) - run->progress_ns > patience_ns(run))
            return false;
        if (is_enough != NULL && is_enough(run))
            return true;
        tick(run);
    }
    return true;
}

/* All that must be read was, and nothing more has come for a while. */
static bool is_all_read(struct run *run)
{
    if (run->shared.account == NULL)
        return now_ns(run) - run->progress_ns > QUIET_NS &&
               load_sampler_total(&run->sampler, LOAD_COUNTER_READ_ALL) +
                       load_sampler_total(&run->sampler, LOAD_COUNTER_HIDDEN_ALL) >=
                   load_sampler_total(&run->sampler, LOAD_COUNTER_STORED_ALL);
    return load_shared_unread(&run->shared) == 0 && now_ns(run) - run->progress_ns > QUIET_NS;
}

static void drain(struct run *run)
{
    const struct load_workload *workload = run->workload;
    bool is_read;

    if (!wait_for(run, offsetof(struct load_worker, is_sent), NULL)) {
        run->result->is_partial = true;
        load_shared_error(&run->shared, "records were not answered: nothing came for %g s",
                          (double)patience_ns(run) / 1e9);
    }
    load_sampler_intend(&run->sampler, atomic_load(&run->shared.end_ns));
    set_phase(run, LOAD_PHASE_READ);
    if (workload->subscriptions_count == 0 || workload->producers_count == 0)
        return;
    is_read = wait_for(run, offsetof(struct load_worker, is_read), is_all_read);
    if (!is_read)
        load_shared_error(&run->shared, "consumers did not come to the end: nothing new for %g s",
                          (double)patience_ns(run) / 1e9);
    /* What is not replicated, or not marked as committed yet, comes behind the end as it was. */
    while (load_shared_unread(&run->shared) > 0 && !is_stopped(run) &&
           now_ns(run) - run->progress_ns < UNREAD_MAX_NS)
        tick(run);
    run->is_at_end = is_read && !one_is(run, offsetof(struct load_worker, is_cut)) &&
                     !(is_stopped(run) && load_shared_unread(&run->shared) > 0);
}

/* Workers end, what they counted is the result's. */
static void end(struct run *run)
{
    const struct load_workload *workload = run->workload;
    struct load_result *result = run->result;
    uint64_t sent_measured;
    enum err err;

    set_phase(run, LOAD_PHASE_STOP);
    for (uint32_t i = 0; i < workload->threads_count && run->workers != NULL; i++)
        load_worker_join(&run->workers[i]);
    for (uint32_t i = 0; i < workload->threads_count && run->workers != NULL; i++)
        take_worker(result, &run->workers[i].stats);
    sent_measured = result->sent_count;
    if (run->sampler.intended_measured > sent_measured)
        result->late_count += run->sampler.intended_measured - sent_measured; /* never given */
    if (run->shared.account != NULL)
        load_account_close(run->shared.account, run->is_at_end, &result->verdict);
    result->is_partial = result->is_partial || result->verdict.unread_count > 0;
    err = load_shared_account_save(&run->shared, false);
    if (err != OK)
        load_shared_error(&run->shared, "%s: %s", workload->state_file, err_text(err));
    for (uint32_t i = 0; i < result->samples_count; i++)
        result->client_cpu_s += result->samples[i].client_cpu_s;
}

/* Each client has connections of its own. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static enum err prepare(struct run *run, char *problem, size_t problem_max)
{
    const struct load_workload *workload = run->workload;
    struct load_shared *shared = &run->shared;
    enum err err;

    shared->wall_ns = clock_wall_ms(&run->clock) * 1000000 - (int64_t)clock_mono_ns(&run->clock);
    shared->run = (uint32_t)(clock_wall_ms(&run->clock) ^ (int64_t)clock_mono_ns(&run->clock));
    if (workload->payload_file[0] != '\0')
        err = load_payload_init_file(&shared->payload, workload->payload_file,
                                     workload->size.max_bytes);
    else
        err = load_payload_init(&shared->payload, 1 / workload->random_ratio,
                                workload->size.max_bytes, workload->seed);
    if (err != OK) {
        snprintf(problem, problem_max, "payload: %s", err_text(err));
        return err;
    }
    if (workload->verifies)
        err = load_shared_account_open(&run->shared, problem, problem_max);
    return err == OK ? load_topics_create(shared, problem, problem_max) : err;
}

/* What the broker's data lies on, when that can be told; there the disk's limit is measured. */
static void measure_limits(struct run *run)
{
    char directory[512];
    bool is_known = strcmp(run->workload->limits_dir, ".") != 0;
    enum err err;

    snprintf(directory, sizeof(directory), "%s", run->workload->limits_dir);
    if (!is_known)
        is_known = load_environment_data_directory(run->process.pid, directory, sizeof(directory));
    if (is_known || run->workload->wants_limits)
        load_environment_device(run->result, directory);
    if (!run->workload->wants_limits)
        return;
    load_view_note(run->options->view, "measuring the limits of disk and loopback");
    err = load_limits_measure(run->result, directory, LIMITS_MS);
    if (err != OK)
        load_shared_error(&run->shared, "the limits of %s could not be measured: %s", directory,
                          err_text(err));
}

static enum err run_all(struct run *run, char *problem, size_t problem_max)
{
    const struct load_workload *workload = run->workload;
    enum err err;

    raise_descriptors();
    err = prepare(run, problem, problem_max);
    if (err != OK)
        return err;
    describe(run);
    load_process_open(&run->process,
                      workload->broker_pid != 0 ? workload->broker_pid
                                                : load_process_find_broker(workload->brokers),
                      IDLE_MS);
    load_identity_ask(run->result, workload->brokers, run->shared.topics[0], IDENTITY_MS,
                      run->process.pid);
    measure_limits(run);
    load_view_begin(run->options->view, workload);
    err = set_up(run, problem, problem_max);
    if (err == OK)
        err = begin(run, problem, problem_max);
    if (err == OK) {
        measure(run);
        drain(run);
    }
    end(run);
    return err;
}

enum err load_run(const struct load_run_options *options, struct load_result **out, char *problem,
                  size_t problem_max)
{
    struct run *run = mem_alloc(sizeof(*run));
    enum err err;

    run->workload = options->workload;
    run->options = options;
    clock_system_init(&run->clock);
    load_shared_init(&run->shared, options->workload);
    run->shared.outage = options->outage;
    err = load_result_create(&run->result);
    if (err == OK) {
        run->shared.result = run->result;
        err = run_all(run, problem, problem_max);
        load_topics_delete(&run->shared, (uint32_t)(patience_ns(run) / 1000000));
    } else {
        snprintf(problem, problem_max, "%s", err_text(err));
    }
    for (uint32_t i = 0; run->workers != NULL && i < options->workload->threads_count; i++)
        load_worker_deinit(&run->workers[i]);
    load_sampler_deinit(&run->sampler);
    mem_free(run->workers);
    load_shared_deinit(&run->shared);
    if (err == OK)
        *out = run->result;
    else
        load_result_destroy(run->result);
    mem_free(run);
    return err;
}
