#include "tools/load/load_agents.h"

#include "base/clock_system.h"
#include "base/mem.h"
#include "record/big_endian.h"
#include "tools/load/load_agent.h"
#include "tools/load/load_clock.h"
#include "tools/load/load_frame.h"
#include "tools/load/load_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECT_MS = 5000,
    ANSWER_MS = 10000,
    SLICE_MS = 20,
    PINGS_COUNT = 32,
    ROUNDS_MAX = 20, /* of pings, until the clock is known well enough */
    LEAD_MS = 300,   /* everybody hears of the start before it comes */
};

struct agent {
    char address[LOAD_WORD_MAX];
    char name[LOAD_WORD_MAX];
    int fd; /* -1: none */
    int64_t offset_ns;
    uint64_t error_ns;
    struct load_result *result;
};

struct drive {
    const struct load_run_options *options;
    struct agent agents[LOAD_AGENTS_MAX];
    uint32_t count;
    char *problem;
    size_t problem_max;
    bool has_stopped; /* they were told to */
};

static uint64_t now_ns(void)
{
    struct clock clock;

    clock_system_init(&clock);
    return clock_mono_ns(&clock);
}

/* "agent ADDRESS: ..." becomes the problem. */
__attribute__((format(printf, 4, 5))) static enum err fail(const struct drive *drive,
                                                           const struct agent *agent, enum err err,
                                                           const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    snprintf(drive->problem, drive->problem_max, "agent %s: %s", agent->address, text);
    return err;
}

static bool is_stopped(const struct drive *drive)
{
    return drive->options->stop != NULL && *drive->options->stop != 0;
}

static enum err list_agents(struct drive *drive, const char *text)
{
    while (*text != '\0') {
        size_t size_bytes = strcspn(text, ",");
        struct agent *agent = &drive->agents[drive->count];
        if (drive->count == LOAD_AGENTS_MAX || size_bytes == 0 ||
            size_bytes >= sizeof(agent->address)) {
            snprintf(drive->problem, drive->problem_max,
                     "--agents: 1 to %d addresses HOST:PORT, separated by commas", LOAD_AGENTS_MAX);
            return ERR_INVALID;
        }
        memcpy(agent->address, text, size_bytes);
        agent->fd = -1;
        drive->count++;
        text += size_bytes + (text[size_bytes] == ',');
    }
    return OK;
}

/* What an agent says instead of what was waited for. */
static enum err told(const struct drive *drive, const struct agent *agent,
                     const struct load_frame *frame)
{
    if (frame->type == LOAD_FRAME_PROBLEM && frame->size_bytes >= 4) {
        uint32_t code = big_endian_get_u32(frame->bytes);
        return fail(drive, agent, code > OK && code < ERR_COUNT ? (enum err)code : ERR_IO, "%s",
                    (const char *)frame->bytes + 4);
    }
    return fail(drive, agent, ERR_MALFORMED, "it does not speak as an agent does");
}

/* The next frame, which is of that type. */
static enum err receive(const struct drive *drive, const struct agent *agent, int timeout_ms,
                        enum load_frame_type type, struct load_frame *out)
{
    enum err err = load_frame_receive(agent->fd, timeout_ms, LOAD_JSON_BYTES_MAX, out);

    if (err == ERR_TIMEOUT)
        return err;
    if (err)
        return fail(drive, agent, err, "%s", err_text(err));
    if (out->type == type)
        return OK;
    err = told(drive, agent, out);
    load_frame_free(out);
    return err;
}

static enum err greet(const struct drive *drive, struct agent *agent)
{
    struct load_frame frame;
    uint8_t hello[8];
    enum err err = load_frame_connect(agent->address, CONNECT_MS, &agent->fd);

    if (err)
        return fail(drive, agent, err, "%s", err_text(err));
    big_endian_put_u32(hello, LOAD_FRAME_MAGIC);
    big_endian_put_u32(hello + 4, LOAD_FRAME_VERSION);
    err = load_frame_send(agent->fd, LOAD_FRAME_HELLO, hello, sizeof(hello));
    if (!err)
        err = receive(drive, agent, ANSWER_MS, LOAD_FRAME_HELLO, &frame);
    if (err == ERR_TIMEOUT)
        return fail(drive, agent, err, "it does not answer: busy with another driver?");
    if (err)
        return err;
    if (frame.size_bytes < 8 || big_endian_get_u32(frame.bytes) != LOAD_FRAME_MAGIC)
        err = told(drive, agent, &frame);
    else
        snprintf(agent->name, sizeof(agent->name), "%s", (const char *)frame.bytes + 8);
    load_frame_free(&frame);
    return err;
}

static enum err hand_out(const struct drive *drive)
{
    char *text;
    uint8_t *bytes;
    size_t size_bytes;
    enum err err =
        load_agent_describe(drive->options->workload, &text, drive->problem, drive->problem_max);

    if (err)
        return err;
    size_bytes = strlen(text);
    bytes = mem_alloc(8 + size_bytes);
    memcpy(bytes + 8, text, size_bytes);
    mem_free(text);
    for (uint32_t i = 0; i < drive->count && !err; i++) {
        big_endian_put_u32(bytes, i);
        big_endian_put_u32(bytes + 4, drive->count);
        err = load_frame_send(drive->agents[i].fd, LOAD_FRAME_WORKLOAD, bytes, 8 + size_bytes);
        if (err)
            err = fail(drive, &drive->agents[i], err, "%s", err_text(err));
    }
    mem_free(bytes);
    return err;
}

/* All have their clients ready. */
static enum err wait_ready(const struct drive *drive)
{
    uint64_t end_ns = now_ns() + drive->options->workload->timeout_ns + ANSWER_MS * 1000000ULL;

    for (uint32_t i = 0; i < drive->count;) {
        struct load_frame frame;
        enum err err = receive(drive, &drive->agents[i], SLICE_MS, LOAD_FRAME_READY, &frame);
        if (err == OK) {
            load_frame_free(&frame);
            i++;
        } else if (err != ERR_TIMEOUT) {
            return err;
        } else if (is_stopped(drive)) {
            return fail(drive, &drive->agents[i], ERR_CANCELED,
                        "stopped before anything was measured");
        } else if (now_ns() > end_ns) {
            return fail(drive, &drive->agents[i], ERR_TIMEOUT, "it did not get ready in time");
        }
    }
    return OK;
}

static enum err ping(const struct drive *drive, const struct agent *agent,
                     struct load_clock_sample *out)
{
    struct load_frame frame;
    uint8_t bytes[8];
    enum err err;

    out->sent_ns = now_ns();
    big_endian_put_u64(bytes, out->sent_ns);
    err = load_frame_send(agent->fd, LOAD_FRAME_PING, bytes, sizeof(bytes));
    if (!err)
        err = receive(drive, agent, ANSWER_MS, LOAD_FRAME_PONG, &frame);
    if (err)
        return err == ERR_TIMEOUT ? fail(drive, agent, err, "it does not answer") : err;
    out->received_ns = now_ns();
    if (frame.size_bytes != 16 || memcmp(frame.bytes, bytes, 8) != 0)
        err = told(drive, agent, &frame);
    else
        out->other_ns = big_endian_get_u64(frame.bytes + 8);
    load_frame_free(&frame);
    return err;
}

/* LAG-1 */
static enum err measure_clock(const struct drive *drive, struct agent *agent)
{
    struct load_clock_sample samples[PINGS_COUNT];

    for (int round = 0; round < ROUNDS_MAX; round++) {
        for (int i = 0; i < PINGS_COUNT; i++) {
            enum err err = ping(drive, agent, &samples[i]);
            if (err)
                return err;
        }
        agent->offset_ns = load_clock_offset(samples, PINGS_COUNT, &agent->error_ns);
        if (agent->error_ns <= LOAD_AGENTS_SKEW_MAX_NS)
            return OK;
    }
    return fail(drive, agent, ERR_TIMEOUT,
                "its clock is known to %.1f ms only: it could not begin with the others",
                (double)agent->error_ns / 1e6);
}

static enum err start_all(struct drive *drive)
{
    uint64_t start_ns;
    enum err err = OK;

    for (uint32_t i = 0; i < drive->count && !err; i++)
        err = measure_clock(drive, &drive->agents[i]);
    start_ns = now_ns() + LEAD_MS * 1000000ULL;
    for (uint32_t i = 0; i < drive->count && !err; i++) {
        uint8_t bytes[8];
        big_endian_put_u64(bytes, start_ns + (uint64_t)drive->agents[i].offset_ns);
        err = load_frame_send(drive->agents[i].fd, LOAD_FRAME_START, bytes, sizeof(bytes));
        if (err)
            err = fail(drive, &drive->agents[i], err, "%s", err_text(err));
    }
    return err;
}

static void stop_all(struct drive *drive)
{
    for (uint32_t i = 0; i < drive->count && !drive->has_stopped; i++) {
        /* who is gone already needs no word */
        if (drive->agents[i].fd >= 0 && drive->agents[i].result == NULL)
            (void)!load_frame_send(drive->agents[i].fd, LOAD_FRAME_STOP, NULL, 0);
    }
    drive->has_stopped = true;
}

/* One look at an agent that has not told its result.  ERR_TIMEOUT: nothing yet. */
static enum err look_at(const struct drive *drive, struct agent *agent)
{
    struct load_frame frame;
    enum err err = receive(drive, agent, SLICE_MS, LOAD_FRAME_RESULT, &frame);

    if (err)
        return err;
    err = load_json_parse((const char *)frame.bytes, frame.size_bytes, &agent->result);
    load_frame_free(&frame);
    return err ? fail(drive, agent, err, "its result: %s", err_text(err)) : OK;
}

static enum err collect(struct drive *drive)
{
    const struct load_workload *workload = drive->options->workload;
    uint64_t end_ns = now_ns() + workload->warmup_ns + workload->duration_ns +
                      4 * workload->timeout_ns + ANSWER_MS * 1000000ULL;
    uint32_t left = drive->count;

    while (left > 0) {
        for (uint32_t i = 0; i < drive->count; i++) {
            struct agent *agent = &drive->agents[i];
            enum err err = agent->result != NULL ? ERR_TIMEOUT : look_at(drive, agent);
            if (err == OK)
                left--;
            else if (err != ERR_TIMEOUT)
                return err;
            if (agent->result == NULL && now_ns() > end_ns && workload->backlog_bytes == 0)
                return fail(drive, agent, ERR_TIMEOUT, "it did not come to its end in time");
        }
        if (is_stopped(drive))
            stop_all(drive);
    }
    return OK;
}

static enum err merge(struct drive *drive, struct load_result **out)
{
    struct load_result *sum = drive->agents[0].result;

    drive->agents[0].result = NULL;
    for (uint32_t i = 0; i < drive->count; i++) {
        const struct agent *agent = &drive->agents[i];
        char key[32];
        enum err err = i == 0 ? OK : load_result_merge(sum, agent->result);
        if (err) {
            load_result_destroy(sum);
            return fail(drive, agent, err, "its result: %s", err_text(err));
        }
        snprintf(key, sizeof(key), "agent %u", (unsigned)i + 1);
        load_result_environment(sum, key, "%.100s (%.60s), its clock known to %.1f us",
                                agent->address, agent->name, (double)agent->error_ns / 1e3);
    }
    *out = sum;
    return OK;
}

enum err load_agents_run(const struct load_run_options *options, struct load_result **out,
                         char *problem, size_t problem_max)
{
    struct drive *drive = mem_alloc(sizeof(*drive));
    enum err err;

    drive->options = options;
    drive->problem = problem;
    drive->problem_max = problem_max;
    err = list_agents(drive, options->workload->agents);
    for (uint32_t i = 0; i < drive->count && !err; i++)
        err = greet(drive, &drive->agents[i]);
    if (!err)
        err = hand_out(drive);
    if (!err) {
        load_view_begin(options->view, options->workload);
        err = wait_ready(drive);
    }
    if (!err)
        err = start_all(drive);
    if (!err) {
        char text[64];
        snprintf(text, sizeof(text), "%u agents run it", (unsigned)drive->count);
        load_view_note(options->view, text);
    }
    if (!err)
        err = collect(drive);
    if (!err)
        err = merge(drive, out);
    for (uint32_t i = 0; i < drive->count; i++) {
        if (drive->agents[i].fd >= 0)
            (void)close(drive->agents[i].fd); /* an agent that still runs ends (AGT-1) */
        load_result_destroy(drive->agents[i].result);
    }
    mem_free(drive);
    return err;
}

enum err load_agents_or_here(const struct load_run_options *options, struct load_result **out,
                             char *problem, size_t problem_max)
{
    if (options->workload->agents[0] != '\0')
        return load_agents_run(options, out, problem, problem_max);
    return load_run(options, out, problem, problem_max);
}
