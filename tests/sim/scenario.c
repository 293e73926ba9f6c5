#include "tests/sim/scenario.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/oracle_group.h"
#include "tests/sim/scenario_private.h"
#include "tests/sim/sim_image.h"
#include "tests/sim/sim_kept.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void scenario_say(const struct scenario *s, const char *format, ...)
{
    va_list args;

    if (!s->options->trace)
        return;
    fprintf(stderr, "%12.6f == ", (double)sim_world_now_ns(s->world) / 1e9);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* A leader sends the first assignment of a generation: now and then the broker dies about then. */
static void crash_assignment(struct scenario *s, const struct history_event *event)
{
    struct sim_node *node = s->broker.node;

    if (event->generation <= s->assigned_generations[event->group])
        return;
    s->assigned_generations[event->group] = event->generation;
    if (!s->faults_on || !s->crash_faults || s->assignment_odds == 0 || !sim_node_is_running(node))
        return;
    if (prng_chance(&s->assignment_prng, 1, s->assignment_odds))
        sim_node_crash_within(
            node, ASSIGNMENT_CRASH_MS * SIM_MS,
            s->power_faults && prng_chance(&s->assignment_prng, 2, 3) ? SIM_POWER_LOSS : SIM_KILL);
}

/* As the broker may see it, which believes any time until it is up. */
void scenario_look_at_clock(struct scenario *s)
{
    int64_t wall_ms = clock_wall_ms(sim_node_clock(s->broker.node));

    if (s->broker.ready)
        oracle_age_look(&s->oracle->age, sim_world_now_ns(s->world), wall_ms);
    else
        oracle_age_start(&s->oracle->age, sim_world_now_ns(s->world), wall_ms);
}

static void on_event(void *context, const struct history_event *event)
{
    struct scenario *s = context;
    uint64_t before = s->oracle->complaints_count;
    char text[HISTORY_TEXT_MAX];
    int64_t wall_ms = clock_wall_ms(sim_node_clock(s->broker.node));

    if (s->oracle->wall_min_ms == 0 || wall_ms < s->oracle->wall_min_ms)
        s->oracle->wall_min_ms = wall_ms;
    scenario_look_at_clock(s);
    oracle_take(s->oracle, event);
    if (event->kind == HISTORY_ASSIGN)
        crash_assignment(s, event);
    if (!s->options->trace)
        return;
    history_format(event, text);
    fprintf(stderr, "%s%s\n", text,
            s->oracle->complaints_count > before ? "   <<<<<< complaint" : "");
}

static bool all_done(struct scenario *s)
{
    if (!model_admin_is_done(&s->admin))
        return false;
    for (uint32_t i = 0; i < s->producers_count; i++)
        if (!model_producer_is_done(&s->producers[i]))
            return false;
    for (uint32_t i = 0; i < s->members_count; i++)
        if (!model_member_is_settled(&s->members[i]))
            return false;
    if (s->janitors_count > 0 && !model_janitor_is_done(&s->janitor))
        return false;
    if (s->crowds_count > 0 && !model_crowd_is_done(&s->crowd))
        return false;
    if (!scenario_ledger_is_finished(s) || scenario_room_unfinished(s) != NULL)
        return false;
    return s->broker.ready;
}

static void tell_late(struct scenario *s)
{
    struct history_event event = {.kind = HISTORY_LATE, .offset = -1};

    if (!s->broker.ready)
        oracle_complain(s->oracle, "LATE", sim_world_now_ns(s->world), "the broker is not ready");
    if (!model_admin_is_done(&s->admin))
        model_client_tell(&s->admin.client, &event);
    for (uint32_t i = 0; i < s->producers_count; i++)
        if (!model_producer_is_done(&s->producers[i]))
            model_client_tell(&s->producers[i].client, &event);
    for (uint32_t i = 0; i < s->members_count; i++)
        if (!model_member_is_settled(&s->members[i]))
            model_client_tell(&s->members[i].client, &event);
    if (s->janitors_count > 0 && !model_janitor_is_done(&s->janitor))
        model_client_tell(&s->janitor.client, &event);
    if (s->crowds_count > 0 && !model_crowd_is_done(&s->crowd))
        model_client_tell(&s->crowd.client, &event);
    if (!scenario_ledger_is_finished(s))
        oracle_complain(s->oracle, "LATE", sim_world_now_ns(s->world),
                        "a transaction cannot be ended by its producer");
    if (scenario_room_unfinished(s) != NULL)
        oracle_complain(s->oracle, "LATE", sim_world_now_ns(s->world), scenario_room_unfinished(s));
}

/* Errors of the disk while a broker starts set partitions aside. */
static bool may_quarantine(const struct scenario *s)
{
    return s->disk.read_error_ppm > 0 || s->disk.write_error_ppm > 0 || s->disk.other_error_ppm > 0;
}

static void liveness(struct scenario *s)
{
    scenario_say(s, "heal");
    scenario_lives_set_faults(s, false);
    sim_net_options_init(&s->world->net.options); /* a network on which everybody can finish */
    sim_queue_remove(&s->world->queue, &s->broker.node->crash_event);
    sim_node_crash_at_call(s->broker.node, 0, SIM_KILL);
    if (may_quarantine(s)) { /* a partition that could not be read waits for a start */
        sim_node_crash(s->broker.node, SIM_KILL);
        scenario_lives_start(s);
    }
    scenario_lives_run_until(s, NULL, SIM_SECOND);
    s->needs_operator = s->broker.quarantined && may_quarantine(s);
    if (s->needs_operator)
        return;
    for (uint32_t i = 0; i < s->producers_count; i++)
        model_producer_finish(&s->producers[i]);
    for (uint32_t i = 0; i < s->groups_count; i++)
        s->groups[i].finishing = true;
    s->janitor.finishing = true;
    s->crowd.finishing = true;
    for (uint32_t i = 0; i < s->members_count; i++)
        model_member_finish(&s->members[i]);
    scenario_ledger_finish(s);
    scenario_room_finish(s);
    if (!scenario_lives_run_until(s, all_done, FINISH_LIMIT) && oracle_first(s->oracle) == NULL)
        tell_late(s);
    for (uint32_t i = 1; i < s->consumers_count; i++)
        s->consumers[i].stop = true;
    scenario_ledger_drain(s);
}

static bool audit_done(struct scenario *s)
{
    for (uint32_t i = 0; i < s->groups_count; i++)
        if (s->groups[i].reads_count < s->group_reads[i] + GROUP_READS)
            return false;
    if (s->crowds_count > 0 && !model_crowd_audit_is_done(&s->crowd))
        return false;
    return model_consumer_audit_is_done(scenario_clients_auditor(s));
}

static void audit(struct scenario *s)
{
    struct history_event event = {.kind = HISTORY_LATE, .offset = -1};

    if (oracle_first(s->oracle) != NULL)
        return;
    scenario_say(s, "audit");
    scenario_ledger_audit(s);
    model_consumer_audit(scenario_clients_auditor(s));
    if (s->crowds_count > 0)
        model_crowd_audit(&s->crowd);
    for (uint32_t i = 0; i < s->groups_count; i++)
        s->group_reads[i] = s->groups[i].reads_count;
    if (scenario_lives_run_until(s, audit_done, AUDIT_LIMIT) || oracle_first(s->oracle) != NULL)
        return;
    if (!model_consumer_audit_is_done(scenario_clients_auditor(s)))
        model_client_tell(&scenario_clients_auditor(s)->client, &event);
    else if (s->crowds_count > 0 && !model_crowd_audit_is_done(&s->crowd))
        model_client_tell(&s->crowd.client, &event);
    else
        model_client_tell(&s->groups[0].client, &event);
}

/* In order; then, perhaps, the power goes: nothing may be lost by that. */
static void stop_and_start(struct scenario *s)
{
    struct sim_node *node = s->broker.node;

    if (oracle_first(s->oracle) != NULL)
        return;
    scenario_say(s, "orderly stop");
    sim_node_stop(node);
    if (!s->broker.stopped || s->broker.stop_err != OK)
        oracle_complain(s->oracle, "STOP", sim_world_now_ns(s->world),
                        "the broker does not stop in order without faults");
    if (s->options->export_dir != NULL &&
        sim_image_dump(&node->disk, SIM_DURABLE, s->options->export_dir) != 0)
        oracle_complain(s->oracle, "EXPORT", sim_world_now_ns(s->world),
                        "the disk cannot be copied to the directory");
    if (s->power_off_at_end) {
        scenario_say(s, "power off");
        sim_disk_power_lost(&node->disk);
    }
    scenario_lives_start(s);
}

static void crash_and_start(struct scenario *s)
{
    if (oracle_first(s->oracle) != NULL)
        return;
    scenario_say(s, "power loss after the audit");
    sim_node_crash(s->broker.node, SIM_POWER_LOSS);
    scenario_lives_start(s);
}

static void on_finding(void *context, const char *rule, const char *text)
{
    struct scenario *s = context;

    if (oracle_first(s->oracle) == NULL)
        oracle_complain(s->oracle, rule, sim_world_now_ns(s->world), text);
}

static int64_t retention_bytes_of(void *context, const struct uuid *topic_id)
{
    const struct scenario *s = context;

    for (uint32_t i = 0; i < s->topics.count; i++)
        if (uuid_equal(&s->topics.at[i].id, topic_id))
            return s->topics.at[i].rules.retention_bytes;
    return -1;
}

/* When it had the time to look at it, too. */
static void look_at_retention(struct scenario *s)
{
    uint64_t checks_ns = RETENTION_CHECKS * s->retention_check_ms * SIM_MS;

    if (s->retention_check_ms == 0 || s->retention_check_ms > RETENTION_CHECK_MS_MAX ||
        oracle_first(s->oracle) != NULL)
        return;
    scenario_lives_run_until(s, NULL, CALM_BEFORE_RETENTION + checks_ns);
    if (oracle_first(s->oracle) == NULL && s->broker.ready &&
        sim_kept_look(&s->broker, retention_bytes_of, on_finding, s) > 0)
        sim_mark(MARK_KEPT_BY_SIZE);
}

static bool is_crowded(struct scenario *s)
{
    return model_crowd_is_large(&s->crowd);
}

static void run_phases(struct scenario *s)
{
    scenario_lives_start(s);
    scenario_clients_start(s);
    scenario_lives_run_until(s, NULL, s->warm_up_ms * SIM_MS);
    if (s->crowds_count > 0)
        scenario_lives_run_until(s, is_crowded, FINISH_LIMIT);
    scenario_faults_run(s);
    if (plan_has(&s->plan, PLAN_LONG))
        scenario_long_run(s);
    liveness(s);
    if (s->needs_operator)
        return;
    look_at_retention(s);
    audit(s);
    stop_and_start(s);
    audit(s);
    if (s->crash_faults) {
        crash_and_start(s);
        audit(s);
    }
    if (plan_has(&s->plan, PLAN_ROT))
        scenario_rot_run(s);
    if (oracle_first(s->oracle) == NULL)
        sim_node_stop(s->broker.node);
}

static void report(struct scenario *s, struct scenario_result *out)
{
    const struct oracle_complaint *first = oracle_first(s->oracle);

    out->complaints_count = s->oracle->complaints_count;
    out->acknowledged_count = s->oracle->acknowledged_count;
    out->reads_count = s->oracle->reads_count;
    out->shard_changes_count = s->shard_changes_count;
    out->generations_count = s->oracle->groups->generations_count;
    out->kept_count = s->oracle->groups->kept_count;
    out->hash = sim_world_hash(s->world);
    out->stats = *sim_world_stats(s->world);
    out->virtual_ns = sim_world_now_ns(s->world);
    sim_marks_take(&out->marks);
    if (first == NULL)
        return;
    out->failed = true;
    out->complaint = *first;
    if (s->options->trace)
        history_print_about(&s->history, stderr, first->partition, first->offset, first->value);
}

/* The plan, whole, before anything of the run is there.  False: the text that was given is none. */
static bool prepare(struct scenario *s, const struct scenario_options *options)
{
    s->options = options;
    history_init(&s->history);
    s->history.listen = on_event;
    s->history.context = s;
    s->oracle = oracle_create();
    if (options->plan_text == NULL)
        plan_draw(&s->plan, options->seed, options->parts, options->parts_forced);
    else if (!plan_read(&s->plan, options->plan_text))
        return false;
    scenario_draw(s);
    plan_scope_none(&s->plan);
    plan_stream(&s->plan, "assignments", &s->assignment_prng);
    return s->plan.problem[0] == '\0';
}

static void give_up(struct scenario *s)
{
    scenario_ledger_end(s);
    oracle_destroy(s->oracle);
    history_deinit(&s->history);
    mem_free(s);
}

static void fail(struct scenario_result *out, const char *rule, const char *text)
{
    out->failed = true;
    out->complaint = (struct oracle_complaint){.time_ns = out->virtual_ns};
    snprintf(out->complaint.rule, sizeof(out->complaint.rule), "%s", rule);
    snprintf(out->complaint.text, sizeof(out->complaint.text), "%s", text);
}

bool scenario_print_plan(const struct scenario_options *options, FILE *file)
{
    struct scenario *s = mem_alloc(sizeof(*s));
    bool is_good = prepare(s, options);
    const char *unasked = plan_first_unasked(&s->plan);

    if (is_good)
        plan_print(&s->plan, file);
    else
        fprintf(stderr, "%s\n", s->plan.problem);
    if (is_good && unasked != NULL)
        fprintf(stderr, "%s: this plan does not need it\n", unasked);
    give_up(s);
    return is_good;
}

/* Whether account was kept of the broker's memory. */
static bool live(struct scenario *s, struct scenario_result *out)
{
    struct sim_world_options world = {.seed = s->plan.seed,
                                      .trace = s->options->trace_world,
                                      .net = &s->net,
                                      .lag_ppm = s->lag_ppm};
    char text[64];
    bool is_kept;

    s->world = sim_world_create(&world);
    s->world->net.no_faults = true;
    sim_broker_init(&s->broker, s->world, "broker", &s->broker_options);
    s->broker.finds_leaks = true;
    s->disk = s->broker.node->disk.options; /* with what init filled in */
    sim_disk_heal(&s->broker.node->disk);
    sim_buggify_begin(&s->buggify, s->broker.node, plan_has(&s->plan, PLAN_BUGGIFY));
    sim_watch_begin(&s->watch, &s->broker, on_finding, s);
    scenario_lives_set_faults(s, false);
    run_phases(s);
    report(s, out);
    sim_buggify_end(&s->buggify);
    sim_world_destroy(s->world);
    if (s->broker.left_count > 0 && !out->failed) {
        snprintf(text, sizeof(text), "a broker that ended in order left %" PRIu64 " blocks",
                 s->broker.left_count);
        fail(out, "MEM", text);
    }
    if (s->broker.leaks_count > 0 && !out->failed)
        fail(out, "MEM", "a broker that crashed had lost blocks, as standard error says");
    is_kept = s->broker.heap.is_kept;
    sim_broker_deinit(&s->broker);
    return is_kept;
}

void scenario_run(const struct scenario_options *options, struct scenario_result *out)
{
    uint64_t blocks_before = mem_used_count();
    struct scenario *s = mem_alloc(sizeof(*s));
    uint64_t lost_blocks;
    char text[64];
    bool is_kept;

    *out = (struct scenario_result){0};
    if (!prepare(s, options)) {
        fail(out, "PLAN", s->plan.problem);
        give_up(s);
        return;
    }
    out->parts = s->plan.parts;
    is_kept = live(s, out);
    give_up(s);
    lost_blocks = mem_used_count() - blocks_before;
    if (lost_blocks == 0 || out->failed || !is_kept)
        return;
    snprintf(text, sizeof(text), "%" PRIu64 " blocks of memory were not given back", lost_blocks);
    fail(out, "MEM", text);
}
