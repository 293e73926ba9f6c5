#include "broker/http.h"

#include "base/mem.h"
#include "base/text.h"
#include "broker/scrape.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 32, IDLE_SECONDS = 30, SCRAPE_WAIT_SECONDS = 5, STACK_BYTES = 256 << 10 };

struct http {
    struct MHD_Daemon *daemon;
    const struct metrics *metrics;
    const struct health *health;
    pthread_mutex_t metrics_mutex; /* HTTP-1; and of scrape */
    struct scrape *scrape;
    pthread_mutex_t gathered_mutex; /* of gathered */
    pthread_cond_t is_gathered;
    bool gathered;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
                              const char *text, size_t size_bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size_bytes, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_health(struct http *http, struct MHD_Connection *connection,
                                     bool is_live)
{
    static const struct {
        const char *text;
        bool live;
        bool ready;
    } states[] = {
        [HEALTH_RECOVERING] = {"recovering\n", true, false},
        [HEALTH_READY] = {"ready\n", true, true},
        [HEALTH_STOPPING] = {"stopping\n", true, false},
        [HEALTH_FAILED] = {"failed: the data directory; see the log\n", false, false},
    };
    enum health_state state = health_get(http->health);
    bool good = is_live ? states[state].live : states[state].ready;

    return answer(connection, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
                  states[state].text, strlen(states[state].text));
}

/* ---- metrics */

/* On a loop. */
static void on_gathered(void *context)
{
    struct http *http = context;

    pthread_mutex_lock(&http->gathered_mutex);
    http->gathered = true;
    pthread_cond_signal(&http->is_gathered);
    pthread_mutex_unlock(&http->gathered_mutex);
}

/* Ask the loops; what they tell comes with the registry, if it comes in time. */
static void gather(struct http *http)
{
    struct timespec until;
    int failed = 0;

    pthread_mutex_lock(&http->gathered_mutex);
    http->gathered = false;
    pthread_mutex_unlock(&http->gathered_mutex);
    if (http->scrape == NULL || !scrape_start(http->scrape, on_gathered, http))
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += SCRAPE_WAIT_SECONDS;
    pthread_mutex_lock(&http->gathered_mutex);
    while (!http->gathered && failed == 0)
        failed = pthread_cond_timedwait(&http->is_gathered, &http->gathered_mutex, &until);
    pthread_mutex_unlock(&http->gathered_mutex);
}

void http_set_scrape(struct http *http, struct scrape *scrape)
{
    if (http == NULL)
        return;
    pthread_mutex_lock(&http->metrics_mutex);
    http->scrape = scrape;
    pthread_mutex_unlock(&http->metrics_mutex);
}

static enum MHD_Result answer_metrics(struct http *http, struct MHD_Connection *connection)
{
    static const char *const no_memory = "no memory for the metrics; ask again\n";
    struct metrics_text text;
    enum MHD_Result result;
    enum err err;

    pthread_mutex_lock(&http->metrics_mutex);
    gather(http);
    err = metrics_write(http->metrics, &text);
    pthread_mutex_unlock(&http->metrics_mutex);
    if (err != OK)
        return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", no_memory,
                      strlen(no_memory));
    result = answer(connection, MHD_HTTP_OK, METRICS_CONTENT_TYPE, text.bytes, text.size_bytes);
    metrics_text_deinit(&text);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **state)
{
    struct http *http = context;
    static const char *const not_found = "no such page; there are /metrics /livez /readyz\n";

    *upload_bytes = 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "only GET\n", 9);
    if (strcmp(url, "/metrics") == 0 || strcmp(url, "/public_metrics") == 0)
        return answer_metrics(http, connection);
    if (strcmp(url, "/livez") == 0)
        return answer_health(http, connection, true);
    if (strcmp(url, "/readyz") == 0)
        return answer_health(http, connection, false);
    return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", not_found, strlen(not_found));
}

/* ---- life */

static bool parse_address(const char *address, struct sockaddr_in *in, struct sockaddr_in6 *in6,
                          bool *is_v6)
{
    const char *colon = strrchr(address, ':');
    char host[128];
    struct io_address parsed;
    int64_t port;
    size_t host_bytes;

    if (colon == NULL || text_parse_i64(colon + 1, strlen(colon + 1), 0, 65535, &port) != OK)
        return false;
    host_bytes = (size_t)(colon - address);
    if (host_bytes >= 2 && address[0] == '[' && address[host_bytes - 1] == ']') {
        address++;
        host_bytes -= 2;
    }
    if (host_bytes >= sizeof(host))
        return false;
    memcpy(host, address, host_bytes);
    host[host_bytes] = '\0';
    if (io_address_parse(host, (uint16_t)port, &parsed) != OK)
        return false;
    *is_v6 = parsed.family == AF_INET6;
    in->sin_family = AF_INET;
    in->sin_port = __builtin_bswap16(parsed.port);
    memcpy(&in->sin_addr, parsed.ip, sizeof(in->sin_addr));
    in6->sin6_family = AF_INET6;
    in6->sin6_port = in->sin_port;
    memcpy(&in6->sin6_addr, parsed.ip, sizeof(in6->sin6_addr));
    return true;
}

static void init_waiting(struct http *http)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&http->metrics_mutex, NULL);
    pthread_mutex_init(&http->gathered_mutex, NULL);
    pthread_cond_init(&http->is_gathered, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void free_http(struct http *http)
{
    pthread_mutex_destroy(&http->metrics_mutex);
    pthread_mutex_destroy(&http->gathered_mutex);
    pthread_cond_destroy(&http->is_gathered);
    mem_free(http);
}

enum err http_start(const char *address, const struct metrics *metrics, const struct health *health,
                    struct http **out, uint16_t *port_out)
{
    struct sockaddr_in in = {0};
    struct sockaddr_in6 in6 = {0};
    const union MHD_DaemonInfo *info;
    struct http *http;
    bool is_v6;

    if (!parse_address(address, &in, &in6, &is_v6))
        return ERR_INVALID;
    http = mem_alloc(sizeof(*http));
    http->metrics = metrics;
    http->health = health;
    init_waiting(http);
    errno = 0;
    http->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
            (is_v6 ? MHD_USE_IPv6 : 0U),
        0, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
        is_v6 ? (struct sockaddr *)(void *)&in6 : (struct sockaddr *)(void *)&in,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_SECONDS, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_END);
    if (http->daemon == NULL) {
        enum err err = errno == 0 ? ERR_IN_USE : err_from_errno(errno);
        free_http(http);
        return err;
    }
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    *port_out = info == NULL ? 0 : info->port;
    *out = http;
    return OK;
}

void http_stop(struct http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon);
    free_http(http);
}
