#include "tests/sim/explore_crash.h"

#include "base/check.h"
#include "tests/sim/sim_image.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    SECONDS_MAX = 120,         /* of one image */
    SECONDS_MAX_AGAIN = 36000, /* of one whose recovery is explored */
    COMPLAINTS_SHOWN_MAX = 5,
    KILLS = 2, /* of each point: kill -9, two fates of what is in flight */
    EXIT_SAME = 3,
};

static struct explore_depth_counts *counts_of(const struct explorer *e)
{
    return &e->counts->depths[e->depth];
}

int explore_crash_fork(void)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child < 0) {
        perror("explore: fork");
        exit(2);
    }
    return child;
}

static void reap_one(struct explorer *e)
{
    int status;

    if (wait(&status) < 0) {
        perror("explore: wait");
        exit(2);
    }
    e->workers--;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
        fprintf(stderr, "explore: a worker died\n");
        explore_count(&e->counts->failures, 1);
    }
}

void explore_crash_reap(struct explorer *e)
{
    while (e->workers > 0)
        reap_one(e);
}

/* ---- one image, in a process of its own */

static void tell_failure(const struct explorer *e, const struct explore_images *images,
                         int64_t image, const char *rule, const char *text)
{
    if (__atomic_fetch_add(&e->counts->failures, 1, __ATOMIC_RELAXED) >= COMPLAINTS_SHOWN_MAX)
        return;
    printf("FAILED --sequence %s --point %" PRIu64 " --image %" PRId64, e->sequence, e->points[0],
           e->depth == 0 ? image : e->images[0]);
    if (e->depth == 1)
        printf(" --again 1 --again-point %" PRIu64 " --again-image %" PRId64, e->points[1], image);
    printf(" --seed %" PRIu64 "%s%s%s%s\n  %s: %s\n", e->world.seed,
           e->world.pushes_out ? " --pushes-out" : "",
           e->world.unit_bytes == SIM_PAGE_BYTES ? " --pages" : "",
           e->world.shards_count > 1 ? " --shards 2" : "", e->world.cache ? " --cache" : "", rule,
           text);
    if (images != NULL && image < images->count)
        explore_images_print(images, (uint32_t)image, stdout);
    fflush(stdout);
}

/* In the process of the image; the names of files are those that it ended with. */
static int tell_complaint(const struct explorer *e, const struct oracle_complaint *complaint)
{
    char text[sizeof(complaint->text) + 64];

    snprintf(text, sizeof(text), "partition %" PRIu32 " offset %" PRId64 ": %s",
             complaint->partition, complaint->offset, complaint->text);
    tell_failure(e, NULL, e->images[e->depth], complaint->rule, text);
    return 1;
}

/* True: such an image was judged already, by somebody who knew the same. */
static bool was_judged(const struct explorer *e)
{
    uint64_t hash = sim_image_hash(&e->w->broker.node->disk, SIM_DURABLE);

    return explore_counts_note(e->counts, XXH3_64bits_withSeed(e->sequence, strlen(e->sequence),
                                                               hash + e->w->history.count));
}

/* XCR-1 */
static bool is_explored_again(const struct explorer *e, uint32_t image)
{
    uint64_t hash = XXH3_64bits(e->sequence, strlen(e->sequence));

    return e->depth == 0 && e->again_every > 0 &&
           (hash + e->points[0] * 31 + image) % e->again_every == 0;
}

static void on_starting(void *context)
{
    struct explorer *e = context;

    e->w->broker.starting = NULL; /* the second start is not explored */
    explore_crash_watch(e, true);
}

/* Then SIGPROF ends the process; on a busy machine it may take longer than that. */
static void limit_time(time_t seconds)
{
    struct itimerval limit = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_PROF, &limit, NULL);
}

/* The images above the listed ones are kills. */
static void become(struct explorer *e, const struct explore_images *images,
                   struct sim_process *process, uint32_t image)
{
    bool again = is_explored_again(e, image);

    e->images[e->depth] = image;
    e->workers = 0;
    e->w->trace = e->w->broker.print_log = e->trace;
    e->w->crashed = true;
    e->w->power_lost = image < images->count;
    e->w->recovers_with = e->world.shards_count > 1 && image % 3 == 0 ? 1 : e->world.shards_count;
    process->watch = NULL;
    limit_time(again ? SECONDS_MAX_AGAIN : SECONDS_MAX);
    if (image < images->count) {
        explore_images_apply(images, process, image);
        if (e->chosen[e->depth].only_image < 0 && was_judged(e))
            _exit(EXIT_SAME);
    } else {
        prng_init(&process->disk->image_prng, image);
        sim_process_die(process, SIM_KILL);
    }
    if (!again)
        return;
    explore_count(&e->counts->recoveries, 1);
    e->depth = 1;
    e->workers_max = 1; /* its fellows work, too */
    e->last_signature = 0;
    e->w->broker.starting = on_starting;
    e->w->broker.starting_context = e;
}

/* In the parent: wait for it, and tell how it ended.  False: it was judged before. */
static bool await_image(struct explorer *e, const struct explore_images *images, uint32_t image,
                        pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child) {
        perror("explore: waitpid");
        exit(2);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1 &&
        e->counts->failures <= COMPLAINTS_SHOWN_MAX && image < images->count)
        explore_images_print(images, image, stdout);
    if (WIFSIGNALED(status))
        tell_failure(e, images, image, "STOPPED",
                     WTERMSIG(status) == SIGPROF ? "no end in sight" : "a check failed");
    return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SAME;
}

/* ---- one point */

/* True: this process goes on with an image. */
static bool visit(struct explorer *e, struct explore_images *images, struct sim_process *process,
                  bool with_kills)
{
    struct explore_depth_counts *counts = counts_of(e);
    uint32_t count = images->count + (with_kills ? KILLS : 0);
    int64_t only_image = e->chosen[e->depth].only_image;

    if (images->log2_all > (double)e->counts->log2_all_max)
        e->counts->log2_all_max = (uint64_t)images->log2_all;
    for (uint32_t image = 0; image < count; image++) {
        pid_t child;
        if (only_image >= 0 && only_image != image)
            continue;
        if (e->until_failure && e->counts->failures > 0)
            return false;
        if (e->only_count) {
            explore_count(&counts->images, 1);
            continue;
        }
        child = explore_crash_fork();
        if (child == 0) {
            become(e, images, process, image);
            return true;
        }
        explore_count(!await_image(e, images, image, child) ? &counts->images_same
                      : image < images->count               ? &counts->images
                                                            : &counts->kills,
                      1);
    }
    return false;
}

/* In a worker. */
static bool visit_all(struct explorer *e, struct sim_process *process, uint64_t inode,
                      const struct sim_disk_write *write)
{
    struct explore_images images;
    pid_t child;
    int status;

    child = explore_crash_fork(); /* the copy lets begin what is in flight */
    if (child == 0) {
        explore_images_make(&images, process, inode, write, true, &e->options);
        if (!images.is_exhaustive)
            explore_count(&counts_of(e)->points_sampled, 1);
        if (visit(e, &images, process, true))
            return true;
        _exit(images.writes_overlap ? 1 : 0);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        _exit(2);
    if (WEXITSTATUS(status) == 1) { /* what lay below the writes in flight is an image, too */
        explore_images_make(&images, process, 0, NULL, false, &e->options);
        if (visit(e, &images, process, false))
            return true;
    }
    _exit(0);
}

static bool is_chosen(const struct explorer *e)
{
    const struct explore_chosen *chosen = &e->chosen[e->depth];
    uint64_t point = e->points[e->depth];
    uint64_t hash = XXH3_64bits(e->sequence, strlen(e->sequence));

    if (chosen->only_point >= 0)
        return (uint64_t)chosen->only_point == point;
    if (e->depth == 1)
        hash += e->points[0] + (uint64_t)e->images[0];
    return (hash + point) % chosen->every == 0;
}

static void on_watch(struct sim_process *process, uint64_t inode,
                     const struct sim_disk_write *write)
{
    struct explorer *e = process->watch_context;
    uint64_t signature = explore_image_signature(process) + inode;

    if (signature == e->last_signature && e->w->history.count == e->last_history) {
        explore_count(&counts_of(e)->points_same, 1);
        return;
    }
    e->last_signature = signature;
    e->last_history = e->w->history.count;
    e->points[e->depth]++;
    if (e->until_failure && e->counts->failures > 0)
        return;
    if (!is_chosen(e)) {
        explore_count(&counts_of(e)->points_left, 1);
        return;
    }
    explore_count(&counts_of(e)->points, 1);
    while (e->workers >= e->workers_max)
        reap_one(e);
    e->workers++;
    if (explore_crash_fork() == 0)
        (void)visit_all(e, process, inode, write);
}

void explore_crash_watch(struct explorer *e, bool on)
{
    struct sim_process *process = e->w->broker.node->process;

    process->watch_context = e;
    process->watch = on ? on_watch : NULL;
}

void explore_crash_here(struct explorer *e)
{
    e->last_signature = 0;
    on_watch(e->w->broker.node->process, 0, NULL);
}

void explore_crash_end_image(struct explorer *e)
{
    const struct oracle_complaint *first;

    if (e->images[0] < 0)
        return;
    explore_world_recover(e->w);
    while (e->w->crashed) /* in the recovery: another image */
        explore_world_recover(e->w);
    if (e->depth == 1 && e->images[1] < 0) {
        explore_crash_watch(e, false);
        explore_crash_reap(e);
    }
    explore_world_prove(e->w);
    first = oracle_first(e->w->oracle);
    _exit(first == NULL ? 0 : tell_complaint(e, first));
}
