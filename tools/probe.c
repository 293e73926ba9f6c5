/* levee probe: a canary of a cluster. */
#include "tools/load/probe.h"

#include "base/metrics.h"
#include "broker/http.h"
#include "tools/cli.h"
#include "tools/load/load_room.h"
#include "tools/output.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { CLOSE_MAX_MS = 5000 };

#define ANSWERS_BYTES_MAX (64ULL << 20)
#define NS_PER_MS 1000000.0

/* ---- Ctrl-C */

static struct loop *stopped_loop;
static struct mail stop_mail;
static volatile sig_atomic_t signals_count;
static bool is_stopped;

static void on_stop(struct mail *mail)
{
    (void)mail;
    is_stopped = true;
}

static void on_signal(int number)
{
    (void)number;
    if (signals_count++ == 0)
        loop_post(stopped_loop, &stop_mail);
}

static void stop_on_signals(struct loop *loop)
{
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};

    stopped_loop = loop;
    stop_mail.deliver = on_stop;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- what is told */

static void print_summary(const struct cli *cli, const struct probe_summary *summary, bool is_good)
{
    struct output_object object;

    if (cli->json) {
        output_begin(&object);
        output_bool(&object, "ok", is_good);
        output_number(&object, "partitions", summary->partitions_count);
        output_number(&object, "produced", (int64_t)summary->counts.produced);
        output_number(&object, "failed", (int64_t)summary->counts.failed);
        output_number(&object, "received", (int64_t)summary->counts.received);
        output_number(&object, "lost", (int64_t)summary->counts.lost);
        output_number(&object, "commits", (int64_t)summary->commits_count);
        output_number(&object, "commits_failed", (int64_t)summary->commits_failed);
        output_number(&object, "produce_max_us", (int64_t)(summary->produce_max_ns / 1000));
        output_number(&object, "roundtrip_max_us", (int64_t)(summary->roundtrip_max_ns / 1000));
        output_number(&object, "commit_max_us", (int64_t)(summary->commit_max_ns / 1000));
        output_text(&object, "problem", summary->problem);
        output_end(&object);
        return;
    }
    output_line("%s: %" PRId32 " partitions, %" PRIu64 " records produced, %" PRIu64
                " received, %" PRIu64 " failed, %" PRIu64 " lost, %" PRIu64
                " commits; at most %.1f ms to produce, %.1f ms round, %.1f ms to commit",
                is_good ? "ok" : "NOT OK", summary->partitions_count, summary->counts.produced,
                summary->counts.received, summary->counts.failed, summary->counts.lost,
                summary->commits_count, (double)summary->produce_max_ns / NS_PER_MS,
                (double)summary->roundtrip_max_ns / NS_PER_MS,
                (double)summary->commit_max_ns / NS_PER_MS);
}

/* ---- the two ways */

static enum cli_exit tell_once(const struct cli *cli, const struct probe_summary *summary,
                               bool has_ended)
{
    enum cli_exit result = CLI_OK;

    print_summary(cli, summary, probe_summary_is_good(summary, true));
    if (probe_summary_is_good(summary, true))
        return CLI_OK;
    if (summary->counts.lost > 0)
        return cli_fail(CLI_DEGRADED, "%" PRIu64 " records were acknowledged and not read back",
                        summary->counts.lost);
    result = cli_exit_of(summary->err);
    if (!has_ended && (result == CLI_OK || result == CLI_FAILED))
        result = CLI_TIMED_OUT;
    return cli_fail(result == CLI_OK ? CLI_FAILED : result, "%s",
                    summary->problem[0] != '\0' ? summary->problem : "nothing came back in time");
}

static void on_done(void *context)
{
    *(bool *)context = true;
}

/* Lines for a log: when what goes wrong changes. */
static void watch(struct probe *probe, struct load_room *room)
{
    char told[sizeof(((struct probe_summary *)NULL)->problem)] = "";
    bool was_up = false;

    while (!is_stopped) {
        struct probe_summary summary;
        load_room_run_until(room, &is_stopped, 1000);
        summary = probe_summary_of(probe);
        if (summary.is_up != was_up)
            fprintf(stderr, "levee: probe: %s\n",
                    summary.is_up ? "records go round" : "no records come back");
        if (strcmp(told, summary.problem) != 0) {
            fputs("levee: probe: ", stderr);
            output_plain(stderr, summary.problem, strlen(summary.problem));
            fputc('\n', stderr);
        }
        memcpy(told, summary.problem, sizeof(told));
        was_up = summary.is_up;
    }
}

/* http is stopped before what it tells goes. */
static enum cli_exit run_on(const struct cli *cli, struct load_room *room, struct metrics *registry,
                            struct http **http)
{
    bool is_done = false;
    bool is_closed = false;
    struct probe_options options = {.env = &room->env,
                                    .brokers = cli->brokers,
                                    .topic = cli->topic,
                                    .group_id = cli->group,
                                    .rate = cli->rate,
                                    .sla_ms = (uint32_t)cli->sla_ms,
                                    .is_once = cli->is_once,
                                    .registry = registry,
                                    .done = on_done,
                                    .context = &is_done};
    struct probe_summary summary;
    struct probe *probe;
    char problem[256];
    enum cli_exit result = CLI_OK;
    enum err err;

    if (cli->is_once && options.sla_ms > (uint32_t)cli->timeout_ms)
        options.sla_ms = (uint32_t)cli->timeout_ms;
    err = probe_create(&options, &probe, problem, sizeof(problem));
    if (err != OK)
        return cli_fail(err == ERR_INVALID ? CLI_USAGE : CLI_FAILED, "%s", problem);
    if (cli->is_once) {
        bool has_ended = load_room_run_until(room, &is_done, (uint64_t)cli->timeout_ms);
        summary = probe_summary_of(probe);
        result = tell_once(cli, &summary, has_ended);
    } else {
        watch(probe, room);
        summary = probe_summary_of(probe);
        print_summary(cli, &summary, probe_summary_is_good(&summary, false));
    }
    http_stop(*http);
    *http = NULL;
    probe_destroy(probe, load_room_note_closed, &is_closed);
    load_room_run_until(room, &is_closed, CLOSE_MAX_MS);
    return result;
}

static enum cli_exit serve_metrics(const struct cli *cli, struct metrics *registry,
                                   struct health *health, struct http **out)
{
    uint16_t port = 0;
    enum err err;

    if (cli->is_once || strcmp(cli->http, "-") == 0)
        return CLI_OK;
    err = http_start(cli->http, registry, health, out, &port);
    if (err == ERR_INVALID)
        return cli_fail(CLI_USAGE, "--http takes HOST:PORT, not \"%s\"", cli->http);
    if (err != OK)
        return cli_fail(err == ERR_IN_USE ? CLI_CONFLICT : CLI_FAILED,
                        "%s: metrics cannot be served there: %s", cli->http, err_text(err));
    health_set(health, HEALTH_READY);
    fprintf(stderr, "levee: probe: metrics on port %u, /metrics\n", port);
    return CLI_OK;
}

enum cli_exit command_probe(struct cli *cli)
{
    struct metrics registry;
    struct health health = {0};
    struct http *http = NULL;
    struct load_room *room;
    enum cli_exit result;
    enum err err = load_room_create("levee-probe", ANSWERS_BYTES_MAX, &room);

    if (err != OK)
        return cli_fail(CLI_FAILED, "%s", err_text(err));
    metrics_init(&registry);
    stop_on_signals(&room->loop);
    result = serve_metrics(cli, &registry, &health, &http);
    if (result == CLI_OK)
        result = run_on(cli, room, &registry, &http);
    http_stop(http);
    metrics_deinit(&registry);
    load_room_destroy(room);
    return result;
}
