/* Transfers over the partitions of a ledger, in transactions. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

enum { FIRST_TRANSACTOR = 1, LEDGER_IDS_MAX = 3 };

/* A fence, the markers and a start behind the last scan. */
#define SETTLE_NS (20 * SIM_SECOND)

/* ---- the plan */

static struct model_client_options draw_client(struct scenario *s, uint32_t id)
{
    struct plan *plan = &s->plan;
    struct model_client_options options = {
        .id = id,
        .timeout_ms = (uint32_t)plan_pick_of(plan, "timeout.ms", 200, 1000, 5000),
        .reconnect_max_ms = (uint32_t)plan_pick_of(plan, "reconnect.ms", 5, 50, 300),
    };

    if (plan_has(plan, PLAN_HANG_UP))
        options.hang_up_ppm = (uint32_t)plan_pick_of(plan, "hang.up.ppm", 0, 500, 5000);
    return options;
}

static uint32_t draw_transactor(struct scenario *s, uint32_t index, uint32_t ids_count)
{
    struct plan *plan = &s->plan;
    struct model_transactor_options *options = &s->ledger.transactor_options[index];
    uint32_t id = scenario_first_of_ledger(s) + FIRST_TRANSACTOR + index;

    plan_scope(plan, "transactor%" PRIu32, index);
    s->client_options[id] = draw_client(s, id);
    *options = (struct model_transactor_options){
        .id = index % ids_count,
        .is_tv2 = plan_odds(plan, "tv2", 1, 2),
        .timeout_ms = (uint32_t)plan_pick_of(plan, "transaction.timeout.ms", 300, 2000, 20000),
        .transactions_max = (uint32_t)plan_pick_of(plan, "transactions", 3, 15, 40),
        .rounds_max = (uint32_t)plan_range(plan, "rounds", 1, 4),
        .records_max = (uint32_t)plan_range(plan, "records", 1, TRANSACTOR_BATCH_MAX),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 10, 100),
        .down_max_ms = (uint32_t)plan_pick_of(plan, "down.ms", 5, 200, 1000),
        .abort_odds = (uint32_t)plan_pick_of(plan, "aborts", 10, 30, 60),
        .stop_odds = (uint32_t)plan_pick_of(plan, "stops", 0, 5, 20),
        .repeat_odds = (uint32_t)plan_pick_of(plan, "repeats", 0, 10, 50),
        .empty_odds = (uint32_t)plan_pick_of(plan, "empty", 0, 10),
    };
    return options->timeout_ms;
}

static void draw_auditor(struct scenario *s, uint32_t index)
{
    struct plan *plan = &s->plan;
    uint32_t id =
        scenario_first_of_ledger(s) + FIRST_TRANSACTOR + s->ledger.transactors_count + index;

    plan_scope(plan, "auditor%" PRIu32, index);
    s->client_options[id] = draw_client(s, id);
    s->ledger.auditor_options[index] = (struct model_auditor_options){
        .view = index,
        .is_committed = index > 0,
        .wanders = index == 2,
        .max_wait_ms = (uint32_t)plan_pick_of(plan, "wait.ms", 0, 20, 100),
        .partition_bytes_max = (uint32_t)plan_pick_of(plan, "partition.bytes", 1, 500, 1 << 20),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 10, 100),
    };
}

/* What makes that anybody may be fenced, or forgotten. */
static bool is_lenient(const struct scenario *s)
{
    const struct plan *plan = &s->plan;

    return s->clock_faults || plan_has(plan, PLAN_CLOCK) || plan_has(plan, PLAN_LONG) ||
           plan_has(plan, PLAN_ALLOCATIONS) || plan_has(plan, PLAN_LIMITS);
}

void scenario_ledger_draw(struct scenario *s)
{
    struct plan *plan = &s->plan;
    struct ledger *ledger = &s->ledger;
    uint64_t scan_ms = 10000;
    uint32_t timeout_ms = 0;
    uint32_t ids_count;

    plan_scope(plan, "ledger");
    if (!plan_has(plan, PLAN_LONG)) /* it wakes the broker each time */
        scan_ms = plan_pick_of(plan, "scan.ms", 20, 200, 2000);
    scenario_draw_set(s, "transaction.abort.timed.out.transaction.cleanup.interval.ms=%" PRIu64,
                      scan_ms);
    scenario_draw_set(s, "transaction.state.log.num.partitions=%" PRIu64,
                      plan_range(plan, "state.partitions", 1, 3));
    ids_count = (uint32_t)plan_range(plan, "ids", 1, LEDGER_IDS_MAX);
    ledger->transactors_count =
        (uint32_t)plan_count(plan, "transactors", 1, ids_count, TRANSACTORS_MAX);
    model_topics_add(&ledger->topics, "ledger", (uint32_t)plan_range(plan, "partitions", 1, 4));
    model_topics_set(&ledger->topics, "retention.ms", "-1");
    model_topics_set(&ledger->topics, "segment.bytes", "%" PRIu32, scenario_draw_segment_bytes(s));
    model_topics_set(&ledger->topics, "message.timestamp.after.max.ms", "%" PRId64, INT64_MAX);
    oracle_txn_init(&ledger->txn, s->oracle);
    ledger->txn.is_lenient = is_lenient(s);
    ledger->txn.trace = s->options->trace ? stderr : NULL;
    oracle_txn_log_init(&ledger->log, &ledger->txn, ledger->topics.partitions_count);
    plan_scope(plan, "ledger.admin");
    s->client_options[scenario_first_of_ledger(s)] = draw_client(s, scenario_first_of_ledger(s));
    for (uint32_t i = 0; i < ledger->transactors_count; i++) {
        uint32_t drawn_ms = draw_transactor(s, i, ids_count);
        if (drawn_ms > timeout_ms)
            timeout_ms = drawn_ms;
    }
    for (uint32_t i = 0; i < AUDITORS_MAX; i++)
        draw_auditor(s, i);
    ledger->patience_ns = (timeout_ms + 2 * scan_ms) * SIM_MS + SETTLE_NS;
    ledger->clients_count = FIRST_TRANSACTOR + ledger->transactors_count + AUDITORS_MAX;
}

void scenario_ledger_end(struct scenario *s)
{
    oracle_txn_log_deinit(&s->ledger.log);
    oracle_txn_deinit(&s->ledger.txn);
}

/* ---- clients */

void scenario_ledger_start_client(struct scenario *s, struct sim_node *node, uint32_t index)
{
    struct ledger *ledger = &s->ledger;
    const struct model_client_options *client =
        &s->client_options[scenario_first_of_ledger(s) + index];

    if (index == 0) {
        model_admin_init(&ledger->admin, node, &s->history, client, &ledger->topics, 1);
        return;
    }
    index -= FIRST_TRANSACTOR;
    if (index < ledger->transactors_count) {
        model_transactor_init(&ledger->transactors[index], node, &s->history, client,
                              &ledger->transactor_options[index], &ledger->topics, &ledger->txn);
        return;
    }
    index -= ledger->transactors_count;
    model_auditor_init(&ledger->auditors[index], node, &s->history, client,
                       &ledger->auditor_options[index], &ledger->topics, &ledger->log);
}

void scenario_ledger_end_client(struct scenario *s, uint32_t index)
{
    struct ledger *ledger = &s->ledger;

    if (index == 0)
        model_admin_deinit(&ledger->admin);
    else if (index < FIRST_TRANSACTOR + ledger->transactors_count)
        model_transactor_deinit(&ledger->transactors[index - FIRST_TRANSACTOR]);
    else
        model_auditor_deinit(
            &ledger->auditors[index - FIRST_TRANSACTOR - ledger->transactors_count]);
}

/* ---- phases */

void scenario_ledger_finish(struct scenario *s)
{
    for (uint32_t i = 0; i < s->ledger.transactors_count; i++)
        model_transactor_finish(&s->ledger.transactors[i]);
}

bool scenario_ledger_is_finished(const struct scenario *s)
{
    for (uint32_t i = 0; i < s->ledger.transactors_count; i++)
        if (!model_transactor_is_done(&s->ledger.transactors[i]))
            return false;
    return s->ledger.clients_count == 0 || model_admin_is_done(&s->ledger.admin);
}

static bool all_is_read(struct scenario *s)
{
    return model_auditor_is_at_end(&s->ledger.auditors[0]);
}

static bool committed_is_read(struct scenario *s)
{
    return model_auditor_is_at_end(&s->ledger.auditors[1]);
}

/* Up to the end, and what was seen is judged.  False: somebody has complained. */
static bool read_all(struct scenario *s, uint32_t index, bool from_start)
{
    model_auditor_begin(&s->ledger.auditors[index], from_start);
    if (!scenario_lives_run_until(s, index == 0 ? all_is_read : committed_is_read,
                                  s->ledger.patience_ns + AUDIT_LIMIT) &&
        oracle_first(s->oracle) == NULL)
        oracle_txn_complain(&s->ledger.txn, "T7", sim_world_now_ns(s->world),
                            "a reader of %s records does not reach a stable end",
                            index == 0 ? "all" : "committed");
    if (oracle_first(s->oracle) != NULL)
        return false;
    oracle_txn_log_judge_view(&s->ledger.log, sim_world_now_ns(s->world), index);
    return oracle_first(s->oracle) == NULL;
}

void scenario_ledger_drain(struct scenario *s)
{
    if (s->ledger.clients_count == 0 || oracle_first(s->oracle) != NULL)
        return;
    scenario_say(s, "the ledger's transactions end");
    s->ledger.auditors[2].stop = true;
    scenario_lives_run_until(s, NULL, s->ledger.patience_ns);
    if (!read_all(s, 0, false) || !read_all(s, 1, false))
        return;
    s->ledger.auditors[0].stop = s->ledger.auditors[1].stop = true;
}

void scenario_ledger_audit(struct scenario *s)
{
    if (s->ledger.clients_count == 0 || oracle_first(s->oracle) != NULL)
        return;
    if (!read_all(s, 0, true))
        return;
    oracle_txn_log_judge(&s->ledger.log, sim_world_now_ns(s->world));
    if (oracle_first(s->oracle) == NULL)
        read_all(s, 1, true);
    s->ledger.auditors[0].stop = s->ledger.auditors[1].stop = true;
}
