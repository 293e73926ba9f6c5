#include "tools/load/load_agent.h"

#include "base/clock_system.h"
#include "base/mem.h"
#include "record/big_endian.h"
#include "tools/load/load_frame.h"
#include "tools/load/load_json.h"
#include "tools/load/load_run.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SLICE_MS = 100,       /* how soon a stop is seen */
    GREETING_MS = 5000,   /* who connects speaks at once */
    WORKLOAD_MS = 120000, /* the driver greets the others first */
    BEGIN_MS = 300000,    /* others may take long to get ready */
    NAME_BYTES = 64,
};

/* One driver. */
struct session {
    int fd;
    FILE *log;
    const volatile sig_atomic_t *process_stop;
    volatile sig_atomic_t stop; /* of the run */
    atomic_bool is_over;        /* the run has ended: the watcher may, too */
    pthread_t watcher;
    bool has_watcher;
};

__attribute__((format(printf, 2, 3))) static void tell(FILE *log, const char *format, ...)
{
    va_list args;

    if (log == NULL)
        return;
    va_start(args, format);
    (void)vfprintf(log, format, args);
    va_end(args);
    (void)fputc('\n', log);
    (void)fflush(log);
}

static uint64_t now_ns(void)
{
    struct clock clock;

    clock_system_init(&clock);
    return clock_mono_ns(&clock);
}

static enum err send_problem(struct session *session, enum err problem, const char *text)
{
    uint8_t bytes[1024];
    size_t text_bytes = strlen(text);

    if (text_bytes > sizeof(bytes) - 4)
        text_bytes = sizeof(bytes) - 4;
    big_endian_put_u32(bytes, (uint32_t)problem);
    memcpy(bytes + 4, text, text_bytes);
    tell(session->log, "%s", text);
    return load_frame_send(session->fd, LOAD_FRAME_PROBLEM, bytes, 4 + text_bytes);
}

static enum err answer_ping(const struct session *session, const struct load_frame *frame)
{
    uint8_t pong[16];

    if (frame->size_bytes != 8)
        return ERR_MALFORMED;
    memcpy(pong, frame->bytes, 8);
    big_endian_put_u64(pong + 8, now_ns());
    return load_frame_send(session->fd, LOAD_FRAME_PONG, pong, sizeof(pong));
}

/* Beside a run: it ends when the driver says so, is gone, or this process is to end (AGT-1). */
static void *watch(void *context)
{
    struct session *session = context;

    while (!atomic_load(&session->is_over) && session->stop == 0) {
        struct load_frame frame = {0};
        enum err err = load_frame_receive(session->fd, SLICE_MS, 64, &frame);
        if (err != ERR_TIMEOUT && (err || frame.type == LOAD_FRAME_STOP))
            session->stop = 1;
        if (*session->process_stop != 0)
            session->stop = 1;
        load_frame_free(&frame);
    }
    return NULL;
}

/* Answer questions for the time until the driver says when to begin; 0: it will not. */
static uint64_t wait_for_start(struct session *session)
{
    uint64_t end_ns = now_ns() + BEGIN_MS * 1000000ULL;
    uint64_t start_ns = 0;

    while (start_ns == 0 && now_ns() < end_ns && *session->process_stop == 0) {
        struct load_frame frame = {0};
        enum err err = load_frame_receive(session->fd, SLICE_MS, 64, &frame);
        if (err == ERR_TIMEOUT)
            continue;
        if (!err && frame.type == LOAD_FRAME_PING)
            err = answer_ping(session, &frame);
        else if (!err && frame.type == LOAD_FRAME_START && frame.size_bytes == 8)
            start_ns = big_endian_get_u64(frame.bytes);
        else if (!err)
            err = ERR_CANCELED; /* STOP, or what does not belong here */
        load_frame_free(&frame);
        if (err)
            return 0;
    }
    return start_ns;
}

static uint64_t begin_at(void *context)
{
    struct session *session = context;
    uint64_t start_ns = 0;

    if (load_frame_send(session->fd, LOAD_FRAME_READY, NULL, 0) == OK)
        start_ns = wait_for_start(session);
    if (start_ns == 0) {
        session->stop = 1;
        return 0;
    }
    session->has_watcher = pthread_create(&session->watcher, NULL, watch, session) == 0;
    if (!session->has_watcher)
        session->stop = 1; /* nobody would see that the driver is gone */
    return start_ns;
}

static enum err send_result(struct session *session, const struct load_result *result)
{
    char *text;
    enum err err = load_json_text(result, &text);

    if (err)
        return send_problem(session, err, "no memory for the result");
    tell(session->log, "%llu records sent, %llu read", (unsigned long long)result->sent_count,
         (unsigned long long)result->read_count);
    err = load_frame_send(session->fd, LOAD_FRAME_RESULT, text, strlen(text));
    mem_free(text);
    return err;
}

static enum err run(struct session *session, const struct load_workload *workload)
{
    char problem[512] = "";
    struct load_result *result;
    struct load_view view;
    struct load_run_options options = {.workload = workload,
                                       .view = &view,
                                       .stop = &session->stop,
                                       .begin_at = begin_at,
                                       .context = session};
    enum err err;

    load_view_init(&view, NULL);
    err = load_run(&options, &result, problem, sizeof(problem));
    atomic_store(&session->is_over, true);
    if (session->has_watcher)
        pthread_join(session->watcher, NULL);
    if (err)
        return send_problem(session, err, problem);
    err = send_result(session, result);
    load_result_destroy(result);
    return err;
}

static enum err greet(struct session *session)
{
    struct load_frame frame = {0};
    uint8_t hello[8 + NAME_BYTES] = {0};
    enum err err = load_frame_receive(session->fd, GREETING_MS, sizeof(hello), &frame);

    if (!err && (frame.type != LOAD_FRAME_HELLO || frame.size_bytes < 8 ||
                 big_endian_get_u32(frame.bytes) != LOAD_FRAME_MAGIC))
        err = ERR_MALFORMED;
    if (!err && big_endian_get_u32(frame.bytes + 4) != LOAD_FRAME_VERSION)
        err = ERR_NEWER_FORMAT;
    load_frame_free(&frame);
    if (err)
        return err;
    big_endian_put_u32(hello, LOAD_FRAME_MAGIC);
    big_endian_put_u32(hello + 4, LOAD_FRAME_VERSION);
    (void)gethostname((char *)hello + 8, NAME_BYTES - 1);
    return load_frame_send(session->fd, LOAD_FRAME_HELLO, hello, 8 + strlen((char *)hello + 8));
}

static enum err take_workload(struct load_frame *frame, struct load_workload *workload,
                              char *problem, size_t problem_max)
{
    uint32_t number;
    uint32_t count;
    enum err err;

    snprintf(problem, problem_max, "no workload");
    if (frame->type != LOAD_FRAME_WORKLOAD || frame->size_bytes < 8)
        return ERR_MALFORMED;
    number = big_endian_get_u32(frame->bytes);
    count = big_endian_get_u32(frame->bytes + 4);
    if (number >= count || count > LOAD_AGENTS_MAX)
        return ERR_MALFORMED;
    err = load_agent_understand((char *)frame->bytes + 8, frame->size_bytes - 8, workload, problem,
                                problem_max);
    if (!err)
        err = load_workload_check(workload, problem, problem_max);
    if (!err)
        load_agent_take_share(workload, number, count);
    return err;
}

static enum err wait_for_workload(const struct session *session, struct load_frame *frame)
{
    uint64_t end_ns = now_ns() + WORKLOAD_MS * 1000000ULL;
    enum err err;

    do {
        err = load_frame_receive(session->fd, SLICE_MS, LOAD_AGENT_WORKLOAD_BYTES_MAX, frame);
    } while (err == ERR_TIMEOUT && now_ns() < end_ns && *session->process_stop == 0);
    return err;
}

static enum err serve_one(struct session *session)
{
    struct load_workload *workload;
    struct load_frame frame = {0};
    char problem[512];
    enum err err = greet(session);

    if (!err)
        err = wait_for_workload(session, &frame);
    if (err)
        return err;
    workload = mem_try_alloc(sizeof(*workload));
    if (workload == NULL) {
        load_frame_free(&frame);
        return ERR_NOMEM;
    }
    err = take_workload(&frame, workload, problem, sizeof(problem));
    load_frame_free(&frame);
    if (err) {
        err = send_problem(session, err, problem);
    } else {
        tell(session->log, "running %s against %s", workload->name, workload->brokers);
        err = run(session, workload);
    }
    load_workload_deinit(workload);
    mem_free(workload);
    return err;
}

enum err load_agent_serve(int fd, const volatile sig_atomic_t *stop, FILE *log)
{
    while (*stop == 0) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        struct session session = {.log = log, .process_stop = stop};
        enum err err;
        if (poll(&waiting, 1, SLICE_MS) <= 0)
            continue;
        session.fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (session.fd < 0 && (errno == EMFILE || errno == ENFILE || errno == EBADF))
            return err_from_errno(errno);
        if (session.fd < 0)
            continue; /* who wanted to speak is gone again */
        err = serve_one(&session);
        if (err)
            tell(log, "the driver: %s", err_text(err));
        (void)close(session.fd);
    }
    return OK;
}
