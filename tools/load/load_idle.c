#include "tools/load/load_idle.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* The first of "host:port,host:port". */
static enum err first_address(const char *addresses, char *host, size_t host_max, uint16_t *port)
{
    size_t size_bytes = strcspn(addresses, ",");
    const char *colon = memrchr(addresses, ':', size_bytes);
    size_t host_bytes = colon == NULL ? size_bytes : (size_t)(colon - addresses);
    int64_t number = 9092;

    if (colon != NULL &&
        text_parse_i64(colon + 1, size_bytes - host_bytes - 1, 1, UINT16_MAX, &number) != OK)
        return ERR_INVALID;
    if (host_bytes >= 2 && addresses[0] == '[' && addresses[host_bytes - 1] == ']') {
        addresses++;
        host_bytes -= 2;
    }
    if (host_bytes == 0 || host_bytes >= host_max)
        return ERR_INVALID;
    memcpy(host, addresses, host_bytes);
    host[host_bytes] = '\0';
    *port = (uint16_t)number;
    return OK;
}

enum err load_idle_open(struct load_idle *idle, struct load_shared *shared, struct load_room *room,
                        uint32_t worker)
{
    const struct load_workload *workload = shared->workload;
    struct client_options usual = client_options_default();
    char host[CLIENT_HOST_MAX];
    struct client_broker_options options = {.env = &room->env,
                                            .host = host,
                                            .node_id = -1,
                                            .request_timeout_ms = usual.request_timeout_ms,
                                            .connect_max_ms = usual.connect_max_ms,
                                            .backoff_first_ms = usual.reconnect_first_ms,
                                            .backoff_max_ms = usual.reconnect_max_ms,
                                            .frame_max_bytes = usual.frame_max_bytes,
                                            .calls_max = 1};
    enum err err = OK;

    *idle = (struct load_idle){0};
    if (workload->idle_count <= worker)
        return OK;
    err = first_address(workload->brokers, host, sizeof(host), &options.port);
    if (err != OK)
        load_shared_error(shared, "\"%.200s\" is not HOST:PORT", workload->brokers);
    idle->brokers = mem_alloc(sizeof(struct client_broker *) *
                              (workload->idle_count / workload->threads_count + 1));
    for (uint32_t i = worker; i < workload->idle_count && err == OK; i += workload->threads_count) {
        err = client_broker_create(&options, &idle->brokers[idle->count]);
        if (err != OK)
            break;
        client_broker_dial(idle->brokers[idle->count++]);
        idle->open_count++;
    }
    return err;
}

bool load_idle_is_ready(const struct load_idle *idle)
{
    for (uint32_t i = 0; i < idle->count; i++)
        if (!client_broker_is_up(idle->brokers[i]))
            return false;
    return true;
}

static void on_closed(void *context)
{
    struct load_idle *idle = context;

    idle->open_count--;
}

void load_idle_close(struct load_idle *idle)
{
    for (uint32_t i = 0; i < idle->count; i++)
        client_broker_destroy(idle->brokers[i], on_closed, idle);
    idle->count = 0;
}

bool load_idle_is_closed(const struct load_idle *idle)
{
    return idle->open_count == 0;
}

void load_idle_deinit(struct load_idle *idle)
{
    mem_free(idle->brokers);
}
