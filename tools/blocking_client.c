#include "tools/blocking_client.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/client/client_broker.h"
#include "tools/load/load_room.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 128 << 20, ANSWERS_BYTES_MAX = 256 << 20, DEFAULT_PORT = 9092 };

struct blocking_client {
    struct load_room *room;
    struct client_broker *broker; /* NULL: not connected; the next call connects again */
    char *addresses;
    int32_t timeout_ms;
    struct buf *frame; /* of the last answer */
    bool is_up;
    bool is_down;
};

/* ---- connecting */

static void on_up(void *context, struct client_broker *broker)
{
    (void)broker;
    ((struct blocking_client *)context)->is_up = true;
}

static void on_down(void *context, struct client_broker *broker, enum err err)
{
    (void)broker;
    (void)err;
    ((struct blocking_client *)context)->is_down = true;
}

static void disconnect(struct blocking_client *client)
{
    bool is_closed = false;

    if (client->broker == NULL)
        return;
    client_broker_destroy(client->broker, load_room_note_closed, &is_closed);
    client->broker = NULL;
    (void)load_room_run_until(client->room, &is_closed, UINT64_MAX);
}

/* Until the broker has told its versions, or an attempt has failed. */
static enum err wait_for_broker(struct blocking_client *client)
{
    client->is_up = false;
    client->is_down = false;
    client_broker_dial(client->broker);
    while (!client->is_up && !client->is_down)
        if (loop_turn(&client->room->loop, LOOP_WAIT_FOREVER) != OK)
            return ERR_IO;
    return client->is_up ? OK : client_broker_last_error(client->broker);
}

/* "host:port", "host", "[v6]:port".  False: it is none. */
static bool split_address(const char *address, char host[CLIENT_HOST_MAX], uint16_t *port)
{
    const char *colon = strrchr(address, ':');
    size_t host_bytes = colon == NULL ? strlen(address) : (size_t)(colon - address);
    int64_t number = DEFAULT_PORT;

    if (host_bytes >= 2 && address[0] == '[' && address[host_bytes - 1] == ']') {
        address++;
        host_bytes -= 2;
    }
    if (host_bytes == 0 || host_bytes >= CLIENT_HOST_MAX)
        return false;
    memcpy(host, address, host_bytes);
    host[host_bytes] = '\0';
    if (colon != NULL && text_parse_i64(colon + 1, strlen(colon + 1), 0, UINT16_MAX, &number) != OK)
        host[0] = '\0';
    *port = (uint16_t)number;
    return true;
}

/* What is wrong with an address, in words. */
static enum err explain(struct blocking_client *client, const char *address, const char *host,
                        enum err err, char *problem, size_t problem_max)
{
    const struct client_broker *broker = client->broker;

    if (client_broker_was_connected(broker))
        snprintf(problem, problem_max, "%s does not answer as a Kafka broker: %s", address,
                 client_broker_reason(broker));
    else if (client_broker_reason(broker) != err_text(err))
        snprintf(problem, problem_max, "the host name %s is unknown (%s)", host,
                 client_broker_reason(broker));
    else
        snprintf(problem, problem_max, "no broker at %s: %s; is it running?", address,
                 err_text(err));
    return err == ERR_NOT_FOUND ? ERR_REFUSED : err;
}

/* One address; problem is told why not. */
static enum err connect_to(struct blocking_client *client, const char *address, char *problem,
                           size_t problem_max)
{
    uint32_t timeout_ms = client->timeout_ms > 0 ? (uint32_t)client->timeout_ms : 1;
    char host[CLIENT_HOST_MAX];
    uint16_t port;
    enum err err;

    if (!split_address(address, host, &port)) {
        snprintf(problem, problem_max, "\"%s\" is not HOST:PORT", address);
        return ERR_INVALID;
    }
    if (host[0] == '\0') {
        snprintf(problem, problem_max, "\"%s\" has no port number after the colon", address);
        return ERR_INVALID;
    }
    err = client_broker_create(&(struct client_broker_options){.env = &client->room->env,
                                                               .host = host,
                                                               .port = port,
                                                               .node_id = -1,
                                                               .request_timeout_ms = timeout_ms,
                                                               .connect_max_ms = timeout_ms,
                                                               .backoff_first_ms = 1,
                                                               .backoff_max_ms = 1,
                                                               .frame_max_bytes = ANSWER_BYTES_MAX,
                                                               .calls_max = 1,
                                                               .up = on_up,
                                                               .down = on_down,
                                                               .context = client},
                               &client->broker);
    if (err == OK)
        err = wait_for_broker(client);
    if (err == OK)
        return OK;
    if (client->broker != NULL)
        err = explain(client, address, host, err, problem, problem_max);
    disconnect(client);
    return err;
}

/* To the first of the addresses that answers.  problem tells of each that does not. */
static enum err connect_any(struct blocking_client *client, char *problem, size_t problem_max)
{
    const char *addresses = client->addresses;
    size_t told = 0;
    enum err err = ERR_INVALID;

    snprintf(problem, problem_max, "no broker is named: -b HOST:PORT");
    while (*addresses != '\0' && err != OK && told < problem_max) {
        char address[CLIENT_HOST_MAX + 8];
        size_t size_bytes = strcspn(addresses, ",");

        snprintf(address, sizeof(address), "%.*s", (int)size_bytes, addresses);
        if (told > 0)
            told += (size_t)snprintf(problem + told, problem_max - told, "; ");
        if (told < problem_max) {
            err = connect_to(client, address, problem + told, problem_max - told);
            told += strlen(problem + told);
        }
        addresses += size_bytes;
        addresses += *addresses == ',';
    }
    return err;
}

enum err blocking_client_open(const char *addresses, int32_t timeout_ms,
                              struct blocking_client **out, char *problem, size_t problem_max)
{
    struct blocking_client *client = mem_alloc(sizeof(*client));
    enum err err;

    client->addresses = mem_strdup(addresses);
    client->timeout_ms = timeout_ms;
    err = load_room_create("levee", ANSWERS_BYTES_MAX, &client->room);
    if (err != OK)
        snprintf(problem, problem_max, "no connection can be made: %s", err_text(err));
    else
        err = connect_any(client, problem, problem_max);
    if (err != OK) {
        blocking_client_close(client);
        return err;
    }
    *out = client;
    return OK;
}

void blocking_client_close(struct blocking_client *client)
{
    if (client == NULL)
        return;
    disconnect(client);
    buf_unref(client->frame);
    load_room_destroy(client->room);
    mem_free(client->addresses);
    mem_free(client);
}

/* ---- calls */

struct blocking_call {
    struct client_call call;
    struct blocking_client *client;
    const void *response;
    enum err err;
    bool is_done;
};

static void on_done(struct client_call *inner, enum err err, const void *response)
{
    struct blocking_call *call = container_of(inner, struct blocking_call, call);

    call->is_done = true;
    call->err = err;
    call->response = response;
    if (err == OK)
        call->client->frame = buf_ref(inner->frame);
}

/* What happened since the last call is taken in, and the loop's time is that of now: deadlines are
 * counted from it. */
static enum err catch_up(struct blocking_client *client)
{
    return loop_turn(&client->room->loop, 0);
}

/* A connection, if need be a new one: the last one may have ended since. */
static enum err connect_again(struct blocking_client *client)
{
    char problem[512];
    enum err err = catch_up(client);

    if (err != OK)
        return err;
    if (client->broker != NULL && client_broker_is_up(client->broker))
        return OK;
    disconnect(client);
    return connect_any(client, problem, sizeof(problem));
}

int16_t blocking_client_version(struct blocking_client *client, int16_t key)
{
    return connect_again(client) == OK ? client_broker_version(client->broker, key, INT16_MAX) : -1;
}

enum err blocking_client_call_at_most(struct blocking_client *client, int16_t key,
                                      int16_t max_version, const void *request, struct arena *arena,
                                      const void **response)
{
    struct blocking_call call = {
        .call = {.key = key,
                 .max_version = max_version,
                 .fails_with_connection = true,
                 .request = request,
                 .answer_arena = arena,
                 .done = on_done},
        .client = client,
    };
    enum err err = connect_again(client);

    if (err != OK)
        return err;
    if (client_broker_version(client->broker, key, max_version) < 0)
        return ERR_UNSUPPORTED;
    buf_unref(client->frame);
    client->frame = NULL;
    err = client_broker_call(client->broker, &call.call);
    if (err == OK && !load_room_run_until(client->room, &call.is_done, UINT64_MAX))
        err = ERR_IO;
    if (err == OK)
        err = call.err;
    if (err != OK)
        disconnect(client);
    *response = call.response;
    return err;
}

enum err blocking_client_call(struct blocking_client *client, int16_t key, const void *request,
                              struct arena *arena, const void **response)
{
    return blocking_client_call_at_most(client, key, INT16_MAX, request, arena, response);
}
