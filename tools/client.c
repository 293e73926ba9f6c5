#include "tools/client.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/msg_api_versions.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES_MAX = 128 << 20, KEYS_MAX = 128, PAUSE_FIRST_MS = 50, PAUSE_LAST_MS = 1000 };

struct client {
    char *addresses;
    int fd; /* -1: not connected; the next call connects again */
    int32_t timeout_ms;
    int32_t correlation_id;
    int16_t min_versions[KEYS_MAX];
    int16_t max_versions[KEYS_MAX]; /* -1: not served */
    uint8_t *frame;                 /* of the last answer */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum err wait_for(int fd, short events, int64_t deadline_ms)
{
    struct pollfd poller = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = deadline_ms - now_ms();
        int ready = poll(&poller, 1, left < 0 ? 0 : (int)left);
        if (ready > 0)
            return OK;
        if (ready == 0)
            return ERR_TIMEOUT;
        if (errno != EINTR)
            return err_from_errno(errno);
    }
}

/* ---- connecting */

static enum err connect_to(const struct addrinfo *info, int32_t timeout_ms, int *fd_out)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    int failure = 0;
    socklen_t size = sizeof(failure);
    enum err err;

    if (fd < 0)
        return err_from_errno(errno);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    err = connect(fd, info->ai_addr, info->ai_addrlen) == 0 || errno == EINPROGRESS
              ? wait_for(fd, POLLOUT, now_ms() + timeout_ms)
              : err_from_errno(errno);
    if (err == OK && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure != 0)
        err = err_from_errno(failure);
    if (err != OK) {
        close(fd);
        return err;
    }
    *fd_out = fd;
    return OK;
}

/* One address; problem is told why not. */
static enum err connect_address(const char *address, int32_t timeout_ms, int *fd_out, char *problem,
                                size_t problem_max)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *infos;
    char host[256];
    const char *colon = strrchr(address, ':');
    const char *start = address;
    size_t host_bytes = colon == NULL ? strlen(address) : (size_t)(colon - address);
    enum err err = ERR_REFUSED;
    int resolved;

    if (host_bytes >= 2 && start[0] == '[' && start[host_bytes - 1] == ']') {
        start++;
        host_bytes -= 2;
    }
    if (host_bytes == 0 || host_bytes >= sizeof(host)) {
        snprintf(problem, problem_max, "\"%s\" is not HOST:PORT", address);
        return ERR_INVALID;
    }
    memcpy(host, start, host_bytes);
    host[host_bytes] = '\0';
    resolved = getaddrinfo(host, colon == NULL ? "9092" : colon + 1, &hints, &infos);
    if (resolved == EAI_SERVICE) {
        snprintf(problem, problem_max, "\"%s\" has no port number after the colon", address);
        return ERR_INVALID;
    }
    if (resolved != 0) {
        snprintf(problem, problem_max, "the host name %s is unknown (%s)", host,
                 gai_strerror(resolved));
        return ERR_REFUSED;
    }
    for (struct addrinfo *info = infos; info != NULL && err != OK; info = info->ai_next)
        err = connect_to(info, timeout_ms, fd_out);
    freeaddrinfo(infos);
    if (err != OK)
        snprintf(problem, problem_max, "no broker at %s: %s; is it running?", address,
                 err_text(err));
    return err;
}

/* ---- bytes */

static enum err send_segments(struct client *client, const struct wire_segment *segments,
                              uint32_t count)
{
    int64_t deadline_ms = now_ms() + client->timeout_ms;

    for (uint32_t i = 0; i < count; i++) {
        size_t sent = 0;
        while (sent < segments[i].size_bytes) {
            ssize_t got = send(client->fd, segments[i].bytes + sent, segments[i].size_bytes - sent,
                               MSG_NOSIGNAL | (i + 1 < count ? MSG_MORE : 0));
            if (got >= 0) {
                sent += (size_t)got;
                continue;
            }
            if (errno == EAGAIN) {
                enum err err = wait_for(client->fd, POLLOUT, deadline_ms);
                if (err != OK)
                    return err;
            } else if (errno != EINTR) {
                return err_from_errno(errno);
            }
        }
    }
    return OK;
}

static enum err receive(struct client *client, uint8_t *bytes, size_t size_bytes,
                        int64_t deadline_ms)
{
    size_t done = 0;

    while (done < size_bytes) {
        ssize_t got = recv(client->fd, bytes + done, size_bytes - done, 0);
        if (got > 0) {
            done += (size_t)got;
            continue;
        }
        if (got == 0)
            return ERR_CLOSED;
        if (errno == EAGAIN) {
            enum err err = wait_for(client->fd, POLLIN, deadline_ms);
            if (err != OK)
                return err;
        } else if (errno != EINTR) {
            return err_from_errno(errno);
        }
    }
    return OK;
}

static enum err receive_frame(struct client *client, size_t *size_out)
{
    int64_t deadline_ms = now_ms() + client->timeout_ms;
    uint8_t prefix[4];
    uint32_t size_bytes;
    enum err err = receive(client, prefix, sizeof(prefix), deadline_ms);

    if (err != OK)
        return err;
    size_bytes = (uint32_t)prefix[0] << 24 | (uint32_t)prefix[1] << 16 | (uint32_t)prefix[2] << 8 |
                 prefix[3];
    if (size_bytes > ANSWER_BYTES_MAX)
        return ERR_TOO_LARGE;
    client->frame = mem_realloc(client->frame, size_bytes);
    *size_out = size_bytes;
    return receive(client, client->frame, size_bytes, deadline_ms);
}

/* ---- calls */

static enum err call(struct client *client, const struct api_desc *api, int16_t version,
                     const void *request, struct arena *arena, const void **response)
{
    struct wire_writer writer;
    struct wire_reader reader;
    const struct wire_segment *segments;
    uint32_t segment_count;
    int32_t correlation_id;
    size_t size_bytes;
    void *out;
    enum err err;

    wire_writer_init(&writer, arena);
    wire_writer_begin_frame(&writer);
    err = header_encode_request(&writer, api, version, ++client->correlation_id,
                                wire_string("levee"));
    if (err == OK)
        err = codec_encode(api->request, version, request, &writer);
    if (err != OK)
        return err;
    wire_writer_end_frame(&writer);
    err = wire_writer_segments(&writer, &segments, &segment_count);
    if (err == OK)
        err = send_segments(client, segments, segment_count);
    if (err == OK)
        err = receive_frame(client, &size_bytes);
    if (err != OK)
        return err;
    wire_reader_init(&reader, client->frame, size_bytes);
    err = header_decode_response(&reader, arena, api, version, &correlation_id);
    if (err == OK && correlation_id != client->correlation_id)
        err = ERR_MALFORMED;
    out = arena_alloc(arena, api->response->body->size_bytes);
    if (err == OK)
        err = out == NULL ? ERR_NOMEM : codec_decode(api->response, version, &reader, arena, out);
    *response = out;
    return err;
}

static enum err ask_versions(struct client *client)
{
    struct api_versions_request request;
    const struct api_versions_response *response;
    const void *answer;
    struct arena arena;
    enum err err;

    for (int i = 0; i < KEYS_MAX; i++)
        client->max_versions[i] = -1;
    arena_init(&arena, 1 << 20);
    codec_set_defaults(&api_versions_request_desc, &request);
    err = call(client, api_find(API_API_VERSIONS), 0, &request, &arena, &answer);
    response = answer;
    if (err == OK && response->error_code != KAFKA_NONE)
        err = ERR_UNSUPPORTED;
    for (int32_t i = 0; err == OK && i < response->api_keys.count; i++) {
        const struct api_versions_response_api_version *api = &response->api_keys.items[i];
        if (api->api_key >= 0 && api->api_key < KEYS_MAX) {
            client->min_versions[api->api_key] = api->min_version;
            client->max_versions[api->api_key] = api->max_version;
        }
    }
    arena_deinit(&arena);
    return err;
}

static void disconnect(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* To the first of the addresses that answers.  problem tells of each that does not. */
static enum err connect_any(struct client *client, char *problem, size_t problem_max)
{
    const char *addresses = client->addresses;
    size_t told = 0;
    enum err err = ERR_INVALID;

    snprintf(problem, problem_max, "no broker is named: -b HOST:PORT");
    while (*addresses != '\0' && err != OK && told < problem_max) {
        char address[256];
        size_t size_bytes = strcspn(addresses, ",");
        snprintf(address, sizeof(address), "%.*s", (int)size_bytes, addresses);
        if (told > 0)
            told += (size_t)snprintf(problem + told, problem_max - told, "; ");
        if (told < problem_max) {
            err = connect_address(address, client->timeout_ms, &client->fd, problem + told,
                                  problem_max - told);
            told += strlen(problem + told);
        }
        addresses += size_bytes;
        addresses += *addresses == ',';
        if (err == OK) {
            err = ask_versions(client);
            if (err == OK)
                return OK;
            disconnect(client);
            told =
                (size_t)snprintf(problem, problem_max, "%s does not answer as a Kafka broker: %s",
                                 address, err_text(err));
        }
    }
    return err;
}

enum err client_open(const char *addresses, int32_t timeout_ms, struct client **out, char *problem,
                     size_t problem_max)
{
    struct client *client = mem_alloc(sizeof(*client));
    enum err err;

    client->addresses = mem_alloc(strlen(addresses) + 1);
    memcpy(client->addresses, addresses, strlen(addresses) + 1);
    client->timeout_ms = timeout_ms;
    client->fd = -1;
    err = connect_any(client, problem, problem_max);
    if (err != OK) {
        client_close(client);
        return err;
    }
    *out = client;
    return OK;
}

void client_close(struct client *client)
{
    if (client == NULL)
        return;
    disconnect(client);
    mem_free(client->addresses);
    mem_free(client->frame);
    mem_free(client);
}

int16_t client_version(const struct client *client, int16_t key)
{
    const struct api_desc *api = api_find(key);
    int16_t version;

    if (api == NULL || key >= KEYS_MAX || client->max_versions[key] < 0)
        return -1;
    version = api->max < client->max_versions[key] ? api->max : client->max_versions[key];
    return version < client->min_versions[key] || version < api->served_min ? -1 : version;
}

enum err client_call_at_most(struct client *client, int16_t key, int16_t max_version,
                             const void *request, struct arena *arena, const void **response)
{
    char problem[512];
    int16_t version;
    enum err err = client->fd >= 0 ? OK : connect_any(client, problem, sizeof(problem));

    if (err != OK)
        return err;
    version = client_version(client, key);
    if (version < 0)
        return ERR_UNSUPPORTED;
    err = call(client, api_find(key), version < max_version ? version : max_version, request, arena,
               response);
    if (err != OK)
        disconnect(
            client); /* an answer may still be on its way, and would be taken for another's */
    return err;
}

enum err client_call(struct client *client, int16_t key, const void *request, struct arena *arena,
                     const void **response)
{
    return client_call_at_most(client, key, INT16_MAX, request, arena, response);
}

/* ---- patience */

struct patience patience_begin(int32_t timeout_ms)
{
    return (struct patience){.deadline_ms = now_ms() + timeout_ms, .pause_ms = PAUSE_FIRST_MS};
}

static bool wait_again(struct patience *patience)
{
    struct timespec pause = {.tv_sec = patience->pause_ms / 1000,
                             .tv_nsec = patience->pause_ms % 1000 * 1000000L};

    if (now_ms() + patience->pause_ms >= patience->deadline_ms)
        return false;
    nanosleep(&pause, NULL);
    patience->pause_ms =
        patience->pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : patience->pause_ms * 2;
    return true;
}

bool patience_with_kafka(struct patience *patience, int16_t error_code)
{
    return kafka_error_is_retriable(error_code) && error_code != KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
           error_code != KAFKA_UNKNOWN_TOPIC_ID && wait_again(patience);
}

bool patience_with(struct patience *patience, enum err err)
{
    return (err == ERR_CLOSED || err == ERR_REFUSED) && wait_again(patience);
}
