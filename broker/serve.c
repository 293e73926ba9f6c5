/* The main thread waits for signals; every shard has a thread that turns its loop.  Shards tell the
 * main thread what happened (stopped, failed) with SIGUSR1 and a field. */
#include "broker/serve.h"

#include "base/check.h"
#include "base/clock_system.h"
#include "base/io_choose.h"
#include "base/log_stderr.h"
#include "base/mem.h"
#include "base/offload.h"
#include "base/system_memory.h"
#include "broker/broker.h"
#include "broker/http.h"
#include "broker/kept_memory.h"
#include "broker/process_metrics.h"
#include "broker/stop_patience.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_AT_MEMORY_SECONDS = 5, OFFLOAD_THREADS = 2 };

struct server;

struct server_shard {
    struct server *server;
    struct io *io;
    struct clock clock;
    struct log_stderr log;
    pthread_t thread;
    struct mail stop_mail;
    uint32_t index;
    bool running;
};

struct server {
    const struct config *config;
    struct io_choice choice;
    void (*ready)(const struct config *config);
    struct server_shard *shards;
    struct broker_ground grounds[SHARD_COUNT_MAX]; /* the broker looks at them until it is closed */
    uint32_t shard_count;
    struct broker *broker;
    bool begun; /* its operations are on their way */
    struct metrics metrics;
    struct process_metrics process_metrics;
    struct health health;
    struct http *http;
    struct offload *offload;
    pthread_t main_thread;
    uint32_t stopped; /* atomic */
    uint32_t failed;  /* atomic */
    struct kept_memory kept_memory;
    enum err stop_err;
};

static void wake_main(struct server *server)
{
    pthread_kill(server->main_thread, SIGUSR1);
}

static void on_ready(void *context)
{
    struct server *server = context;

    for (uint32_t i = 0; i < config_listener_count(server->config); i++) {
        const struct config_listener *listener = config_listener_at(server->config, i);
        log_line(&server->shards[0].log.sink, LOG_INFO, "LVE-1100", "ready: clients are served",
                 log_str("listener", listener->name),
                 log_str("host", listener->host[0] == '\0' ? "*" : listener->host),
                 log_i64("port", broker_listener_port(server->broker, i)));
    }
    if (server->ready != NULL)
        server->ready(server->config);
}

static void on_failed(void *context, enum err err)
{
    struct server *server = context;

    __atomic_store_n(&server->failed, 1U, __ATOMIC_RELEASE);
    wake_main(server);
}

static void on_stopped(void *context, enum err err)
{
    struct server *server = context;

    server->stop_err = err;
    __atomic_store_n(&server->stopped, 1U, __ATOMIC_RELEASE);
    wake_main(server);
}

static void *run_shard(void *context)
{
    struct server_shard *shard = context;
    struct shard *owned = broker_shard(shard->server->broker, shard->index);
    enum err err;

    memory_own(&owned->memory);
    err = loop_run(&owned->loop);

    if (err != OK)
        on_failed(shard->server, err);
    return NULL;
}

static void on_stop_mail(struct mail *mail)
{
    struct server_shard *shard = container_of(mail, struct server_shard, stop_mail);

    loop_stop(&broker_shard(shard->server->broker, shard->index)->loop);
}

static void end_threads(struct server *server)
{
    for (uint32_t i = 0; i < server->shard_count; i++) {
        struct server_shard *shard = &server->shards[i];
        if (!shard->running)
            continue;
        shard->stop_mail.deliver = on_stop_mail;
        loop_post(&broker_shard(server->broker, i)->loop, &shard->stop_mail);
    }
    for (uint32_t i = 0; i < server->shard_count; i++)
        if (server->shards[i].running)
            pthread_join(server->shards[i].thread, NULL);
}

/* ---- what a shard stands on */

/* Which backend, and when it is not the ring: why, what that costs, and what to do. */
static enum err choose_io(struct server *server, struct log_sink *sink)
{
    enum io_wanted wanted;
    char why[IO_CHOICE_TEXT_MAX];
    enum err err;

    if (!io_wanted_parse(config_text(server->config, CONFIG_LEVEE_IO), &wanted))
        return ERR_INVALID;
    err = io_choose(wanted, &server->choice);
    if (err != OK || server->choice.ring)
        return err;
    io_choice_why(&server->choice, why);
    log_line(sink, LOG_INFO, "LVE-1113",
             "runs on the plain I/O backend instead of io_uring: about 1.2 times the CPU a byte",
             log_str("why", why), log_str("to_do", io_choice_advice(&server->choice)));
    return OK;
}

static void tell_no_io(const struct server *server, struct log_sink *sink, enum err err)
{
    char why[IO_CHOICE_TEXT_MAX];

    io_choice_why(&server->choice, why);
    log_line(sink, LOG_ERROR, "LVE-1103",
             "there is no I/O backend: the kernel gives no io_uring, or too few resources",
             log_str("why", why), log_str("to_do", io_choice_advice(&server->choice)),
             log_err(err));
}

static enum err open_ground(struct server *server, uint32_t index, struct broker_ground *ground)
{
    struct server_shard *shard = &server->shards[index];
    enum log_level level;
    enum log_format format;
    const char *level_text = config_text(server->config, CONFIG_LEVEE_LOG_LEVEL);
    const char *format_text = config_text(server->config, CONFIG_LEVEE_LOG_FORMAT);
    enum err err = OK;

    shard->server = server;
    shard->index = index;
    clock_system_init(&shard->clock);
    if (log_level_parse(level_text, strlen(level_text), &level) != OK ||
        log_format_parse(format_text, strlen(format_text), &format) != OK)
        return ERR_INVALID;
    log_stderr_init(&shard->log, STDERR_FILENO, &shard->clock, level, format);
    if (index == 0)
        err = choose_io(server, &shard->log.sink);
    if (err == OK) {
        err = io_choice_create(&server->choice, &shard->io);
        if (err != OK) /* it was allowed, and is not to be had this often */
            server->choice.refusal = IO_REFUSAL_RESOURCE;
    }
    if (err != OK) {
        tell_no_io(server, &shard->log.sink, err);
        return err;
    }
    *ground =
        (struct broker_ground){.io = shard->io, .clock = &shard->clock, .sink = &shard->log.sink};
    while (getrandom(&ground->seed, sizeof(ground->seed), 0) != sizeof(ground->seed))
        continue;
    return OK;
}

/* Every connection and segment is a descriptor: take what the system allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* 0: no limit. */
static uint32_t descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX)
        return 0;
    return (uint32_t)limit.rlim_cur;
}

/* Group buffers come and go by the megabyte: giving each back to the kernel would cost a page fault
 * a page when the next one is taken (3.6 times slower appends, measured with bench_journal). */
static void keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 128 << 20);
    mallopt(M_ARENA_MAX, 4);
}

/* Resident bytes beyond what is handed out (proc(5), statm), by the heap and as buffers. */
static uint64_t kept_bytes(const struct broker *broker)
{
    unsigned long long size_pages;
    unsigned long long resident_pages = 0;
    uint64_t resident_bytes;
    uint64_t used_bytes = mem_used_bytes() + broker_buffer_bytes(broker);
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size_pages, &resident_pages) != 2)
        resident_pages = 0;
    fclose(file);
    resident_bytes = resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return resident_bytes > used_bytes ? resident_bytes - used_bytes : 0;
}

/* What a load has left behind goes back to the system: it may have other uses for it, and a
 * container is judged by what it holds. */
static void give_memory_back(struct server *server)
{
    if (!kept_memory_goes(&server->kept_memory, kept_bytes(server->broker),
                          broker_progress(server->broker)))
        return;
    broker_trim_memory(server->broker);
    malloc_trim(0);
    kept_memory_is_gone(&server->kept_memory, kept_bytes(server->broker));
}

static void block_signals(sigset_t *waited_for)
{
    sigemptyset(waited_for);
    sigaddset(waited_for, SIGTERM);
    sigaddset(waited_for, SIGINT);
    sigaddset(waited_for, SIGHUP); /* its terminal is gone */
    sigaddset(waited_for, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, waited_for, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static enum err start_http(struct server *server)
{
    const char *address = config_values(server->config)->levee_http_listener;
    uint16_t port;
    enum err err;

    if (address == NULL || address[0] == '\0')
        return OK;
    err = http_start(address, &server->metrics, &server->health, &server->http, &port);
    if (err == OK)
        log_line(&server->shards[0].log.sink, LOG_INFO, "LVE-1104", "metrics and health are served",
                 log_str("address", address), log_i64("port", port));
    else
        log_line(&server->shards[0].log.sink, LOG_ERROR, "LVE-1105",
                 "levee.http.listener cannot be bound; another process has it, or set it empty",
                 log_str("address", address), log_err(err));
    return err;
}

static uint64_t memory_limit_bytes(void)
{
    struct system_memory memory;

    system_memory_read("", &memory);
    return system_memory_share(&memory);
}

static void tell_no_thread(struct server *server, enum err err)
{
    log_line(&server->shards[0].log.sink, LOG_ERROR, "LVE-1114",
             "the system gives no thread: raise ulimit -u, or the container's limit of processes",
             log_err(err));
}

static enum err start(struct server *server)
{
    static const struct broker_events events = {
        .ready = on_ready, .failed = on_failed, .stopped = on_stopped};
    struct broker_options options = {.config = server->config,
                                     .grounds = server->grounds,
                                     .shard_count = server->shard_count,
                                     .events = &events,
                                     .context = server,
                                     .health = &server->health,
                                     .metrics = &server->metrics,
                                     .descriptor_max = descriptor_limit(),
                                     .memory_max_bytes = memory_limit_bytes()};
    enum err err = OK;

    for (uint32_t i = 0; i < server->shard_count && err == OK; i++)
        err = open_ground(server, i, &server->grounds[i]);
    if (err == OK) {
        err = offload_create(OFFLOAD_THREADS, &server->offload);
        if (err != OK)
            tell_no_thread(server, err);
        options.offload = server->offload;
    }
    if (err == OK) { /* as the listeners: who cannot have the address leaves the directory alone */
        process_metrics_register(&server->process_metrics, &server->health,
                                 clock_wall_ms(&server->shards[0].clock), server->shard_count,
                                 server->choice.ring ? "io_uring" : "plain", &server->metrics);
        err = start_http(server);
    }
    if (err == OK) {
        err = broker_open(&options, &server->broker);
        for (uint32_t i = 0; i < server->shard_count; i++)
            log_sink_report_suppressed(&server->shards[i].log.sink); /* of many bad partitions */
    }
    if (err != OK)
        return err;
    broker_start(server->broker);
    server->begun = true;
    for (uint32_t i = 0; i < server->shard_count && err == OK; i++) {
        server->shards[i].running =
            pthread_create(&server->shards[i].thread, NULL, run_shard, &server->shards[i]) == 0;
        if (!server->shards[i].running) {
            err = ERR_NOMEM;
            tell_no_thread(server, err);
        }
    }
    if (err == OK)
        http_set_scrape(server->http, broker_scrape(server->broker));
    return err;
}

static const uint64_t again_ns = 2000000000; /* before it a second signal is the first, twice */

enum { LOOK_AT_STOP_SECONDS = 1 };

static bool is_out_of_patience(struct server *server, struct stop_patience *patience)
{
    return stop_patience_is_over(patience, broker_progress(server->broker),
                                 LOOK_AT_STOP_SECONDS * 1000);
}

/* Until stopped or failed; the second signal of the user, or a stop that stands still, ends the
 * patience. */
static enum serve_exit wait_for_end(struct server *server, const sigset_t *signals)
{
    const struct timespec second = {.tv_sec = LOOK_AT_STOP_SECONDS};
    const struct timespec look = {.tv_sec = LOOK_AT_MEMORY_SECONDS};
    struct stop_patience patience = {
        .limit_ms = (uint64_t)config_values(server->config)->levee_stop_timeout_ms};
    bool stopping = false;
    uint64_t asked_ns = 0;

    for (;;) {
        int number = sigtimedwait(signals, NULL, stopping ? &second : &look);
        bool asked = number == SIGTERM || number == SIGINT || number == SIGHUP;
        uint64_t now_ns = clock_mono_ns(&server->shards[0].clock);
        if (number < 0 && !stopping) {
            give_memory_back(server);
            continue;
        }
        if (__atomic_load_n(&server->failed, __ATOMIC_ACQUIRE))
            return SERVE_STORAGE_DEAD;
        if (__atomic_load_n(&server->stopped, __ATOMIC_ACQUIRE))
            return server->stop_err == OK ? SERVE_STOPPED : SERVE_STORAGE_DEAD;
        if (stopping && asked && now_ns - asked_ns < again_ns)
            continue; /* one wish: timeout(1), and a shell's Ctrl-C, send it to a whole group, too
                       */
        if (stopping && (asked || (number < 0 && is_out_of_patience(server, &patience)))) {
            log_line(&server->shards[0].log.sink, LOG_ERROR, "LVE-1107",
                     "stopped without order; the next start recovers");
            return SERVE_STOP_TIMED_OUT;
        }
        if (asked) {
            asked_ns = now_ns;
            stopping = true;
            log_line(&server->shards[0].log.sink, LOG_INFO, "LVE-1106", "stopping");
            broker_stop(server->broker);
        }
    }
}

enum serve_exit serve(const struct config *config, void (*ready)(const struct config *config))
{
    struct server server = {.config = config, .ready = ready, .main_thread = pthread_self()};
    enum serve_exit result = SERVE_FAILED;
    sigset_t signals;

    server.shard_count = (uint32_t)config_values(config)->levee_shards;
    server.shards = mem_alloc(server.shard_count * sizeof(*server.shards));
    metrics_init(&server.metrics);
    raise_descriptor_limit();
    keep_freed_memory();
    block_signals(&signals);
    if (start(&server) == OK)
        result = wait_for_end(&server, &signals);
    else if (server.begun)
        _exit((int)result); /* of loops that do not run, nothing in flight comes back */
    if (result == SERVE_STORAGE_DEAD || result == SERVE_STOP_TIMED_OUT)
        _exit(
            (int)result); /* what is in flight stays where it is: nothing more may become durable */
    http_set_scrape(server.http, NULL);
    if (server.broker != NULL)
        end_threads(&server);
    offload_destroy(server.offload);
    http_stop(server.http);
    broker_close(server.broker, result == SERVE_STOPPED);
    for (uint32_t i = 0; i < server.shard_count; i++)
        if (server.shards[i].io != NULL) {
            log_sink_report_suppressed(&server.shards[i].log.sink);
            server.shards[i].io->v->destroy(server.shards[i].io);
        }
    metrics_deinit(&server.metrics);
    mem_free(server.shards);
    return result;
}
