/* levee consume: print the records of a topic, without a group. */
#include "base/mem.h"
#include "net/client/client_fetcher.h"
#include "net/client/client_offsets.h"
#include "net/protocol/kafka_errors.h"
#include "tools/load/load_room.h"
#include "tools/output.h"
#include "tools/record_format.h"
#include "tools/start_offset.h"
#include "tools/topic_view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_MS = 500, /* between two looks at the pipe and at what is late */
    PARTITION_BYTES = 4 << 20,
    ANSWER_BYTES = 32 << 20,
    ANSWERS_BYTES_MAX = 256 << 20,
};

struct consumer {
    const struct cli *cli;
    struct load_room *room;
    struct client_cluster *cluster;
    struct client_topic *topic;
    struct client_fetcher *fetcher;
    struct start_offset where;
    int32_t partitions_count;
    int64_t *ends;  /* where to stop; INT64_MAX: nowhere */
    int32_t wanted; /* partitions that are not read to their end yet */
    int64_t left;   /* records to print; -1: without end */
    bool is_ready;  /* the fetcher has something, or a partition has stopped */
    enum cli_exit result;
};

/* ListOffsets, waited for. */
struct listing {
    struct client_offsets_op op;
    enum err err;
    bool is_done;
};

/* ---- printing */

static void print_record(const struct consumer *consumer, const struct record *record,
                         const struct record_format_place *place)
{
    struct output_object object;

    if (!consumer->cli->json) {
        record_format_print(stdout, consumer->cli->record_format, record, place);
        return;
    }
    output_begin(&object);
    output_text(&object, "topic", place->topic);
    output_number(&object, "partition", place->partition);
    output_number(&object, "offset", place->offset);
    output_number(&object, "timestamp", place->timestamp_ms);
    output_bytes(&object, "key", record->key, record->key_bytes);
    output_bytes(&object, "value", record->value, record->value_bytes);
    output_end(&object);
}

/* Has whoever read our pipe gone?  Asked even when there is nothing to print, as tail -f does. */
static bool reader_is_gone(void)
{
    struct pollfd poller = {.fd = STDOUT_FILENO};

    return poll(&poller, 1, 0) == 1 && (poller.revents & (POLLERR | POLLNVAL)) != 0;
}

/* ---- reading */

static void on_ready(void *context)
{
    ((struct consumer *)context)->is_ready = true;
}

static void on_trouble(void *context, struct client_topic *topic, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    struct consumer *consumer = context;

    (void)topic;
    consumer->is_ready = true;
    if (trouble == CLIENT_FETCHER_CORRUPT)
        consumer->result =
            cli_fail(CLI_FAILED, "partition %d, offset %lld: the batch cannot be read: %s",
                     partition, (long long)offset, err_text(ERR_CORRUPT));
    else if (trouble == CLIENT_FETCHER_TRUNCATED)
        consumer->result = cli_fail(CLI_FAILED,
                                    "partition %d: the log was truncated to offset %lld, which "
                                    "takes back what was read",
                                    partition, (long long)offset);
    else
        consumer->result = cli_fail(cli_exit_of_kafka(error_code), "partition %d, offset %lld: %s",
                                    partition, (long long)offset, kafka_error_name(error_code));
}

static enum cli_exit print_batch(struct consumer *consumer, const struct client_fetched *batch)
{
    struct record_format_place place = {.topic = consumer->cli->words[0],
                                        .partition = batch->partition,
                                        .leader_epoch = batch->header.leader_epoch};
    struct client_fetched_record record;
    enum err err = OK;

    while (consumer->left != 0 &&
           (err = client_fetcher_next_record(consumer->fetcher, &record)) == OK) {
        if (record.offset >= consumer->ends[batch->partition])
            continue;
        place.offset = record.offset;
        place.timestamp_ms = record.timestamp_ms;
        print_record(consumer, &record.record, &place);
        consumer->left -= consumer->left > 0;
    }
    if (err == OK || err == ERR_NOT_FOUND)
        return CLI_OK;
    return cli_fail(CLI_FAILED, "partition %d, offset %lld: the batch cannot be read: %s",
                    batch->partition, (long long)batch->header.base_offset, err_text(err));
}

/* Markers and what was aborted move a position, too. */
static void end_partitions(struct consumer *consumer)
{
    for (int32_t p = 0; p < consumer->partitions_count; p++) {
        int64_t position =
            client_fetcher_position(consumer->fetcher, consumer->topic, p, NULL, NULL, NULL);
        if (position < 0 || position < consumer->ends[p])
            continue;
        client_fetcher_unassign(consumer->fetcher, consumer->topic, p);
        consumer->wanted--;
    }
}

static enum cli_exit print_ready(struct consumer *consumer)
{
    struct client_fetched batch;

    consumer->is_ready = false;
    while (consumer->left != 0 && consumer->result == CLI_OK) {
        if (client_fetcher_next_batch(consumer->fetcher, &batch) != OK)
            break;
        consumer->result = print_batch(consumer, &batch);
    }
    end_partitions(consumer);
    return consumer->result;
}

/* What may pass has had its time. */
static enum cli_exit look_at_failures(const struct consumer *consumer)
{
    int16_t error_code = KAFKA_NONE;
    uint64_t since_ns = client_fetcher_failing_since_ns(consumer->fetcher, &error_code);
    uint64_t now_ns = loop_now_ns(&consumer->room->loop);

    if (since_ns == 0 || now_ns - since_ns < clock_ns_of_ms((uint64_t)consumer->cli->timeout_ms))
        return CLI_OK;
    if (error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(error_code), "Fetch: %s", kafka_error_name(error_code));
    return cli_fail(CLI_FAILED, "Fetch: %s", client_cluster_problem(consumer->cluster));
}

static enum cli_exit read_all(struct consumer *consumer)
{
    enum cli_exit result = CLI_OK;

    while (result == CLI_OK && consumer->left != 0 && consumer->wanted > 0) {
        (void)load_room_run_until(consumer->room, &consumer->is_ready, LOOK_MS);
        result = print_ready(consumer);
        if (output_flush() != OK)
            return CLI_FAILED;
        if (result == CLI_OK && reader_is_gone())
            return cli_fail(CLI_FAILED, "standard output is closed");
        if (result == CLI_OK)
            result = look_at_failures(consumer);
    }
    return result;
}

/* ---- where to begin */

static void on_listed(struct client_offsets_op *op, enum err err)
{
    struct listing *listing = container_of(op, struct listing, op);

    listing->err = err;
    listing->is_done = true;
}

/* Three questions of each partition: begin, end, and the time that is asked for. */
static enum cli_exit list_offsets(struct consumer *consumer,
                                  struct client_offset_question *questions, uint32_t count)
{
    struct listing listing = {.op = {.done = on_listed,
                                     .cluster = consumer->cluster,
                                     .timeout_ms = (uint32_t)consumer->cli->timeout_ms}};

    client_offsets_list(&listing.op, questions, count, consumer->cli->is_committed);
    (void)load_room_run_until(consumer->room, &listing.is_done, UINT64_MAX);
    if (listing.err != OK)
        return cli_call_failed("ListOffsets", listing.err);
    for (uint32_t i = 0; i < count; i++)
        if (questions[i].error_code != KAFKA_NONE)
            return cli_fail(cli_exit_of_kafka(questions[i].error_code), "partition %d: %s",
                            questions[i].partition, kafka_error_name(questions[i].error_code));
    return CLI_OK;
}

static enum cli_exit begin_at(struct consumer *consumer, int32_t partition, int64_t start,
                              int64_t end, int64_t timed)
{
    int64_t offset = start_offset_resolve(&consumer->where, start, end, timed);

    consumer->ends[partition] = consumer->where.stop_at_end ? end : INT64_MAX;
    if (offset >= consumer->ends[partition])
        return CLI_OK;
    consumer->wanted++;
    return client_fetcher_assign(consumer->fetcher, consumer->topic, partition, offset, -1) == OK
               ? CLI_OK
               : cli_fail(CLI_FAILED, "%s", err_text(ERR_NOMEM));
}

static enum cli_exit begin_all(struct consumer *consumer)
{
    enum { EACH = 3 };
    const int64_t times[EACH] = {CLIENT_OFFSET_EARLIEST, CLIENT_OFFSET_LATEST,
                                 consumer->where.number};
    uint32_t each = consumer->where.from == START_OFFSET_TIME ? EACH : EACH - 1;
    struct client_offset_question *questions =
        mem_alloc((size_t)consumer->partitions_count * EACH * sizeof(*questions));
    uint32_t count = 0;
    enum cli_exit result;

    for (int32_t p = 0; p < consumer->partitions_count; p++)
        for (uint32_t i = 0; i < each; i++)
            if (consumer->cli->partitions < 0 || consumer->cli->partitions == p)
                questions[count++] = (struct client_offset_question){
                    .topic = consumer->topic, .partition = p, .timestamp_ms = times[i]};
    result = list_offsets(consumer, questions, count);
    for (uint32_t i = 0; result == CLI_OK && i < count; i += each)
        result = begin_at(consumer, questions[i].partition, questions[i].offset,
                          questions[i + 1].offset, each == EACH ? questions[i + 2].offset : -1);
    mem_free(questions);
    return result;
}

/* ---- the client */

static enum cli_exit open_client(struct consumer *consumer)
{
    static const struct client_fetcher_events events = {.ready = on_ready, .trouble = on_trouble};
    struct client_fetcher_options how = client_fetcher_options_default();
    struct client_options options = client_options_default();
    char problem[512] = "";
    enum err err;

    options.bootstrap_servers = consumer->cli->brokers;
    options.allow_auto_create = false;
    how.is_committed = consumer->cli->is_committed;
    how.partition_max_bytes = PARTITION_BYTES;
    how.max_bytes = ANSWER_BYTES;
    err = load_room_create("levee", ANSWERS_BYTES_MAX, &consumer->room);
    if (err == OK)
        err = client_cluster_create(&consumer->room->env, &options, &consumer->cluster, problem,
                                    sizeof(problem));
    if (err == OK)
        err = client_fetcher_create(consumer->cluster, &how, &events, consumer, &consumer->fetcher);
    if (err == OK)
        consumer->topic = client_cluster_topic(consumer->cluster, consumer->cli->words[0]);
    if (err == OK && consumer->topic == NULL)
        err = ERR_NOMEM;
    if (err != OK)
        return cli_fail(CLI_FAILED, "%s", problem[0] != '\0' ? problem : err_text(err));
    return CLI_OK;
}

static void close_client(struct consumer *consumer)
{
    bool is_closed = false;

    if (consumer->fetcher != NULL) {
        client_fetcher_destroy(consumer->fetcher, load_room_note_closed, &is_closed);
        (void)load_room_run_until(consumer->room, &is_closed, UINT64_MAX);
    }
    is_closed = false;
    if (consumer->cluster != NULL) {
        client_cluster_destroy(consumer->cluster, load_room_note_closed, &is_closed);
        (void)load_room_run_until(consumer->room, &is_closed, UINT64_MAX);
    }
    load_room_destroy(consumer->room);
}

/* Is the topic there?  A cluster that can't be reached, and a topic that is not, are told in the
 * words of every other command. */
static enum cli_exit look_at_topic(struct consumer *consumer)
{
    const struct cli *cli = consumer->cli;
    struct blocking_client *client;
    struct topic_view topic;
    enum cli_exit result = cli_connect(cli, &client);

    if (result != CLI_OK)
        return result;
    result = topic_view_load(cli, client, cli->words[0], false, &topic);
    blocking_client_close(client);
    if (result == CLI_OK && cli->partitions >= topic.partition_count)
        return cli_fail(CLI_NOT_FOUND, "%s has %d partitions", cli->words[0],
                        topic.partition_count);
    if (result == CLI_OK)
        consumer->partitions_count = topic.partition_count;
    return result;
}

enum cli_exit command_consume(struct cli *cli)
{
    struct consumer consumer = {.cli = cli, .left = cli->count};
    enum cli_exit result;

    if (!start_offset_parse(cli->offset, &consumer.where))
        return cli_fail(CLI_USAGE, "%s", START_OFFSET_HELP);
    result = look_at_topic(&consumer);
    if (result != CLI_OK)
        return result;
    consumer.ends = mem_alloc((size_t)consumer.partitions_count * sizeof(*consumer.ends));
    result = open_client(&consumer);
    if (result == CLI_OK)
        result = begin_all(&consumer);
    if (result == CLI_OK)
        result = read_all(&consumer);
    close_client(&consumer);
    mem_free(consumer.ends);
    return result;
}
