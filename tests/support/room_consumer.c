/* room_consumer: a consumer of the client room as a program, for tests beside Kafka's own consumers
 * and for figures.
 *
 *   room_consumer BROKERS TOPIC GROUP ASSIGNOR [INSTANCE]
 *       a member of the group (ASSIGNOR: range, roundrobin, cooperative-sticky) until SIGTERM; says
 *       `assigned P ...`, `revoked P ...`, `lost P ...`, `read P OFFSET` a line each, commits what
 *       it has read once a second and before it gives up a partition
 *   room_consumer BROKERS TOPIC
 *       reads all that is there, without a group: `N records, N bytes, S s, S s of CPU` */
#include "base/mem.h"
#include "net/client/client_assignor.h"
#include "net/client/client_fetcher.h"
#include "net/client/client_offsets.h"
#include "net/protocol/kafka_errors.h"
#include "tools/load/load_room.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COMMIT_MS = 1000, TIMEOUT_MS = 30000, ANSWERS_BYTES_MAX = 512 << 20 };

static struct load_room *room;
static struct client_cluster *cluster;
static struct client_topic *topic;
static struct client_fetcher *fetcher;
static struct client_member *member;
static bool *owned; /* of each partition */
static uint64_t records_count;
static uint64_t records_bytes;
static bool is_done;
static volatile sig_atomic_t is_told_to_stop;

static void die(const char *what)
{
    fprintf(stderr, "room_consumer: %s: %s\n", what, client_cluster_problem(cluster));
    exit(1);
}

static void on_signal(int number)
{
    is_told_to_stop = 1;
}

/* ---- one operation at a time: the loop turns meanwhile */

static enum err op_err;

static void on_op_done(struct client_offsets_op *op, enum err err)
{
    op_err = err;
    is_done = true;
}

static struct client_offsets_op new_op(void)
{
    is_done = false;
    return (struct client_offsets_op){
        .done = on_op_done, .cluster = cluster, .timeout_ms = TIMEOUT_MS};
}

static void await_op(const char *what)
{
    if (!load_room_run_until(room, &is_done, UINT64_MAX) || op_err != OK)
        die(what);
}

static void on_waited(struct client_wait *wait, enum err err)
{
    op_err = err;
    is_done = true;
}

/* ---- records */

static void pull(void)
{
    struct client_fetched batch;
    struct client_fetched_record record;

    while (client_fetcher_next_batch(fetcher, &batch) == OK) {
        while (client_fetcher_next_record(fetcher, &record) == OK) {
            records_count++;
            records_bytes +=
                (uint64_t)(record.record.value_bytes > 0 ? record.record.value_bytes : 0);
            if (member != NULL)
                printf("read %d %lld\n", batch.partition, (long long)record.offset);
        }
    }
}

static void on_ready(void *context)
{
    pull();
}

static void on_trouble(void *context, struct client_topic *of, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    fprintf(stderr, "room_consumer: partition %d, offset %lld: trouble %d, %s\n", partition,
            (long long)offset, (int)trouble, kafka_error_name(error_code));
    exit(1);
}

static const struct client_fetcher_events fetcher_events = {.ready = on_ready,
                                                            .trouble = on_trouble};

/* ---- without a group */

static double seconds_of(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_all(void)
{
    size_t count = (size_t)topic->partitions_count;
    struct client_offset_question *ends = mem_alloc(count * sizeof(*ends));
    struct client_offset_question *begins = mem_alloc(count * sizeof(*begins));
    struct client_offsets_op op = new_op();
    double begun;
    double cpu;

    for (size_t p = 0; p < count; p++) {
        ends[p] = (struct client_offset_question){
            .topic = topic, .partition = (int32_t)p, .timestamp_ms = CLIENT_OFFSET_LATEST};
        begins[p] = ends[p];
        begins[p].timestamp_ms = CLIENT_OFFSET_EARLIEST;
    }
    client_offsets_list(&op, ends, (uint32_t)count, false);
    await_op("ListOffsets");
    op = new_op();
    client_offsets_list(&op, begins, (uint32_t)count, false);
    await_op("ListOffsets");
    begun = seconds_of(CLOCK_MONOTONIC);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t p = 0; p < count; p++)
        if (client_fetcher_assign(fetcher, topic, (int32_t)p, begins[p].offset, -1) != OK)
            die("memory");
    for (size_t p = 0; p < count;) {
        bool never = false;
        if (client_fetcher_position(fetcher, topic, (int32_t)p, NULL, NULL, NULL) >= ends[p].offset)
            p++;
        else
            load_room_run_until(room, &never, 10);
    }
    printf("%llu records, %llu bytes, %.3f s, %.3f s of CPU\n", (unsigned long long)records_count,
           (unsigned long long)records_bytes, seconds_of(CLOCK_MONOTONIC) - begun,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    mem_free(ends);
    mem_free(begins);
}

/* ---- in a group */

static struct client_offsets_op commit_op;
static struct client_group_offset *commits;
static struct client_offset_committed *starts;
static bool is_committing;
/* What is given up: client_member_revoked_done comes after its commit. */
static struct client_group_offset *last_commits;
static uint32_t last_count;
static bool is_giving_up;
static bool is_last; /* that commit is under way */
static bool is_starting;

static void say(const char *what, const struct client_member_partition *some, uint32_t count)
{
    printf("%s", what);
    for (uint32_t i = 0; i < count; i++)
        printf(" %d", some[i].partition);
    printf("\n");
    fflush(stdout);
}

static uint32_t fill(struct client_group_offset *out, const struct client_member_partition *some,
                     uint32_t some_count)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < some_count; i++) {
        int32_t epoch;
        int64_t offset =
            client_fetcher_position(fetcher, topic, some[i].partition, NULL, NULL, &epoch);
        if (offset >= 0)
            out[count++] = (struct client_group_offset){.topic = topic,
                                                        .partition = some[i].partition,
                                                        .offset = offset,
                                                        .leader_epoch = epoch};
    }
    return count;
}

static void on_committed(struct client_offsets_op *op, enum err err);

static void commit(const struct client_group_offset *offsets, uint32_t count)
{
    static struct client_group_identity identity;

    identity = client_member_identity(member);
    commit_op = (struct client_offsets_op){
        .done = on_committed, .cluster = cluster, .timeout_ms = TIMEOUT_MS};
    is_committing = true;
    client_offsets_commit(&commit_op, &identity, offsets, count, NULL);
}

static void on_committed(struct client_offsets_op *op, enum err err)
{
    is_committing = false;
    if (is_giving_up && !is_last) {
        is_last = true;
        commit(last_commits, last_count);
    } else if (is_giving_up) {
        is_giving_up = false;
        client_member_revoked_done(member);
    }
}

static uint32_t all_owned(struct client_member_partition *out)
{
    uint32_t count = 0;

    for (int32_t p = 0; p < topic->partitions_count; p++)
        if (owned[p])
            out[count++] = (struct client_member_partition){topic, p};
    return count;
}

static struct client_offsets_op start_op;
static uint32_t starts_count;

static void on_starts(struct client_offsets_op *op, enum err err)
{
    is_starting = false;
    if (err != OK)
        die("OffsetFetch");
    for (uint32_t i = 0; i < starts_count; i++)
        if (owned[starts[i].partition] &&
            client_fetcher_position(fetcher, topic, starts[i].partition, NULL, NULL, NULL) < 0 &&
            client_fetcher_assign(fetcher, topic, starts[i].partition,
                                  starts[i].offset < 0 ? 0 : starts[i].offset,
                                  starts[i].leader_epoch) != OK)
            die("memory");
}

/* Where do those begin that are owned and not read yet? */
static void start_reading(void)
{
    starts_count = 0;
    for (int32_t p = 0; p < topic->partitions_count; p++)
        if (owned[p] && client_fetcher_position(fetcher, topic, p, NULL, NULL, NULL) < 0)
            starts[starts_count++] =
                (struct client_offset_committed){.topic = topic, .partition = p};
    if (starts_count == 0)
        return;
    is_starting = true;
    start_op =
        (struct client_offsets_op){.done = on_starts, .cluster = cluster, .timeout_ms = TIMEOUT_MS};
    client_offsets_fetch(&start_op, client_member_identity(member).group_id, starts, starts_count,
                         true);
}

static void on_assigned(void *context, const struct client_member_partition *added, uint32_t count)
{
    say("assigned", added, count);
    for (uint32_t i = 0; i < count; i++)
        owned[added[i].partition] = true;
}

static void on_revoked(void *context, const struct client_member_partition *removed, uint32_t count,
                       bool is_lost)
{
    say(is_lost ? "lost" : "revoked", removed, count);
    if (!is_lost) {
        last_count = fill(last_commits, removed, count);
        is_giving_up = true;
        is_last = !is_committing;
        if (is_last)
            commit(last_commits, last_count);
    }
    for (uint32_t i = 0; i < count; i++) {
        owned[removed[i].partition] = false;
        client_fetcher_unassign(fetcher, topic, removed[i].partition);
    }
}

static void on_fatal(void *context, int16_t error_code, enum err err)
{
    printf("fatal %s\n", kafka_error_name(error_code));
    exit(3);
}

static const struct client_member_events member_events = {
    .assigned = on_assigned, .revoked = on_revoked, .fatal = on_fatal};

static enum client_assignor assignor_of(const char *name)
{
    for (int i = CLIENT_ASSIGNOR_RANGE; i <= CLIENT_ASSIGNOR_COOPERATIVE_STICKY; i++)
        if (strcmp(name, client_assignor_name((enum client_assignor)i)) == 0)
            return (enum client_assignor)i;
    die(name);
    return CLIENT_ASSIGNOR_RANGE;
}

static void run_in_group(const char *group_id, const char *assignor, const char *instance_id)
{
    struct client_member_options options = client_member_options_default();
    struct client_member_partition *some =
        mem_alloc((size_t)topic->partitions_count * sizeof(*some));
    bool never = false;
    uint64_t next_ms = COMMIT_MS;

    options.group_id = group_id;
    options.group_instance_id = instance_id;
    options.assignor = assignor_of(assignor);
    options.session_timeout_ms = 10000;
    options.heartbeat_ms = 1000;
    options.rebalance_timeout_ms = 30000;
    if (client_member_create(cluster, &options, &topic, 1, &member_events, NULL, &member) != OK)
        die("memory");
    for (uint64_t ms = 0; !is_told_to_stop; ms += 20) {
        load_room_run_until(room, &never, 20);
        fflush(stdout);
        if (!is_starting)
            start_reading();
        if (ms < next_ms || is_committing || is_giving_up)
            continue;
        next_ms = ms + COMMIT_MS;
        commit(commits, fill(commits, some, all_owned(some)));
    }
    while (is_committing || is_giving_up)
        load_room_run_until(room, &never, 20);
    commit(commits, fill(commits, some, all_owned(some)));
    while (is_committing)
        load_room_run_until(room, &never, 20);
    is_done = false;
    client_member_destroy(member, load_room_note_closed, &is_done);
    load_room_run_until(room, &is_done, TIMEOUT_MS);
    mem_free(some);
    printf("left\n");
}

int main(int argc, char **argv)
{
    struct client_options options = client_options_default();
    struct client_fetcher_options how = client_fetcher_options_default();
    struct client_wait wait = {.done = on_waited};
    char problem[256] = "";

    if (argc != 3 && argc != 5 && argc != 6) {
        fprintf(stderr, "room_consumer BROKERS TOPIC [GROUP ASSIGNOR [INSTANCE]]\n");
        return 2;
    }
    signal(SIGTERM, on_signal);
    options.bootstrap_servers = argv[1];
    if (load_room_create("room_consumer", ANSWERS_BYTES_MAX, &room) != OK ||
        client_cluster_create(&room->env, &options, &cluster, problem, sizeof(problem)) != OK) {
        fprintf(stderr, "room_consumer: %s\n", problem);
        return 1;
    }
    topic = client_cluster_topic(cluster, argv[2]);
    client_cluster_wait_topic(cluster, &wait, topic, TIMEOUT_MS);
    await_op("the topic");
    how.max_bytes = 50 << 20;
    if (client_fetcher_create(cluster, &how, &fetcher_events, NULL, &fetcher) != OK)
        die("memory");
    owned = mem_alloc((size_t)topic->partitions_count * sizeof(*owned));
    commits = mem_alloc((size_t)topic->partitions_count * sizeof(*commits));
    last_commits = mem_alloc((size_t)topic->partitions_count * sizeof(*last_commits));
    starts = mem_alloc((size_t)topic->partitions_count * sizeof(*starts));
    if (argc == 3)
        read_all();
    else
        run_in_group(argv[3], argv[4], argc == 6 ? argv[5] : NULL);
    is_done = false;
    client_fetcher_destroy(fetcher, load_room_note_closed, &is_done);
    load_room_run_until(room, &is_done, TIMEOUT_MS);
    is_done = false;
    client_cluster_destroy(cluster, load_room_note_closed, &is_done);
    load_room_run_until(room, &is_done, TIMEOUT_MS);
    load_room_destroy(room);
    mem_free(owned);
    mem_free(commits);
    mem_free(last_commits);
    mem_free(starts);
    return 0;
}
