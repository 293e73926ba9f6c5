/* levee doctor io: which body of the seam a broker would run on here, what the ring may do, and how
 * long a write of each takes until it is durable. */
#include "base/check.h"
#include "base/io_choose.h"
#include "base/io_system.h"
#include "tools/cli.h"
#include "tools/device_latency.h"
#include "tools/output.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

enum { BLOCKS = 5, WRITES_OF_BLOCK = 40, BODIES = 2, BODY_RING = 0, BODY_PLAIN = 1 };

struct body {
    const char *name;
    struct io *io; /* NULL: not to be had here */
    struct device_latency latencies[DEVICE_WRITE_COUNT];
};

static const char *const write_texts[DEVICE_WRITE_COUNT] = {
    [DEVICE_WRITE_FSYNC] = "write 4 KiB and fdatasync",
    [DEVICE_WRITE_PING] = "journal, one record (4 KiB)",
    [DEVICE_WRITE_GROUP] = "journal, group commit (64 KiB)",
};

static const char *const write_names[DEVICE_WRITE_COUNT] = {
    [DEVICE_WRITE_FSYNC] = "fsync",
    [DEVICE_WRITE_PING] = "journal_4k",
    [DEVICE_WRITE_GROUP] = "journal_64k",
};

/* ---- what may be done */

static void tell_choice(const struct cli *cli, const struct io_choice *choice)
{
    char why[IO_CHOICE_TEXT_MAX];
    struct utsname system;
    struct output_object object;

    io_choice_why(choice, why);
    if (uname(&system) != 0)
        snprintf(system.release, sizeof(system.release), "?");
    if (!cli->json) {
        output_line("kernel     Linux %s", system.release);
        output_line("io_uring   %s", choice->ring ? "allowed" : why);
        output_line("backend    levee.io=auto takes %s here", choice->ring ? "the ring" : "plain");
        return;
    }
    output_begin(&object);
    output_text(&object, "kernel", system.release);
    output_bool(&object, "io_uring", choice->ring);
    output_text(&object, "why", choice->ring ? NULL : why);
    output_text(&object, "backend", choice->ring ? "ring" : "plain");
    output_text(&object, "advice", io_choice_advice(choice));
    output_end(&object);
}

/* Each operation over each body that is there; false: one has operations in flight for ever, and
 * may not be used or given back. */
static bool tell_operations(const struct cli *cli, struct body *body)
{
    struct io_probe probe;
    bool ended;

    if (body->io == NULL)
        return true;
    ended = io_probe_run(body->io, &probe);
    for (uint32_t i = 0; i < IO_OPERATION_COUNT; i++) {
        const char *state = !probe.tried[i]        ? "not tried"
                            : probe.errors[i] == 0 ? "works"
                                                   : strerrorname_np(probe.errors[i]);
        const char *name = io_operation_text((enum io_operation)i);
        struct output_object object;
        if (!cli->json) {
            if (i == 0)
                output_line("%s", body->name);
            output_line("  %-20s %s", name, state == NULL ? "refused" : state);
            continue;
        }
        output_begin(&object);
        output_text(&object, "backend", body->name);
        output_text(&object, "operation", name);
        output_text(&object, "state", state == NULL ? "refused" : state);
        output_end(&object);
    }
    return ended;
}

/* ---- how long it takes */

static enum err measure(struct body *bodies, const char *dir)
{
    enum err err = OK;

    for (uint32_t block = 0; block < BLOCKS; block++) /* in turn: the device has its moods */
        for (uint32_t kind = 0; kind < DEVICE_WRITE_COUNT; kind++)
            for (uint32_t i = 0; i < BODIES && err == OK; i++)
                if (bodies[i].io != NULL)
                    err = device_latency_measure(bodies[i].io, dir, (enum device_write)kind,
                                                 WRITES_OF_BLOCK, &bodies[i].latencies[kind]);
    return err;
}

static void tell_latency(const struct cli *cli, const struct body *body, uint32_t kind)
{
    const struct device_latency *latency = &body->latencies[kind];
    uint64_t p50_us = histogram_percentile(&latency->took_ns, 50) / 1000;
    uint64_t p99_us = histogram_percentile(&latency->took_ns, 99) / 1000;
    struct output_object object;

    if (body->io == NULL)
        return;
    if (!cli->json) {
        output_line("  %-32s %-6s p50 %6llu us   p99 %6llu us%s", write_texts[kind], body->name,
                    (unsigned long long)p50_us, (unsigned long long)p99_us,
                    kind != DEVICE_WRITE_FSYNC && !latency->direct ? "   without O_DIRECT" : "");
        return;
    }
    output_begin(&object);
    output_text(&object, "backend", body->name);
    output_text(&object, "write", write_names[kind]);
    output_number(&object, "count", (int64_t)histogram_count(&latency->took_ns));
    output_number(&object, "p50_us", (int64_t)p50_us);
    output_number(&object, "p99_us", (int64_t)p99_us);
    output_bool(&object, "direct", latency->direct);
    output_end(&object);
}

static enum cli_exit tell_latencies(const struct cli *cli, struct body *bodies)
{
    const char *dir = cli->dir == NULL ? "." : cli->dir;
    enum err err = measure(bodies, dir);

    if (err != OK)
        return cli_fail(cli_exit_of(err), "writes in %s: %s; name a directory with --dir", dir,
                        err_text(err));
    if (!cli->json)
        output_line("until a write in %s is durable, one at a time, %d each", dir,
                    BLOCKS * WRITES_OF_BLOCK);
    for (uint32_t kind = 0; kind < DEVICE_WRITE_COUNT; kind++)
        for (uint32_t i = 0; i < BODIES; i++)
            tell_latency(cli, &bodies[i], kind);
    return CLI_OK;
}

static enum cli_exit examine(const struct cli *cli, struct body *bodies)
{
    struct io_choice choice;
    enum cli_exit result;
    enum err err = io_choose(IO_WANTED_AUTO, &choice);

    if (err == OK)
        err = io_plain_create(&(struct io_plain_options){0}, &bodies[BODY_PLAIN].io);
    if (err != OK)
        return cli_fail(CLI_FAILED, "no backend can be made here: %s", err_text(err));
    if (choice.ring && io_uring_create(&(struct io_uring_options){0}, &bodies[BODY_RING].io) != OK)
        bodies[BODY_RING].io = NULL;
    tell_choice(cli, &choice);
    for (uint32_t i = 0; i < BODIES; i++)
        if (!tell_operations(cli, &bodies[i]))
            bodies[i].io = NULL;
    result = tell_latencies(cli, bodies);
    if (!cli->json) /* also where nothing can be written */
        output_line("advice     %s", io_choice_advice(&choice));
    return result;
}

enum cli_exit command_doctor_io(struct cli *cli)
{
    struct body bodies[BODIES] = {[BODY_RING] = {.name = "ring"}, [BODY_PLAIN] = {.name = "plain"}};
    enum cli_exit result = CLI_OK;

    for (uint32_t i = 0; i < BODIES; i++)
        for (uint32_t kind = 0; kind < DEVICE_WRITE_COUNT; kind++)
            if (histogram_init(&bodies[i].latencies[kind].took_ns, 2) != OK)
                result = cli_fail(CLI_FAILED, "no memory");
    if (result == CLI_OK)
        result = examine(cli, bodies);
    for (uint32_t i = 0; i < BODIES; i++) {
        if (bodies[i].io != NULL)
            bodies[i].io->v->destroy(bodies[i].io);
        for (uint32_t kind = 0; kind < DEVICE_WRITE_COUNT; kind++)
            histogram_deinit(&bodies[i].latencies[kind].took_ns);
    }
    return result;
}
