/* client_produce: a producer of the client room against a real broker, through whatever happens to
 * it.
 *
 * usage: client_produce BOOTSTRAP TOPIC KIND SECONDS RECORDS_PER_MS OUTCOMES
 *
 * KIND: idempotent, v1, v2 (transactions of TRANSACTION_RECORDS, each fifth is aborted, each second
 * commits an offset of group "client_produce"), gzip (idempotent, compressed).  Values are numbers
 * from 0 on, in text.  OUTCOMES gets a line for each record, `NUMBER stored|failed|unknown
 * PARTITION OFFSET TRANSACTION`, and for each transaction, `T NUMBER committed|aborted`.  Prints
 * what it counts at the end; exit code 1 when the producer could not go on.
 * tests/clients/client_produce.py drives it. */
#include "base/mem.h"
#include "net/client/client_transaction.h"
#include "net/protocol/kafka_errors.h"
#include "tools/load/load_room.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSACTION_RECORDS = 200, PARTITIONS = 3, VALUE_BYTES = 100 };

static struct load_room *room;
static struct client_cluster *cluster;
static struct client_producer *producer;
static struct client_topic *topic;
static FILE *outcomes;
static struct timer tick;
static uint64_t end_ns, next_number, per_ms, transaction_left;
static uint64_t stored_count, failed_count, unknown_count, full_count;
static uint32_t transaction, committed_count, aborted_count, lost_count;
static uint32_t transaction_of[1 << 24]; /* by number */
static bool is_transactional, has_room = true, has_failed, is_over, is_closed;
static struct client_transaction_op op;
static struct client_group_identity group = {
    .group_id = "client_produce", .member_id = "", .generation_id = -1};
static struct client_group_offset offset = {.leader_epoch = -1, .metadata = ""};

static void run_transaction(void);

/* ---- records */

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    bool is_stored = delivery->err == OK && delivery->error_code == KAFKA_NONE;

    for (uint32_t i = 0; i < delivery->records_count; i++)
        fprintf(outcomes, "%" PRIu64 " %s %d %" PRId64 " %u\n", delivery->tokens[i],
                is_stored                ? "stored"
                : delivery->is_ambiguous ? "unknown"
                                         : "failed",
                delivery->partition,
                delivery->base_offset < 0 ? -1 : delivery->base_offset + (int64_t)i,
                transaction_of[delivery->tokens[i]]);
    *(is_stored                ? &stored_count
      : delivery->is_ambiguous ? &unknown_count
                               : &failed_count) += delivery->records_count;
}

static void on_room(void *context)
{
    has_room = true;
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    printf("fatal: %s, %s\n", kafka_error_name(error_code), err_name(err));
    has_failed = true;
}

static enum err send_one(void)
{
    char value[VALUE_BYTES + 1];
    struct client_record record = {.topic = topic,
                                   .partition = (int32_t)(next_number % PARTITIONS),
                                   .timestamp_ms = -1,
                                   .token = next_number};
    enum err err;

    snprintf(value, sizeof(value), "%-100" PRIu64, next_number);
    record_init(&record.record, NULL, -1, value, VALUE_BYTES);
    transaction_of[next_number] = is_transactional ? transaction : 0;
    err = client_producer_send(producer, &record);
    if (err == OK)
        next_number++;
    else if (err == ERR_FULL)
        full_count++;
    return err;
}

static void end_if_over(void)
{
    if (loop_now_ns(&room->loop) < end_ns)
        return;
    loop_cancel_timer(&room->loop, &tick);
    is_over = true;
}

/* ---- transactions */

static void on_aborted(struct client_transaction_op *done, enum err err)
{
    if (err != OK) {
        printf("abort: %s, %s\n", err_name(err), kafka_error_name(done->error_code));
        has_failed = true;
        return;
    }
    aborted_count++;
    fprintf(outcomes, "T %u aborted\n", transaction);
    run_transaction();
}

static void abort_it(void)
{
    op = (struct client_transaction_op){.done = on_aborted};
    client_transaction_abort(producer, &op);
}

static void on_committed(struct client_transaction_op *done, enum err err)
{
    if (err != OK) {
        lost_count++;
        if (client_transaction_state(producer) == CLIENT_TRANSACTION_FAILED)
            abort_it();
        else
            on_aborted(done, err);
        return;
    }
    committed_count++;
    fprintf(outcomes, "T %u committed\n", transaction);
    run_transaction();
}

static void end_transaction(void)
{
    if (transaction % 5 == 0) {
        abort_it();
        return;
    }
    op = (struct client_transaction_op){.done = on_committed};
    client_transaction_commit(producer, &op);
}

static void on_offsets(struct client_transaction_op *done, enum err err)
{
    if (err == OK)
        end_transaction();
    else if (client_transaction_state(producer) == CLIENT_TRANSACTION_FAILED)
        abort_it();
    else
        on_aborted(done, err);
}

static void run_transaction(void)
{
    end_if_over();
    if (is_over || has_failed)
        return;
    transaction++;
    if (client_transaction_begin(producer) != OK) {
        printf("begin is refused\n");
        has_failed = true;
        return;
    }
    transaction_left = TRANSACTION_RECORDS;
}

static void on_init(struct client_transaction_op *done, enum err err)
{
    printf("init: %s, %s, version %d\n", err_name(err), kafka_error_name(done->error_code),
           client_transaction_version(producer));
    if (err == OK)
        run_transaction();
    else
        has_failed = true;
}

static void tick_transaction(void)
{
    if (transaction_left == 0)
        return;
    while (transaction_left > 0 && send_one() == OK)
        transaction_left--;
    if (client_transaction_state(producer) == CLIENT_TRANSACTION_FAILED)
        transaction_left = 0;
    if (transaction_left > 0)
        return; /* full */
    if (transaction % 2 == 0) {
        op = (struct client_transaction_op){.done = on_offsets};
        offset.topic = topic;
        offset.offset = transaction;
        client_transaction_send_offsets(producer, &op, &group, &offset, 1);
    } else {
        end_transaction();
    }
}

static void on_tick(struct timer *timer)
{
    loop_set_timer_ms(&room->loop, &tick, 1);
    if (is_transactional) {
        tick_transaction();
        return;
    }
    for (uint64_t i = 0; i < per_ms && next_number < (1 << 24) - 1; i++)
        if (send_one() != OK)
            break;
    end_if_over();
}

/* ---- life */

static void on_closed(void *context)
{
    is_closed = true;
}

static void on_drained(struct client_wait *wait, enum err err)
{
    is_over = true;
}

static int run(const char *bootstrap, const char *topic_name, const char *kind)
{
    struct client_options options = client_options_default();
    struct client_producer_options producing = client_producer_options_default();
    struct client_producer_events events = {
        .delivered = on_delivered, .room = on_room, .fatal = on_fatal};
    struct client_wait drained = {.done = on_drained};
    char problem[300];

    is_transactional = kind[0] == 'v';
    options.bootstrap_servers = bootstrap;
    options.request_timeout_ms = 5000;
    producing.transactional_id = is_transactional ? topic_name : NULL;
    producing.codec = strcmp(kind, "gzip") == 0 ? COMPRESSION_GZIP : COMPRESSION_NONE;
    if (client_cluster_create(&room->env, &options, &cluster, problem, sizeof(problem)) != OK ||
        (topic = client_cluster_topic(cluster, topic_name)) == NULL ||
        client_producer_create(cluster, &producing, &events, NULL, &producer) != OK)
        return 2;
    if (strcmp(kind, "v1") == 0)
        client_transaction_force_version_1(producer);
    if (is_transactional) {
        op = (struct client_transaction_op){.done = on_init};
        client_transaction_init(producer, &op);
    }
    timer_init(&tick, on_tick);
    loop_set_timer_ms(&room->loop, &tick, 1);
    while (!is_over && !has_failed)
        if (!load_room_run_until(room, &is_over, 100) && room->loop.stopping)
            return 2;
    is_over = has_failed;
    if (!has_failed) {
        client_producer_drain(producer, &drained);
        (void)load_room_run_until(room, &is_over, 180000);
    }
    client_producer_destroy(producer, on_closed, NULL);
    (void)load_room_run_until(room, &is_closed, 10000);
    is_closed = false;
    client_cluster_destroy(cluster, on_closed, NULL);
    (void)load_room_run_until(room, &is_closed, 10000);
    return has_failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    uint64_t before = mem_used_count();
    int code;

    if (argc != 7)
        return 2;
    outcomes = fopen(argv[6], "w");
    if (outcomes == NULL || load_room_create("client_produce", 64 << 20, &room) != OK)
        return 2;
    if (loop_turn(&room->loop, 0) != OK)
        return 2;
    end_ns = clock_deadline_ns(loop_now_ns(&room->loop), strtoull(argv[4], NULL, 10) * 1000);
    per_ms = strtoull(argv[5], NULL, 10);
    code = run(argv[1], argv[2], argv[3]);
    load_room_destroy(room);
    printf("sent %" PRIu64 ", stored %" PRIu64 ", failed %" PRIu64 ", unknown %" PRIu64
           ", full %" PRIu64 "; transactions committed %u, aborted %u, of them lost %u; "
           "blocks left %" PRIu64 "\n",
           next_number, stored_count, failed_count, unknown_count, full_count, committed_count,
           aborted_count, lost_count, mem_used_count() - before);
    fclose(outcomes);
    return code;
}
