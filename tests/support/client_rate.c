/* client_rate: how many requests the client room can have answered, and what they cost it.
 *
 * usage: client_rate HOST:PORT [CONNECTIONS [IN_FLIGHT [SECONDS]]]      (64 1 5)
 *
 * Each connection has so many ListOffsets without topics in flight: next to no work for the broker,
 * so that the client is what is measured.  One line of JSON; requests_per_cpu_second is what a core
 * of its own would do. */
#include "base/mem.h"
#include "net/client/client_broker.h"
#include "net/protocol/msg_list_offsets.h"
#include "tools/load/load_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 1024, IN_FLIGHT_MAX = 256 };

static struct {
    struct load_room *room;
    struct client_broker *brokers[CONNECTIONS_MAX];
    struct list_offsets_request request;
    struct timer timer;
    uint64_t done_count;
    uint64_t lost_count;
    uint32_t up_count;
    bool is_up;
    bool is_over;
} rate;

struct rate_call {
    struct client_call call;
    struct client_broker *broker;
};

static void on_answer(struct client_call *call, enum err err, const void *response);

static void begin(struct rate_call *one)
{
    one->call = (struct client_call){.key = API_LIST_OFFSETS,
                                     .max_version = INT16_MAX,
                                     .request = &rate.request,
                                     .done = on_answer};
    if (client_broker_call(one->broker, &one->call) != OK)
        rate.lost_count++;
}

static void on_answer(struct client_call *call, enum err err, const void *response)
{
    (void)response;
    rate.done_count += err == OK;
    rate.lost_count += err != OK && !rate.is_over;
    if (!rate.is_over)
        begin(container_of(call, struct rate_call, call));
}

static void on_time(struct timer *timer)
{
    (void)timer;
    rate.is_over = true;
}

static void on_up(void *context, struct client_broker *broker)
{
    (void)broker;
    rate.is_up = ++rate.up_count == *(uint32_t *)context;
}

static double seconds_of(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool open_connections(const char *address, uint32_t *count)
{
    const char *colon = strrchr(address, ':');
    char host[CLIENT_HOST_MAX];

    if (colon == NULL)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    for (uint32_t i = 0; i < *count; i++) {
        struct client_broker_options options = {.env = &rate.room->env,
                                                .host = host,
                                                .port = (uint16_t)atoi(colon + 1),
                                                .node_id = -1,
                                                .request_timeout_ms = 30000,
                                                .connect_max_ms = 10000,
                                                .backoff_first_ms = 50,
                                                .backoff_max_ms = 1000,
                                                .frame_max_bytes = 1 << 20,
                                                .calls_max = IN_FLIGHT_MAX + 1,
                                                .up = on_up,
                                                .context = count};

        if (client_broker_create(&options, &rate.brokers[i]) != OK)
            return false;
        client_broker_dial(rate.brokers[i]);
    }
    return load_room_run_until(rate.room, &rate.is_up, 10000);
}

/* False: the loop has failed. */
static bool measure(uint32_t connections, uint32_t in_flight, uint32_t seconds)
{
    struct rate_call *calls = mem_alloc(sizeof(*calls) * connections * in_flight);
    double begin_s = seconds_of(CLOCK_MONOTONIC);
    double begin_cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    double took_s, took_cpu_s;
    uint64_t done_count;

    for (uint32_t i = 0; i < connections * in_flight; i++) {
        calls[i].broker = rate.brokers[i / in_flight];
        begin(&calls[i]);
    }
    timer_init(&rate.timer, on_time);
    loop_set_timer_ms(&rate.room->loop, &rate.timer, (uint64_t)seconds * 1000);
    if (!load_room_run_until(rate.room, &rate.is_over, UINT64_MAX))
        return false;
    done_count = rate.done_count;
    took_s = seconds_of(CLOCK_MONOTONIC) - begin_s;
    took_cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu_s;
    for (uint32_t i = 0; i < connections; i++) {
        bool is_closed = false;

        client_broker_destroy(rate.brokers[i], load_room_note_closed, &is_closed);
        if (!load_room_run_until(rate.room, &is_closed, 10000))
            return false;
    }
    mem_free(calls);
    printf("{\"connections\":%u,\"in_flight\":%u,\"requests_per_second\":%.0f,\"cpu\":%.2f,"
           "\"requests_per_cpu_second\":%.0f,\"lost\":%llu}\n",
           connections, in_flight, (double)done_count / took_s, took_cpu_s / took_s,
           (double)done_count / took_cpu_s, (unsigned long long)rate.lost_count);
    return true;
}

int main(int argc, char **argv)
{
    uint32_t connections = argc > 2 ? (uint32_t)atoi(argv[2]) : 64;
    uint32_t in_flight = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
    uint32_t seconds = argc > 4 ? (uint32_t)atoi(argv[4]) : 5;

    if (argc < 2 || connections < 1 || connections > CONNECTIONS_MAX || in_flight < 1 ||
        in_flight > IN_FLIGHT_MAX) {
        fputs("usage: client_rate HOST:PORT [CONNECTIONS [IN_FLIGHT [SECONDS]]]\n", stderr);
        return 2;
    }
    if (load_room_create("client-rate", 256 << 20, &rate.room) != OK)
        return 1;
    codec_set_defaults(&list_offsets_request_desc, &rate.request);
    rate.request.replica_id = -1;
    if (!open_connections(argv[1], &connections)) {
        fprintf(stderr, "client_rate: no broker at %s\n", argv[1]);
        return 1;
    }
    if (!measure(connections, in_flight, seconds))
        return 1;
    load_room_destroy(rate.room);
    return 0;
}
