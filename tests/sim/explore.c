/* explore: all sequences of up to two operations, a crash at every point of them, every legal image
 * of the disk after each crash: recovered, judged, counted.
 *
 * The world before the operations is made once; each sequence runs in a fork of it, and each crash
 * in a fork of that (explore_crash). */
#include "base/check.h"
#include "tests/sim/explore_crash.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS_MAX = 16 };

/* ---- sequences */

static void run(struct explorer *e, enum explore_operation operation)
{
    const struct oracle_complaint *first;
    size_t used = strlen(e->sequence);

    snprintf(e->sequence + used, sizeof(e->sequence) - used, "%s%s", used > 0 ? "," : "",
             explore_operation_name(operation));
    explore_world_run(e->w, operation);
    explore_crash_end_image(e);
    first = oracle_first(e->w->oracle);
    if (first == NULL)
        return;
    printf("FAILED without a crash: --sequence %s\n  %s: %s\n", e->sequence, first->rule,
           first->text);
    fflush(stdout);
    explore_count(&e->counts->failures, 1);
}

/* What goes on after the last operation, until nothing does; and a crash then. */
static void finish(struct explorer *e)
{
    explore_count(&e->counts->sequences, 1);
    explore_world_settle(e->w);
    explore_crash_end_image(e);
    explore_crash_here(e);
    explore_crash_end_image(e);
    explore_crash_reap(e);
}

static uint64_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static void in_a_copy(struct explorer *e, enum explore_operation first, int second)
{
    pid_t child = explore_crash_fork();
    int status;

    if (child != 0) {
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            explore_count(&e->counts->failures, 1);
        return;
    }
    if (second < 0) {
        explore_crash_watch(e, true);
        run(e, first);
        finish(e);
    } else { /* its first half was explored alone */
        run(e, first);
        explore_crash_watch(e, true);
        run(e, (enum explore_operation)second);
        finish(e);
    }
    _exit(0);
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: explore [--length 1|2] [--every N] [--again N [--again-every N]] [--shards 1|2] "
        "[--cache] [--combinations N] [--samples N] [--tears N] [--workers N] [--seed S] [--pages] "
        "[--pushes-out] [--count] [--until-failure] [--sequence A[,B] [--point N [--image N "
        "[--again-point N [--again-image N]]]]] [--trace]\n");
    return 2;
}

static int operation_of(const char *name)
{
    for (int i = 0; i < EXPLORE_OPERATION_COUNT; i++)
        if (strcmp(explore_operation_name((enum explore_operation)i), name) == 0)
            return i;
    return -1;
}

static bool take_sequence(char *text, int only[2])
{
    char *comma = strchr(text, ',');

    if (comma != NULL)
        *comma = '\0';
    only[0] = operation_of(text);
    only[1] = comma == NULL ? -1 : operation_of(comma + 1);
    return only[0] >= 0 && (comma == NULL || only[1] >= 0);
}

static void explore(struct explorer *e, int length, const int only[2])
{
    for (int first = 0; first < EXPLORE_OPERATION_COUNT; first++) {
        if (only[0] >= 0 && only[0] != first)
            continue;
        for (int second = -1; second < EXPLORE_OPERATION_COUNT; second++) {
            if (only[0] >= 0 ? only[1] != second : second >= 0 && length < 2)
                continue;
            in_a_copy(e, (enum explore_operation)first, second);
        }
    }
}

/* Options without a value. */
static bool take_flag(struct explorer *e, const char *option)
{
    if (strcmp(option, "--trace") == 0)
        e->trace = true;
    else if (strcmp(option, "--count") == 0)
        e->only_count = true;
    else if (strcmp(option, "--until-failure") == 0)
        e->until_failure = true;
    else if (strcmp(option, "--pages") == 0)
        e->world.unit_bytes = SIM_PAGE_BYTES;
    else if (strcmp(option, "--pushes-out") == 0)
        e->world.pushes_out = true;
    else if (strcmp(option, "--cache") == 0)
        e->world.cache = true;
    else
        return false;
    return true;
}

static bool take_number(struct explorer *e, const char *option, int64_t number, int *length)
{
    if (strcmp(option, "--length") == 0)
        *length = (int)number;
    else if (strcmp(option, "--every") == 0)
        e->chosen[0].every = (uint64_t)number;
    else if (strcmp(option, "--again") == 0)
        e->again_every = (uint64_t)number;
    else if (strcmp(option, "--again-every") == 0)
        e->chosen[1].every = (uint64_t)number;
    else if (strcmp(option, "--combinations") == 0)
        e->options.combinations_max = (uint32_t)number;
    else if (strcmp(option, "--samples") == 0)
        e->options.samples = (uint32_t)number;
    else if (strcmp(option, "--tears") == 0)
        e->options.tears = (uint32_t)number;
    else if (strcmp(option, "--workers") == 0)
        e->workers_max = (uint32_t)number;
    else if (strcmp(option, "--shards") == 0)
        e->world.shards_count = (uint32_t)number;
    else if (strcmp(option, "--seed") == 0)
        e->world.seed = (uint64_t)number;
    else if (strcmp(option, "--point") == 0)
        e->chosen[0].only_point = number;
    else if (strcmp(option, "--image") == 0)
        e->chosen[0].only_image = number;
    else if (strcmp(option, "--again-point") == 0)
        e->chosen[1].only_point = number;
    else if (strcmp(option, "--again-image") == 0)
        e->chosen[1].only_image = number;
    else
        return false;
    return true;
}

static bool is_sound(const struct explorer *e)
{
    return e->chosen[0].every > 0 && e->chosen[1].every > 0 && e->workers_max > 0 &&
           e->workers_max <= WORKERS_MAX && e->world.shards_count >= 1 &&
           e->world.shards_count <= EXPLORE_SHARDS_MAX;
}

int main(int argc, char **argv)
{
    static struct explore_world world;
    struct explorer explorer = {
        .w = &world,
        .options =
            {.combinations_max = 32, .samples = 4, .subset_units = 4, .tears = 3, .cached_torn = 2},
        .world = {.seed = 1, .unit_bytes = SIM_SECTOR_BYTES, .shards_count = 1},
        .chosen = {{.every = 1, .only_point = -1, .only_image = -1},
                   {.every = 1, .only_point = -1, .only_image = -1}},
        .images = {-1, -1},
        .workers_max = 2};
    int only[2] = {-1, -1};
    int length = 2;
    uint64_t start = seconds_now();

    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (take_flag(&explorer, argv[i]))
            continue;
        if (value == NULL || !(strcmp(argv[i], "--sequence") == 0
                                   ? take_sequence(value, only)
                                   : take_number(&explorer, argv[i], atoll(value), &length)))
            return usage();
        i++;
    }
    if (!is_sound(&explorer))
        return usage();
    explorer.counts = explore_counts_create();
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* pages that were touched once stay */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    explorer.world.trace = explorer.trace;
    explore_world_init(&world, &explorer.world);
    if (oracle_first(world.oracle) != NULL) {
        printf("FAILED before any operation: %s: %s\n", oracle_first(world.oracle)->rule,
               oracle_first(world.oracle)->text);
        return 1;
    }
    world.trace = world.broker.print_log = false;
    explore(&explorer, length, only);
    explore_counts_print(explorer.counts, seconds_now() - start);
    return explorer.counts->failures == 0 ? 0 : 1;
}
