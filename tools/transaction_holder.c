/* levee txn explain | abort: what holds back the last stable offset of a partition. */
#include "base/text.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_producers.h"
#include "net/protocol/msg_write_txn_markers.h"
#include "tools/output.h"
#include "tools/partition_end.h"
#include "tools/patience.h"
#include "tools/transaction_view.h"

#include <string.h>
#include <time.h>

typedef struct describe_producers_response_producer_state producer_view;

/* The oldest transaction that is open in a partition. */
struct holder {
    char topic[256];
    int32_t partition;
    int64_t last_stable, high_watermark;
    bool is_there; /* else nothing is open */
    producer_view producer;
    struct wire_string id;        /* in the arena; NULL: no coordinator knows the producer */
    bool is_known;                /* its coordinator has it open, or is ending it, in here */
    const transaction_view *view; /* of a known id, else NULL */
};

static enum cli_exit parse_place(const char *word, struct holder *holder)
{
    const char *slash = strrchr(word, '/');
    int64_t number;

    if (slash == NULL || slash == word || (size_t)(slash - word) >= sizeof(holder->topic) ||
        text_parse_i64(slash + 1, strlen(slash + 1), 0, INT32_MAX, &number) != OK)
        return cli_fail(CLI_USAGE, "\"%s\" is no TOPIC/PARTITION, as orders/3", word);
    memcpy(holder->topic, word, (size_t)(slash - word));
    holder->topic[slash - word] = '\0';
    holder->partition = (int32_t)number;
    return CLI_OK;
}

/* ---- looking */

static void take_oldest(const struct describe_producers_response_partition_response *partition,
                        struct holder *holder)
{
    for (int32_t i = 0; i < partition->active_producers.count; i++) {
        const producer_view *producer = &partition->active_producers.items[i];
        if (producer->current_txn_start_offset < 0 ||
            (holder->is_there &&
             producer->current_txn_start_offset >= holder->producer.current_txn_start_offset))
            continue;
        holder->is_there = true;
        holder->producer = *producer;
    }
}

static enum cli_exit find_producer(const struct cli *cli, struct blocking_client *client,
                                   struct arena *arena, struct holder *holder)
{
    struct describe_producers_request_topic_request topic = {
        .name = wire_string(holder->topic), .partition_indexes = {&holder->partition, 1}};
    struct describe_producers_request request;
    const struct describe_producers_response *response;
    const struct describe_producers_response_partition_response *partition = NULL;
    struct patience patience = patience_begin(cli->timeout_ms);
    const void *answer;
    enum err err;

    do {
        codec_set_defaults(&describe_producers_request_desc, &request);
        request.topics.items = &topic;
        request.topics.count = 1;
        err = blocking_client_call(client, API_DESCRIBE_PRODUCERS, &request, arena, &answer);
        response = answer;
        if (err == OK &&
            (response->topics.count != 1 || response->topics.items[0].partitions.count != 1))
            err = ERR_MALFORMED;
        if (err == OK)
            partition = &response->topics.items[0].partitions.items[0];
    } while (err == OK ? patience_with_kafka(&patience, partition->error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("DescribeProducers", err);
    if (partition->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(partition->error_code), "%s/%d: %s", holder->topic,
                        holder->partition, kafka_error_name(partition->error_code));
    take_oldest(partition, holder);
    return CLI_OK;
}

static bool has_partition(const transaction_view *view, const struct holder *holder)
{
    for (int32_t t = 0; t < view->topics.count; t++) {
        if (!wire_string_is(view->topics.items[t].topic, holder->topic))
            continue;
        for (int32_t p = 0; p < view->topics.items[t].partitions.count; p++)
            if (view->topics.items[t].partitions.items[p] == holder->partition)
                return true;
    }
    return false;
}

static enum cli_exit find_holder(const struct cli *cli, struct blocking_client *client,
                                 struct arena *arena, struct holder *holder)
{
    enum cli_exit result;

    holder->last_stable = partition_end(cli, client, holder->topic, holder->partition, true);
    holder->high_watermark = partition_end(cli, client, holder->topic, holder->partition, false);
    result = find_producer(cli, client, arena, holder);
    if (result != CLI_OK || !holder->is_there)
        return result;
    result = transaction_view_find(cli, client, holder->producer.producer_id, arena, &holder->id);
    if (result != CLI_OK || holder->id.text == NULL)
        return result;
    result = transaction_view_load(cli, client, holder->id, arena, &holder->view);
    if (result == CLI_OK)
        holder->is_known = has_partition(holder->view, holder);
    return result;
}

/* ---- telling */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_decided(const struct holder *holder)
{
    return wire_string_is(holder->view->transaction_state, "PrepareCommit") ||
           wire_string_is(holder->view->transaction_state, "PrepareAbort");
}

static void print_json(const struct holder *holder)
{
    struct output_object object;

    output_begin(&object);
    output_text(&object, "topic", holder->topic);
    output_number(&object, "partition", holder->partition);
    output_number(&object, "last_stable", holder->last_stable);
    output_number(&object, "high_watermark", holder->high_watermark);
    output_bool(&object, "is_held", holder->is_there);
    if (holder->is_there) {
        output_number(&object, "first_offset", holder->producer.current_txn_start_offset);
        output_number(&object, "producer_id", holder->producer.producer_id);
        output_number(&object, "epoch", holder->producer.producer_epoch);
        output_number(&object, "last_write_ms", holder->producer.last_timestamp);
        output_bool(&object, "is_known", holder->is_known);
    }
    if (holder->is_known) {
        output_string(&object, "transactional_id", holder->id);
        output_string(&object, "state", holder->view->transaction_state);
        output_number(&object, "started_ms", holder->view->transaction_start_time_ms);
        output_number(&object, "timeout_ms", holder->view->transaction_timeout_ms);
    }
    output_end(&object);
}

static void print_next(const struct holder *holder)
{
    int64_t age_ms;

    if (!holder->is_known) {
        output_line("%s", "NEXT nothing: no coordinator has it open, so nobody ends it");
        return;
    }
    age_ms = now_ms() - holder->view->transaction_start_time_ms;
    output_line("ID %.*s", CLI_TEXT(holder->id));
    output_line("STATE %.*s, since %lld s, in %d topics", CLI_TEXT(holder->view->transaction_state),
                (long long)(age_ms / 1000), holder->view->topics.count);
    if (is_decided(holder))
        output_line("%s", "NEXT it was decided: it ends here as soon as its marker can be written "
                          "(LVE-5020, LVE-5021 in the broker's log say why it cannot)");
    else
        output_line("NEXT its producer ends it, or its timeout of %d s does, in %lld s",
                    holder->view->transaction_timeout_ms / 1000,
                    (long long)((holder->view->transaction_timeout_ms - age_ms) / 1000));
}

static void print(const struct cli *cli, const struct holder *holder)
{
    if (cli->json) {
        print_json(holder);
        return;
    }
    output_line("PARTITION %s/%d", holder->topic, holder->partition);
    output_line("LAST-STABLE %lld HIGH-WATERMARK %lld", (long long)holder->last_stable,
                (long long)holder->high_watermark);
    if (!holder->is_there) {
        output_line("%s", "HELD-BY nobody: readers of committed records see all of it");
        return;
    }
    output_line("HELD-BY producer id %lld epoch %d, from offset %lld on, last write %lld s ago",
                (long long)holder->producer.producer_id, holder->producer.producer_epoch,
                (long long)holder->producer.current_txn_start_offset,
                (long long)((now_ms() - holder->producer.last_timestamp) / 1000));
    print_next(holder);
    if (!holder->is_known || !is_decided(holder))
        output_line("TO-END-IT levee txn abort %s/%d", holder->topic, holder->partition);
}

enum cli_exit command_txn_explain(struct cli *cli)
{
    struct holder holder = {0};
    struct blocking_client *client;
    struct arena arena;
    enum cli_exit result = parse_place(cli->words[0], &holder);

    if (result == CLI_OK)
        result = cli_connect(cli, &client);
    if (result != CLI_OK)
        return result;
    arena_init(&arena, TRANSACTION_VIEW_BYTES);
    result = find_holder(cli, client, &arena, &holder);
    if (result == CLI_OK)
        print(cli, &holder);
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}

/* ---- ending it */

/* By a marker in this partition: what no coordinator has open (kafka-transactions.sh abort). */
static enum cli_exit write_marker(const struct cli *cli, struct blocking_client *client,
                                  struct arena *arena, struct holder *holder)
{
    struct write_txn_markers_request_writable_txn_marker_topic topic = {
        .name = wire_string(holder->topic), .partition_indexes = {&holder->partition, 1}};
    struct write_txn_markers_request_writable_txn_marker marker = {
        .producer_id = holder->producer.producer_id,
        .producer_epoch = (int16_t)holder->producer.producer_epoch,
        .topics = {&topic, 1},
        .coordinator_epoch =
            holder->producer.coordinator_epoch < 0 ? 0 : holder->producer.coordinator_epoch};
    struct write_txn_markers_request request;
    const struct write_txn_markers_response *response;
    const struct write_txn_markers_response_writable_txn_marker_result *result;
    struct patience patience = patience_begin(cli->timeout_ms);
    int16_t error_code = KAFKA_NONE;
    const void *answer;
    enum err err;

    do {
        codec_set_defaults(&write_txn_markers_request_desc, &request);
        request.markers.items = &marker;
        request.markers.count = 1;
        err = blocking_client_call(client, API_WRITE_TXN_MARKERS, &request, arena, &answer);
        response = answer;
        result = err == OK && response->markers.count == 1 ? response->markers.items : NULL;
        if (err == OK && (result == NULL || result->topics.count != 1 ||
                          result->topics.items[0].partitions.count != 1))
            err = ERR_MALFORMED;
        if (err == OK)
            error_code = result->topics.items[0].partitions.items[0].error_code;
    } while (err == OK ? patience_with_kafka(&patience, error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("WriteTxnMarkers", err);
    return error_code == KAFKA_NONE
               ? CLI_OK
               : cli_fail(cli_exit_of_kafka(error_code), "%s/%d: %s", holder->topic,
                          holder->partition, kafka_error_name(error_code));
}

static void say_loss(const struct holder *holder)
{
    int32_t partitions = 0;

    for (int32_t t = 0; holder->is_known && t < holder->view->topics.count; t++)
        partitions += holder->view->topics.items[t].partitions.count;
    if (holder->is_known)
        output_line(
            "LOST all that the open transaction of %.*s has written, in %d partitions; here "
            "from offset %lld on; its producer is fenced",
            CLI_TEXT(holder->id), partitions, (long long)holder->producer.current_txn_start_offset);
    else
        output_line("LOST what producer id %lld has written in %s/%d from offset %lld on; what it "
                    "has written elsewhere stays as it is",
                    (long long)holder->producer.producer_id, holder->topic, holder->partition,
                    (long long)holder->producer.current_txn_start_offset);
}

static enum cli_exit end_it(const struct cli *cli, struct blocking_client *client,
                            struct arena *arena, struct holder *holder)
{
    int64_t producer_id;
    int16_t epoch;

    if (!holder->is_there)
        return cli_fail(CLI_NOT_FOUND, "no transaction is open in %s/%d", holder->topic,
                        holder->partition);
    if (holder->is_known && is_decided(holder))
        return cli_fail(CLI_CONFLICT,
                        "%.*s: it is decided, and ends when its markers can be written",
                        CLI_TEXT(holder->id));
    if (!cli->json)
        say_loss(holder);
    if (!cli->is_sure)
        return cli_fail(CLI_USAGE, "nothing was done; with --yes it is");
    return holder->is_known
               ? transaction_view_fence(cli, client, holder->id,
                                        holder->view->transaction_timeout_ms, &producer_id, &epoch)
               : write_marker(cli, client, arena, holder);
}

enum cli_exit command_txn_abort(struct cli *cli)
{
    struct holder holder = {0};
    struct blocking_client *client;
    struct arena arena;
    struct output_object object;
    enum cli_exit result = parse_place(cli->words[0], &holder);

    if (result == CLI_OK)
        result = cli_connect(cli, &client);
    if (result != CLI_OK)
        return result;
    arena_init(&arena, TRANSACTION_VIEW_BYTES);
    result = find_holder(cli, client, &arena, &holder);
    if (result == CLI_OK)
        result = end_it(cli, client, &arena, &holder);
    if (result == CLI_OK && cli->json) {
        output_begin(&object);
        output_text(&object, "topic", holder.topic);
        output_number(&object, "partition", holder.partition);
        output_text(&object, "result", "aborted");
        output_number(&object, "producer_id", holder.producer.producer_id);
        output_number(&object, "first_offset", holder.producer.current_txn_start_offset);
        output_end(&object);
    } else if (result == CLI_OK) {
        output_line("aborted %s/%d", holder.topic, holder.partition);
    }
    arena_deinit(&arena);
    blocking_client_close(client);
    return result;
}
