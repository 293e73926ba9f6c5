/* client_room: the client room against a real broker.
 *
 * usage: client_room BOOTSTRAP TOPIC REPLICAS SECONDS
 *
 * Makes TOPIC with three partitions, finds what a cluster tells, then calls their leaders in turn
 * for so long, through whatever happens to them; prints `ok WHAT` or `FAIL WHAT: why` for each and,
 * at the end of the last, `calls N, lost N, longest gap N ms, leaders moved N`.
 * tests/clients/client_room.py drives it. */
#include "base/mem.h"
#include "net/client/client_cluster.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_list_offsets.h"
#include "net/protocol/msg_metadata.h"
#include "tools/load/load_room.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIPELINED = 64, PATIENCE_MS = 30000, PAUSE_MS = 5, PARTITIONS = 3 };

static struct load_room *room;
static struct client_cluster *cluster;
static struct client_topic *topic;
static int failed_count;

static void tell(bool good, const char *what, const char *format, ...)
{
    va_list args;

    printf(good ? "ok %s" : "FAIL %s: ", what);
    if (!good) {
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        failed_count++;
    }
    putchar('\n');
    fflush(stdout);
}

/* ---- waits */

struct waiting {
    struct client_wait wait;
    bool is_done;
    enum err err;
};

static void on_waited(struct client_wait *wait, enum err err)
{
    struct waiting *waiting = container_of(wait, struct waiting, wait);

    waiting->is_done = true;
    waiting->err = err;
}

static enum err wait_topic(struct client_topic *which, uint32_t timeout_ms)
{
    struct waiting waiting = {.wait.done = on_waited};

    client_cluster_wait_topic(cluster, &waiting.wait, which, timeout_ms);
    return load_room_run_until(room, &waiting.is_done, UINT64_MAX) ? waiting.err : ERR_IO;
}

static enum err wait_controller(void)
{
    struct waiting waiting = {.wait.done = on_waited};

    client_cluster_find_controller(cluster, &waiting.wait, PATIENCE_MS);
    return load_room_run_until(room, &waiting.is_done, UINT64_MAX) ? waiting.err : ERR_IO;
}

static enum err wait_coordinator(enum client_coordinator_kind kind, const char *key)
{
    struct waiting waiting = {.wait.done = on_waited};

    client_cluster_find_coordinator(cluster, &waiting.wait, kind, key, PATIENCE_MS);
    return load_room_run_until(room, &waiting.is_done, UINT64_MAX) ? waiting.err : ERR_IO;
}

/* ---- calls */

struct asked {
    struct client_call call;
    bool is_done;
    enum err err;
    int16_t error_code;
    int order;
    void (*look)(struct asked *asked, const void *response);
};

static int done_count;

static void on_answer(struct client_call *call, enum err err, const void *response)
{
    struct asked *asked = container_of(call, struct asked, call);

    asked->is_done = true;
    asked->err = err;
    asked->order = done_count++;
    if (err == OK && asked->look != NULL)
        asked->look(asked, response);
}

static enum err ask(struct client_broker *broker, struct asked *asked)
{
    enum err err = client_broker_call(broker, &asked->call);

    if (err != OK)
        return err;
    return load_room_run_until(room, &asked->is_done, UINT64_MAX) ? asked->err : ERR_IO;
}

static struct asked call_of(int16_t key, const void *request)
{
    return (struct asked){
        .call = {.key = key, .max_version = INT16_MAX, .request = request, .done = on_answer}};
}

static void look_created(struct asked *asked, const void *response)
{
    asked->error_code =
        ((const struct create_topics_response *)response)->topics.items[0].error_code;
}

static void make_topic(const char *name, int16_t replicas)
{
    struct create_topics_request_creatable_topic wanted;
    struct create_topics_request request;
    struct asked asked = call_of(API_CREATE_TOPICS, &request);
    enum err err;

    codec_set_defaults(&create_topics_request_desc, &request);
    codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &wanted);
    wanted.name = wire_string(name);
    wanted.num_partitions = PARTITIONS;
    wanted.replication_factor = replicas;
    request.topics.items = &wanted;
    request.topics.count = 1;
    asked.look = look_created;
    err = ask(client_cluster_controller(cluster), &asked);
    tell(err == OK && asked.error_code == KAFKA_NONE, "the controller makes a topic", "%s, %d",
         err_name(err), asked.error_code);
}

static void look_for_all(void)
{
    enum err err = wait_topic(topic, PATIENCE_MS);
    struct client_broker *broker;

    tell(err == OK && topic->partitions_count == PARTITIONS, "its leaders are known",
         "%s, %d partitions", err_name(err), topic->partitions_count);
    tell(client_cluster_topic_by_id(cluster, &topic->id) == topic, "its id is known", "no");
    err = wait_topic(client_cluster_topic(cluster, "nobody-has-made-this"), PATIENCE_MS);
    tell(err == ERR_NOT_FOUND, "a topic that does not exist is not found", "%s", err_name(err));
    err = wait_topic(client_cluster_topic(cluster, "no/name"), PATIENCE_MS);
    tell(err == ERR_INVALID, "a name that is none is told", "%s", err_name(err));
    err = wait_coordinator(CLIENT_COORDINATOR_GROUP, "group");
    broker = client_cluster_coordinator(cluster, CLIENT_COORDINATOR_GROUP, "group");
    tell(err == OK && broker != NULL, "a group's coordinator is found", "%s", err_name(err));
    err = wait_coordinator(CLIENT_COORDINATOR_TRANSACTION, "transaction");
    broker = client_cluster_coordinator(cluster, CLIENT_COORDINATOR_TRANSACTION, "transaction");
    tell(err == OK && broker != NULL, "a transaction's coordinator is found", "%s", err_name(err));
}

/* ---- several at once, and side by side */

static void set_list_offsets(struct list_offsets_request *request,
                             struct list_offsets_request_list_offsets_topic *part,
                             struct list_offsets_request_list_offsets_partition *partition)
{
    codec_set_defaults(&list_offsets_request_desc, request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, part);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, partition);
    partition->partition_index = 0;
    partition->timestamp = -1;
    part->name = wire_string(topic->name);
    part->partitions.items = partition;
    part->partitions.count = 1;
    request->replica_id = -1;
    request->topics.items = part;
    request->topics.count = 1;
}

static void look_offset(struct asked *asked, const void *response)
{
    const struct list_offsets_response *answer = response;

    asked->error_code = answer->topics.items[0].partitions.items[0].error_code;
}

static void ask_many(void)
{
    static struct asked calls[PIPELINED];
    struct list_offsets_request_list_offsets_partition partition;
    struct list_offsets_request_list_offsets_topic part;
    struct list_offsets_request request;
    int good = 0;

    set_list_offsets(&request, &part, &partition);
    done_count = 0;
    for (int i = 0; i < PIPELINED; i++) {
        calls[i] = call_of(API_LIST_OFFSETS, &request);
        calls[i].look = look_offset;
        if (client_broker_call(client_cluster_leader(cluster, topic, 0, CLIENT_LANE_DATA),
                               &calls[i].call) != OK)
            calls[i].is_done = true;
    }
    for (int i = 0; i < PIPELINED; i++)
        if (load_room_run_until(room, &calls[i].is_done, PATIENCE_MS) && calls[i].err == OK &&
            calls[i].error_code == KAFKA_NONE && calls[i].order == i)
            good++;
    tell(good == PIPELINED, "many requests in flight are answered in order", "%d", good);
}

/* A fetch that waits at the broker holds up nobody of another lane. */
static void ask_beside_a_fetch(void)
{
    struct fetch_request_fetch_partition fetched;
    struct fetch_request_fetch_topic fetched_topic;
    struct fetch_request fetch;
    struct list_offsets_request_list_offsets_partition partition;
    struct list_offsets_request_list_offsets_topic part;
    struct list_offsets_request request;
    struct asked waits = call_of(API_FETCH, &fetch);
    struct asked asked = call_of(API_LIST_OFFSETS, &request);
    enum err err;

    codec_set_defaults(&fetch_request_desc, &fetch);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &fetched_topic);
    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, &fetched);
    fetch.max_wait_ms = 2000;
    fetch.min_bytes = 1;
    fetched_topic.topic_id = topic->id;
    fetched.partition_max_bytes = 1 << 20;
    fetched_topic.partitions.items = &fetched;
    fetched_topic.partitions.count = 1;
    fetch.topics.items = &fetched_topic;
    fetch.topics.count = 1;
    err = client_broker_call(client_cluster_leader(cluster, topic, 0, CLIENT_LANE_FETCH),
                             &waits.call);
    set_list_offsets(&request, &part, &partition);
    if (err == OK)
        err = ask(client_cluster_leader(cluster, topic, 0, CLIENT_LANE_COORDINATOR), &asked);
    tell(err == OK && !waits.is_done, "a fetch that waits delays no other lane", "%s%s",
         err_name(err), waits.is_done ? ", it was answered first" : "");
    (void)load_room_run_until(room, &waits.is_done, PATIENCE_MS);
    tell(waits.is_done && waits.err == OK, "the fetch is answered", "%s", err_name(waits.err));
}

/* ---- through restarts */

static struct timer pause_timer;
static bool pause_over;

static void on_pause(struct timer *timer)
{
    (void)timer;
    pause_over = true;
}

static void rest(uint64_t ms)
{
    pause_over = false;
    loop_set_timer_ms(&room->loop, &pause_timer, ms);
    (void)load_room_run_until(room, &pause_over, UINT64_MAX);
}

static void ask_on_and_on(int64_t seconds)
{
    uint64_t end_ms = clock_mono_ns(&room->clock) / 1000000 + (uint64_t)seconds * 1000;
    uint64_t last_ms = clock_mono_ns(&room->clock) / 1000000;
    uint64_t longest_ms = 0;
    int32_t leaders[PARTITIONS];
    uint32_t calls = 0, lost = 0, moved = 0;
    bool is_good = false;

    for (int i = 0; i < PARTITIONS; i++)
        leaders[i] = topic->partitions[i].leader_id;

    timer_init(&pause_timer, on_pause);
    while (clock_mono_ns(&room->clock) / 1000000 < end_ms) {
        struct list_offsets_request_list_offsets_partition partition;
        struct list_offsets_request_list_offsets_topic part;
        struct list_offsets_request request;
        struct asked asked = call_of(API_LIST_OFFSETS, &request);
        int32_t index = (int32_t)(calls % PARTITIONS);
        struct client_broker *leader =
            client_cluster_leader(cluster, topic, index, CLIENT_LANE_DATA);
        uint64_t now_ms;

        set_list_offsets(&request, &part, &partition);
        partition.partition_index = index;
        asked.call.timeout_ms = 3000;
        asked.call.fails_with_connection = true;
        asked.look = look_offset;
        is_good = leader != NULL && ask(leader, &asked) == OK && asked.error_code == KAFKA_NONE;
        now_ms = clock_mono_ns(&room->clock) / 1000000;
        calls++;
        if (is_good) {
            longest_ms = now_ms - last_ms > longest_ms ? now_ms - last_ms : longest_ms;
            last_ms = now_ms;
        } else {
            lost++;
            client_cluster_call_stale(cluster, topic);
        }
        if (leader != NULL && topic->partitions[index].leader_id >= 0 &&
            topic->partitions[index].leader_id != leaders[index]) {
            leaders[index] = topic->partitions[index].leader_id;
            moved++;
        }
        rest(PAUSE_MS);
    }
    tell(is_good, "calls go on in the end", "%s", client_cluster_problem(cluster));
    printf("calls %u, lost %u, longest gap %llu ms, leaders moved %u\n", calls, lost,
           (unsigned long long)longest_ms, moved);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct client_options options = client_options_default();
    char problem[200] = "";
    bool is_closed = false;
    enum err err;

    if (argc != 5) {
        fputs("usage: client_room BOOTSTRAP TOPIC REPLICAS SECONDS\n", stderr);
        return 2;
    }
    options.bootstrap_servers = argv[1];
    options.allow_auto_create = false;
    err = load_room_create("client-room", 64 << 20, &room);
    if (err == OK)
        err = client_cluster_create(&room->env, &options, &cluster, problem, sizeof(problem));
    if (err != OK) {
        printf("FAIL begin: %s %s\n", err_name(err), problem);
        return 1;
    }
    topic = client_cluster_topic(cluster, argv[2]);
    err = wait_controller();
    tell(err == OK, "the controller is found", "%s: %s", err_name(err),
         client_cluster_problem(cluster));
    if (err == OK) {
        make_topic(argv[2], (int16_t)atoi(argv[3]));
        look_for_all();
        ask_many();
        ask_beside_a_fetch();
        ask_on_and_on(atoi(argv[4]));
    }
    client_cluster_destroy(cluster, load_room_note_closed, &is_closed);
    tell(load_room_run_until(room, &is_closed, PATIENCE_MS), "all is closed", "no");
    load_room_destroy(room);
    tell(mem_used_count() == 0, "no memory is lost", "%llu blocks",
         (unsigned long long)mem_used_count());
    return failed_count > 0;
}
