#include "tests/support/transaction_world.h"

#include "base/check.h"
#include "net/protocol/kafka_errors.h"

#include <string.h>

enum { NOW_MS = 1000, TIMEOUT_MS = 60000 };

/* One step that is being taken. */
struct stepping {
    struct world *w;
    const struct world_rules *rules;
    const char *broken;
};

static void breaks(struct stepping *s, const char *rule)
{
    if (s->broken == NULL)
        s->broken = rule;
}

/* ---- the coordinator: the real decisions on the small state */

static int64_t real_producer(int8_t producer_id)
{
    return producer_id == 0 ? TRANSACTION_NO_PRODUCER : producer_id;
}

static int8_t small_producer(int64_t producer_id)
{
    return producer_id == TRANSACTION_NO_PRODUCER ? 0 : (int8_t)producer_id;
}

static struct transaction load(const struct world *w, int id)
{
    const struct world_id *from = &w->log.ids[id];
    struct transaction tx;

    transaction_init(&tx, real_producer(from->producer_id), TIMEOUT_MS, NOW_MS);
    tx.fields.state = (enum transaction_state)from->state;
    tx.fields.client_version = from->client_version;
    tx.fields.epoch = from->epoch;
    tx.fields.previous_producer_id = real_producer(from->previous_producer_id);
    tx.fields.next_producer_id = real_producer(from->next_producer_id);
    tx.last_epoch = w->last_epochs[id];
    tx.partition_count = (uint32_t)__builtin_popcount((unsigned)from->set);
    return tx;
}

static void apply(struct world *w, int id, const struct transaction_decision *decision, int8_t adds)
{
    struct world_id *to = &w->log.ids[id];

    to->is_known = 1;
    to->state = (int8_t)decision->next.state;
    to->client_version = decision->next.client_version;
    to->epoch = decision->next.epoch;
    to->producer_id = small_producer(decision->next.producer_id);
    to->previous_producer_id = small_producer(decision->next.previous_producer_id);
    to->next_producer_id = small_producer(decision->next.next_producer_id);
    to->set = (int8_t)(to->set | adds);
    if (to->state == TRANSACTION_EMPTY)
        to->set = 0;
    w->last_epochs[id] = decision->next_last_epoch;
}

static struct transaction_decision happen(struct stepping *s, int id,
                                          struct transaction_event *event, int8_t adds)
{
    struct transaction tx = load(s->w, id);
    struct transaction_decision decision;

    event->now_ms = NOW_MS;
    event->timeout_ms = TIMEOUT_MS;
    event->new_producer_id = TRANSACTION_NO_PRODUCER;
    if (!s->w->log.ids[id].is_known) {
        if (event->kind != TRANSACTION_INIT)
            return (struct transaction_decision){.error = KAFKA_INVALID_PRODUCER_ID_MAPPING};
        transaction_init(&tx, ++s->w->next_producer_id, TIMEOUT_MS, NOW_MS);
        tx.fields.epoch = s->rules->first_epoch;
    }
    decision = transaction_decide(&tx, event);
    if (decision.needs_producer_id) {
        event->new_producer_id = ++s->w->next_producer_id;
        decision = transaction_decide(&tx, event);
    }
    if (decision.writes)
        apply(s->w, id, &decision, adds);
    return decision;
}

/* ---- partitions */

static bool is_registered(const struct world *w, int id, int partition)
{
    return (w->log.ids[id].set >> partition & 1) != 0;
}

static void put_record(struct stepping *s, int client, int partition)
{
    struct world_client *c = &s->w->clients[client];
    struct world_producer *p = &s->w->log.producers[partition][s->rules->ids[client]];

    if (p->open != 0 && p->open != c->txn + 1)
        breaks(s, "records of two transactions are one");
    if (s->w->log.outcomes[c->txn][partition] > OUTCOME_OPEN)
        breaks(s, "a record of a transaction stands behind its end");
    p->producer_id = c->producer_id;
    p->epoch = c->epoch;
    p->open_epoch = c->epoch;
    p->open = (int8_t)(c->txn + 1);
    s->w->log.outcomes[c->txn][partition] = OUTCOME_OPEN;
}

/* A batch of the client at the partition. */
static int16_t produce(struct stepping *s, int client, int partition)
{
    struct world_client *c = &s->w->clients[client];
    int id = s->rules->ids[client];
    int8_t version = s->rules->versions[client];
    struct world_producer *p = &s->w->log.producers[partition][id];
    bool is_same = p->producer_id == c->producer_id;
    struct transaction_event event = {
        .kind = version >= TRANSACTION_V2 ? TRANSACTION_ADD : TRANSACTION_VERIFY,
        .version = version,
        .producer_id = c->producer_id,
        .epoch = c->epoch,
        .has_all = is_registered(s->w, id, partition),
    };
    struct transaction_decision decision;

    if (is_same && p->epoch == c->epoch && s->w->log.outcomes[c->txn][partition] != OUTCOME_NONE)
        return KAFKA_NONE; /* it is there: a duplicate */
    if (is_same && c->epoch < p->epoch)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (p->open != 0 && !(is_same && p->open_epoch == c->epoch))
        return KAFKA_CONCURRENT_TRANSACTIONS;
    if (p->open == 0) {
        decision = happen(s, id, &event, (int8_t)(1 << partition));
        if (decision.error != KAFKA_NONE)
            return decision.error;
    }
    put_record(s, client, partition);
    return KAFKA_NONE;
}

static void end_records(struct stepping *s, struct world_producer *p, int partition, bool commit)
{
    int txn = p->open - 1;

    s->w->log.outcomes[txn][partition] = commit ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    if (commit && !s->w->asked_commit[txn])
        breaks(s, "a transaction is committed that nobody committed");
    p->open = 0;
}

static void put_marker(struct stepping *s, int id, int partition)
{
    struct world_id *of = &s->w->log.ids[id];
    struct world_producer *p = &s->w->log.producers[partition][id];
    bool is_same = p->producer_id == of->producer_id;
    bool v2 = of->client_version >= TRANSACTION_V2;

    of->set = (int8_t)(of->set & ~(1 << partition));
    if (is_same && (of->epoch < p->epoch || (v2 && of->epoch == p->epoch && p->open != 0))) {
        breaks(s, "a marker of an older epoch");
        return;
    }
    if (is_same && p->open != 0)
        end_records(s, p, partition, of->state == TRANSACTION_PREPARE_COMMIT);
    else if (p->open != 0)
        breaks(s, "a marker finds another producer's transaction");
    p->producer_id = of->producer_id;
    p->epoch = of->epoch;
}

/* ---- requests of clients */

static void answer(struct world_client *c, int16_t error, int8_t producer_id, int16_t epoch)
{
    c->has_answer = 1;
    c->is_durable = 0;
    c->answer_error = error;
    c->answer_producer_id = producer_id;
    c->answer_epoch = epoch;
}

static void execute_init(struct stepping *s, int client)
{
    struct world_client *c = &s->w->clients[client];
    struct transaction_event event = {.kind = TRANSACTION_INIT,
                                      .version = s->rules->server_version,
                                      .producer_id = real_producer(c->producer_id),
                                      .epoch =
                                          c->producer_id == 0 ? TRANSACTION_NO_EPOCH : c->epoch};
    struct transaction_decision decision = happen(s, s->rules->ids[client], &event, 0);

    s->w->lanes[client] = 0; /* an accepted one clears it */
    answer(c, decision.error, small_producer(decision.producer_id), decision.epoch);
}

static void execute_add(struct stepping *s, int client)
{
    struct world_client *c = &s->w->clients[client];
    int id = s->rules->ids[client];
    struct transaction_event event = {.kind = TRANSACTION_ADD,
                                      .version = TRANSACTION_V1,
                                      .producer_id = c->producer_id,
                                      .epoch = c->epoch,
                                      .has_all = is_registered(s->w, id, c->ask_partition)};

    answer(c, happen(s, id, &event, (int8_t)(1 << c->ask_partition)).error, 0, 0);
}

static struct transaction_decision execute_end(struct stepping *s, int client, int8_t producer_id,
                                               int16_t epoch, bool commit)
{
    struct transaction_event event = {.kind = TRANSACTION_END,
                                      .version = s->rules->versions[client],
                                      .producer_id = producer_id,
                                      .epoch = epoch,
                                      .commit = commit};

    return happen(s, s->rules->ids[client], &event, 0);
}

static void execute(struct stepping *s, int client)
{
    struct world_client *c = &s->w->clients[client];
    struct transaction_decision decision;

    if (c->ask != ASK_INIT && c->ask != ASK_PRODUCE && s->w->lanes[client] < c->connection)
        s->w->lanes[client] = c->connection;
    switch (c->ask) {
    case ASK_INIT:
        execute_init(s, client);
        break;
    case ASK_ADD:
        execute_add(s, client);
        break;
    case ASK_PRODUCE:
        answer(c, produce(s, client, c->ask_partition), 0, 0);
        break;
    case ASK_END:
        decision = execute_end(s, client, c->producer_id, c->epoch, c->commits != 0);
        answer(c, decision.error, small_producer(decision.producer_id), decision.epoch);
        break;
    default:
        check(false);
    }
}

/* ---- what clients do with answers */

static void end_client(struct world_client *c)
{
    c->phase = CLIENT_OVER;
    c->ask = ASK_NOTHING;
}

static void hear_end(struct stepping *s, struct world_client *c)
{
    if (c->answer_error != KAFKA_NONE) {
        end_client(c); /* fenced, or a state that no client goes on from */
        return;
    }
    s->w->told[c->txn] = c->commits ? 1 : 2;
    s->w->told_written[c->txn] = c->written;
    if (c->answer_producer_id != 0) {
        c->producer_id = c->answer_producer_id;
        c->epoch = c->answer_epoch;
    }
    c->txn = -1;
    c->written = 0;
    c->added = 0;
    c->must_abort = 0;
    c->phase = c->txns_left == 0                  ? CLIENT_OVER
               : s->rules->reinits && !c->commits ? CLIENT_NEW
                                                  : CLIENT_READY;
}

static void hear_part(struct world_client *c, int8_t ask)
{
    int8_t bit = (int8_t)(1 << c->ask_partition);

    if (c->answer_error == KAFKA_NONE && ask == ASK_ADD)
        c->added = (int8_t)(c->added | bit);
    else if (c->answer_error == KAFKA_NONE)
        c->written = (int8_t)(c->written | bit);
    else if (c->answer_error == KAFKA_TRANSACTION_ABORTABLE)
        c->must_abort = 1;
    else
        end_client(c);
}

static void hear(struct stepping *s, int client)
{
    struct world_client *c = &s->w->clients[client];
    int8_t ask = c->ask;

    c->has_answer = 0;
    if (c->answer_error == KAFKA_CONCURRENT_TRANSACTIONS)
        return; /* it asks again */
    c->ask = ASK_NOTHING;
    if (ask == ASK_END) {
        hear_end(s, c);
    } else if (ask != ASK_INIT) {
        hear_part(c, ask);
    } else if (c->answer_error != KAFKA_NONE) {
        end_client(c);
    } else {
        c->producer_id = c->answer_producer_id;
        c->epoch = c->answer_epoch;
        c->phase = CLIENT_READY;
    }
    c->answer_error = 0;
    c->answer_epoch = 0;
    c->answer_producer_id = 0;
    c->is_durable = 0;
    c->ask_partition = 0;
}

/* What a client may ask next: choice counts them. */
static bool ask_next(struct stepping *s, int client, unsigned choice)
{
    struct world_client *c = &s->w->clients[client];
    bool v2 = s->rules->versions[client] >= TRANSACTION_V2;
    int8_t partition = (int8_t)(choice % WORLD_PARTITIONS);

    if (c->phase == CLIENT_NEW && choice == 0) {
        c->ask = ASK_INIT;
        return true;
    }
    if (c->phase == CLIENT_READY && choice == 0) {
        c->phase = CLIENT_IN;
        c->txns_left--;
        c->txn = s->w->txn_count++;
        s->w->txn_client[c->txn] = (int8_t)client;
        return true;
    }
    if (c->phase != CLIENT_IN)
        return false;
    if (choice < WORLD_PARTITIONS) {
        if (c->must_abort || (c->written >> partition & 1) != 0 ||
            partition >= s->rules->partitions[client])
            return false;
        c->ask_partition = partition;
        c->ask = v2 || (c->added >> partition & 1) != 0 ? ASK_PRODUCE : ASK_ADD;
        return true;
    }
    c->commits = choice == WORLD_PARTITIONS;
    if (choice > WORLD_PARTITIONS + 1 ||
        (c->written == 0 && (c->commits || !v2 || !s->rules->aborts_nothing)) ||
        (c->commits && c->must_abort))
        return false;
    c->phase = CLIENT_ENDING;
    c->ask = ASK_END;
    s->w->asked_commit[c->txn] = c->commits;
    return true;
}

/* ---- steps */

enum { CHOICES = WORLD_PARTITIONS + 2 };
enum client_step {
    STEP_NEXT,
    STEP_EXECUTE = CHOICES, /* the broker does it, and the answer is on its way */
    STEP_LOSE,              /* ... or is lost: the client asks again, on a new connection */
    STEP_DELAY,             /* the network holds the frame back; likewise */
    STEP_HEAR,
    CLIENT_STEPS,
};

static bool delay(struct stepping *s, int client)
{
    struct world_client *c = &s->w->clients[client];
    struct world_delayed *d = &s->w->delayed;

    if (c->ask != ASK_END || c->has_answer || s->w->delays == 0)
        return false;
    s->w->delays--;
    d->is_there = 1;
    d->client = (int8_t)client;
    d->commit = c->commits;
    d->producer_id = c->producer_id;
    d->epoch = c->epoch;
    d->connection = c->connection++;
    return true;
}

static bool step_client(struct stepping *s, int client, unsigned step)
{
    struct world_client *c = &s->w->clients[client];

    if (step < STEP_EXECUTE)
        return c->ask == ASK_NOTHING && ask_next(s, client, step);
    if (c->ask == ASK_NOTHING)
        return false;
    switch (step) {
    case STEP_EXECUTE:
        if (c->has_answer)
            return false;
        execute(s, client);
        return true;
    case STEP_LOSE:
        if (!c->has_answer || s->w->losses == 0)
            return false;
        s->w->losses--;
        c->has_answer = 0;
        c->connection++;
        return true;
    case STEP_DELAY:
        return delay(s, client);
    default:
        if (!c->has_answer || !c->is_durable)
            return false;
        hear(s, client);
        return true;
    }
}

static void flush(struct world *w)
{
    w->durable = w->log;
    for (int c = 0; c < WORLD_CLIENTS; c++)
        if (w->clients[c].has_answer)
            w->clients[c].is_durable = 1;
}

static void crash(struct world *w)
{
    w->crashes--;
    w->log = w->durable;
    for (int id = 0; id < WORLD_IDS; id++)
        w->last_epochs[id] = TRANSACTION_NO_EPOCH;
    memset(w->lanes, 0, sizeof(w->lanes));
    for (int c = 0; c < WORLD_CLIENTS; c++) {
        w->clients[c].has_answer = 0;
        w->clients[c].connection++;
    }
}

static bool deliver_delayed(struct stepping *s)
{
    struct world_delayed d = s->w->delayed;

    if (!d.is_there)
        return false;
    memset(&s->w->delayed, 0, sizeof(s->w->delayed));
    if (!s->rules->guards_lanes || d.connection >= s->w->lanes[d.client])
        (void)execute_end(s, d.client, d.producer_id, d.epoch, d.commit != 0);
    return true;
}

static bool is_ending(const struct world_id *id)
{
    return id->is_known &&
           (id->state == TRANSACTION_PREPARE_COMMIT || id->state == TRANSACTION_PREPARE_ABORT);
}

/* Of the coordinator itself, for one id: a marker, the end, a timeout. */
static bool step_id(struct stepping *s, int id, unsigned step)
{
    struct world_id *of = &s->w->log.ids[id];
    struct transaction_event event = {.version = s->rules->server_version};

    if (step < WORLD_PARTITIONS) {
        if (!is_ending(of) || !is_registered(s->w, id, (int)step))
            return false;
        put_marker(s, id, (int)step);
        return true;
    }
    if (step == WORLD_PARTITIONS) {
        event.kind = TRANSACTION_COMPLETE;
        event.version = of->client_version;
        if (!is_ending(of) || of->set != 0)
            return false;
    } else {
        event.kind = TRANSACTION_TIMEOUT;
        if (!of->is_known || of->state != TRANSACTION_ONGOING || s->w->timeouts == 0)
            return false;
        s->w->timeouts--;
    }
    (void)happen(s, id, &event, 0);
    return true;
}

enum { ID_STEPS = WORLD_PARTITIONS + 2 };

/* Differences that make none are taken out: what can be told apart by no later step. */
static void normalize(struct world *w, const struct world_rules *rules)
{
    if (w->crashes == 0) { /* then it does not matter what is durable */
        w->durable = w->log;
        for (int c = 0; c < WORLD_CLIENTS; c++)
            w->clients[c].is_durable = w->clients[c].has_answer;
    }
    for (int c = 0; c < WORLD_CLIENTS; c++) {
        struct world_client *client = &w->clients[c];
        if (!rules->guards_lanes || client->phase == CLIENT_OVER)
            client->connection = 0;
        if (client->phase != CLIENT_OVER)
            continue;
        *client = (struct world_client){.phase = CLIENT_OVER,
                                        .txn = -1,
                                        .producer_id = client->producer_id,
                                        .epoch = client->epoch};
    }
}

bool world_step(const struct world *world, const struct world_rules *rules, unsigned step,
                bool *happened_out, struct world *out, const char **broken_out)
{
    struct stepping s = {.w = out, .rules = rules};

    memcpy(out, world, sizeof(*out));
    *broken_out = NULL;
    if (step < WORLD_CLIENTS * CLIENT_STEPS) {
        *happened_out = step_client(&s, (int)(step / CLIENT_STEPS), step % CLIENT_STEPS);
    } else if ((step -= WORLD_CLIENTS * CLIENT_STEPS) < WORLD_IDS * ID_STEPS) {
        *happened_out = step_id(&s, (int)(step / ID_STEPS), step % ID_STEPS);
    } else if ((step -= WORLD_IDS * ID_STEPS) == 0) {
        flush(out);
        *happened_out = true;
    } else if (step == 1) {
        *happened_out = out->crashes > 0;
        if (*happened_out)
            crash(out);
    } else if (step == 2) {
        *happened_out = deliver_delayed(&s);
    } else {
        return false;
    }
    normalize(out, rules);
    *broken_out = s.broken;
    return true;
}

void world_init(struct world *world, const struct world_rules *rules)
{
    memset(world, 0, sizeof(*world));
    for (int id = 0; id < WORLD_IDS; id++)
        world->last_epochs[id] = TRANSACTION_NO_EPOCH;
    for (int c = 0; c < WORLD_CLIENTS; c++) {
        world->clients[c].txn = -1;
        world->clients[c].txns_left = rules->txns[c];
        world->clients[c].connection = 1;
        world->clients[c].phase = rules->txns[c] == 0 ? CLIENT_OVER : CLIENT_NEW;
    }
    world->crashes = rules->crashes;
    world->timeouts = rules->timeouts;
    world->losses = rules->losses;
    world->delays = rules->delays;
}

/* ---- what must hold */

static const char *check_txn(const struct world *w, const struct world_rules *rules, int txn)
{
    const int8_t *outcomes = w->log.outcomes[txn];
    int id = rules->ids[w->txn_client[txn]];
    bool is_committed = false, is_aborted = false;

    for (int p = 0; p < WORLD_PARTITIONS; p++) {
        is_committed = is_committed || outcomes[p] == OUTCOME_COMMITTED;
        is_aborted = is_aborted || outcomes[p] == OUTCOME_ABORTED;
        if (w->told[txn] != 1 || (w->told_written[txn] >> p & 1) == 0)
            continue;
        if (outcomes[p] == OUTCOME_NONE)
            return "a record of a transaction that was told committed is lost"; /* DUR-T4 */
        if (outcomes[p] == OUTCOME_OPEN &&
            (w->log.ids[id].state != TRANSACTION_PREPARE_COMMIT || !is_registered(w, id, p)))
            return "a transaction that was told committed will not be"; /* DUR-T4 */
    }
    if (is_committed && is_aborted)
        return "a transaction is torn"; /* DUR-T3 */
    if (w->told[txn] == 1 && is_aborted)
        return "a transaction that was told committed is aborted";
    if (w->told[txn] == 2 && is_committed)
        return "a transaction that was told aborted is committed";
    return NULL;
}

/* DUR-T7: who is open in a partition is known to the coordinator. */
static const char *check_open(const struct world *w, int id, int partition)
{
    const struct world_producer *p = &w->log.producers[partition][id];
    const struct world_id *of = &w->log.ids[id];

    if (p->open == 0)
        return NULL;
    if (!of->is_known || p->producer_id != of->producer_id || !is_registered(w, id, partition))
        return "an open transaction is not the coordinator's";
    if (of->state == TRANSACTION_ONGOING && p->open_epoch == of->epoch)
        return NULL;
    if (is_ending(of) && (p->open_epoch == of->epoch || p->open_epoch + 1 == of->epoch))
        return NULL;
    return "an open transaction has another epoch than the coordinator's";
}

const char *world_check(const struct world *w, const struct world_rules *rules)
{
    const char *broken = NULL;

    for (int t = 0; t < w->txn_count && broken == NULL; t++)
        broken = check_txn(w, rules, t);
    for (int id = 0; id < WORLD_IDS; id++)
        for (int p = 0; p < WORLD_PARTITIONS && broken == NULL; p++)
            broken = check_open(w, id, p);
    for (int a = 0; a < WORLD_CLIENTS; a++) /* DUR-T9 */
        for (int b = 0; b < a && broken == NULL; b++)
            if (w->clients[a].producer_id != 0 &&
                w->clients[a].producer_id == w->clients[b].producer_id &&
                w->clients[a].epoch == w->clients[b].epoch)
                broken = "two clients have one epoch";
    for (int c = 0; c < WORLD_CLIENTS; c++)
        if (w->clients[c].producer_id != 0 && w->clients[c].epoch > TRANSACTION_EPOCH_LAST)
            broken = "a client was told the last epoch"; /* TXN-2 */
    return broken;
}

const char *world_check_drained(const struct world *world, const struct world_rules *rules)
{
    struct world w;
    struct stepping s = {.w = &w, .rules = rules};
    bool goes_on = true;

    memcpy(&w, world, sizeof(w));
    w.timeouts = WORLD_IDS;
    for (int round = 0; goes_on; round++) {
        goes_on = false;
        for (int id = 0; id < WORLD_IDS; id++)
            for (unsigned step = 0; step < ID_STEPS; step++)
                goes_on = step_id(&s, id, step) || goes_on;
        if (round > 4 * WORLD_PARTITIONS)
            return "it does not end";
    }
    for (int id = 0; id < WORLD_IDS; id++)
        for (int p = 0; p < WORLD_PARTITIONS; p++)
            if (w.log.producers[p][id].open != 0)
                return "a transaction stays open"; /* DUR-T7 */
    return s.broken != NULL ? s.broken : world_check(&w, rules);
}
