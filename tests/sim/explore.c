/* explore: all sequences of up to two operations, a crash at every point of them, every legal image
 * of the disk after each crash: recovered, judged, counted.
 *
 * The world before the operations is made once.  Each operation, and each point where the disk is
 * about to change, is a fork of it: a copy lists the images that a crash there may leave
 * (explore_image), and each image is a copy again, in which the broker recovers from it
 * (explore_world_judge).  Points at which neither the disk nor anybody's knowledge is another than
 * at the one before are one point. */
#include "base/check.h"
#include "tests/sim/explore_image.h"
#include "tests/sim/explore_world.h"
#include "tests/sim/sim_image.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    SECONDS_MAX = 120, /* of one image */
    COMPLAINTS_SHOWN_MAX = 5,
    WORKERS_MAX = 16,
    KILLS = 2, /* of each point: kill -9, two fates of what is in flight */
    EXIT_SAME = 3,
    JUDGED_MAX = 1 << 22, /* twice as many as a full run has */
};

/* Counted by all processes. */
struct counts {
    uint64_t sequences;
    uint64_t points; /* at which images were made */
    uint64_t points_same;
    uint64_t points_left; /* by --every */
    uint64_t points_sampled;
    uint64_t images;
    uint64_t kills;
    uint64_t failures;
    uint64_t images_same;        /* judged before, with the same knowledge */
    uint64_t log2_all_max;       /* of the images of one point */
    uint64_t judged[JUDGED_MAX]; /* a hash table of images, with what was known; 0: free */
};

struct explorer {
    struct explore_world *w;
    struct counts *counts; /* shared */
    struct explore_options options;
    struct explore_world_options world;
    uint32_t workers_max;
    uint32_t workers;
    uint64_t every; /* of so many points, one */
    uint64_t point; /* in this sequence */
    uint64_t last_signature;
    size_t last_history;
    char sequence[64];
    int64_t only_point; /* -1: all */
    int64_t only_image; /* -1: all; above the images: kills */
    bool until_failure;
    bool only_count; /* judge nothing */
    bool is_image;   /* this process goes on with one image */
    bool trace;
};

static void add(uint64_t *count, uint64_t more)
{
    __atomic_fetch_add(count, more, __ATOMIC_RELAXED);
}

static pid_t copy(void)
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

static void reap(struct explorer *e)
{
    int status;

    if (wait(&status) < 0) {
        perror("explore: wait");
        exit(2);
    }
    e->workers--;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
        fprintf(stderr, "explore: a worker died\n");
        add(&e->counts->failures, 1);
    }
}

/* ---- one image, in a process of its own */

static void tell_failure(const struct explorer *e, const struct explore_images *images,
                         int64_t image, const char *rule, const char *text)
{
    if (__atomic_fetch_add(&e->counts->failures, 1, __ATOMIC_RELAXED) >= COMPLAINTS_SHOWN_MAX)
        return;
    printf("FAILED --sequence %s --point %" PRIu64 " --image %" PRId64 " --seed %" PRIu64 "%s%s\n"
           "  %s: %s\n",
           e->sequence, e->point, image, e->world.seed, e->world.pushes_out ? " --pushes-out" : "",
           e->world.unit_bytes == SIM_PAGE_BYTES ? " --pages" : "", rule, text);
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
    tell_failure(e, NULL, e->only_image, complaint->rule, text);
    return 1;
}

/* True: such an image was judged already, by somebody who knew the same. */
static bool was_judged(const struct explorer *e)
{
    uint64_t *judged = e->counts->judged;
    uint64_t hash = sim_image_hash(&e->w->broker.node->disk, SIM_DURABLE);

    hash = XXH3_64bits_withSeed(e->sequence, strlen(e->sequence), hash + e->w->history.count) | 1;
    for (uint64_t i = 0; i < JUDGED_MAX; i++) {
        uint64_t *place = &judged[(hash + i) % JUDGED_MAX];
        uint64_t is_free = 0;
        if (__atomic_compare_exchange_n(place, &is_free, hash, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return false;
        if (is_free == hash)
            return true;
    }
    return false;
}

/* The images above the listed ones are kills. */
static void become(struct explorer *e, const struct explore_images *images,
                   struct sim_process *process, uint32_t image)
{
    e->is_image = true;
    e->w->trace = e->w->broker.print_log = e->trace;
    e->w->crashed = true;
    process->watch = NULL;
    if (image < images->count) {
        explore_images_apply(images, process, image);
        if (e->only_image < 0 && was_judged(e))
            _exit(EXIT_SAME);
        return;
    }
    prng_init(&process->disk->image_prng, image);
    sim_process_die(process, SIM_KILL);
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
                     WTERMSIG(status) == SIGALRM ? "no end in sight" : "a check failed");
    return !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SAME;
}

/* ---- one point */

/* True: this process goes on with an image. */
static bool visit(struct explorer *e, struct explore_images *images, struct sim_process *process,
                  bool with_kills)
{
    uint32_t count = images->count + (with_kills ? KILLS : 0);

    if (images->log2_all > (double)e->counts->log2_all_max)
        e->counts->log2_all_max = (uint64_t)images->log2_all;
    for (uint32_t image = 0; image < count; image++) {
        pid_t child;
        if (e->only_image >= 0 && e->only_image != image)
            continue;
        if (e->until_failure && e->counts->failures > 0)
            return false;
        if (e->only_count) {
            add(&e->counts->images, 1);
            continue;
        }
        child = copy();
        if (child == 0) {
            become(e, images, process, image);
            e->only_image = image;
            alarm(SECONDS_MAX);
            return true;
        }
        add(!await_image(e, images, image, child) ? &e->counts->images_same
            : image < images->count               ? &e->counts->images
                                                  : &e->counts->kills,
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

    child = copy(); /* the copy lets begin what is in flight */
    if (child == 0) {
        explore_images_make(&images, process, inode, write, true, &e->options);
        if (!images.is_exhaustive)
            add(&e->counts->points_sampled, 1);
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

static void on_watch(struct sim_process *process, uint64_t inode,
                     const struct sim_disk_write *write)
{
    struct explorer *e = process->watch_context;
    uint64_t signature = explore_image_signature(process) + inode;

    if (signature == e->last_signature && e->w->history.count == e->last_history) {
        add(&e->counts->points_same, 1);
        return;
    }
    e->last_signature = signature;
    e->last_history = e->w->history.count;
    e->point++;
    if (e->until_failure && e->counts->failures > 0)
        return;
    if (e->only_point >= 0
            ? (uint64_t)e->only_point != e->point
            : (XXH3_64bits(e->sequence, strlen(e->sequence)) + e->point) % e->every != 0) {
        add(&e->counts->points_left, 1);
        return;
    }
    add(&e->counts->points, 1);
    while (e->workers >= e->workers_max)
        reap(e);
    e->workers++;
    if (copy() == 0)
        (void)visit_all(e, process, inode, write);
}

/* ---- sequences */

/* An image: it is judged, and the process ends. */
static void end_image(struct explorer *e)
{
    const struct oracle_complaint *first;

    if (!e->is_image)
        return;
    explore_world_judge(e->w);
    first = oracle_first(e->w->oracle);
    _exit(first == NULL ? 0 : tell_complaint(e, first));
}

static void watch(struct explorer *e, bool on)
{
    struct sim_process *process = e->w->broker.node->process;

    process->watch_context = e;
    process->watch = on ? on_watch : NULL;
}

static void run(struct explorer *e, enum explore_operation operation)
{
    const struct oracle_complaint *first;
    size_t used = strlen(e->sequence);

    snprintf(e->sequence + used, sizeof(e->sequence) - used, "%s%s", used > 0 ? "," : "",
             explore_operation_name(operation));
    explore_world_run(e->w, operation);
    end_image(e);
    first = oracle_first(e->w->oracle);
    if (first == NULL)
        return;
    printf("FAILED without a crash: --sequence %s\n  %s: %s\n", e->sequence, first->rule,
           first->text);
    fflush(stdout);
    add(&e->counts->failures, 1);
}

/* What goes on after the last operation, until nothing does; and a crash then. */
static void finish(struct explorer *e)
{
    add(&e->counts->sequences, 1);
    explore_world_settle(e->w);
    end_image(e);
    e->last_signature = 0;
    on_watch(e->w->broker.node->process, 0, NULL);
    end_image(e);
    while (e->workers > 0)
        reap(e);
}

static uint64_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static void in_a_copy(struct explorer *e, enum explore_operation first, int second)
{
    pid_t child = copy();
    int status;

    if (child != 0) {
        if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            add(&e->counts->failures, 1);
        return;
    }
    if (second < 0) {
        watch(e, true);
        run(e, first);
        finish(e);
    } else { /* its first half was explored alone */
        run(e, first);
        watch(e, true);
        run(e, (enum explore_operation)second);
        finish(e);
    }
    _exit(0);
}

static int usage(void)
{
    fprintf(
        stderr,
        "usage: explore [--length 1|2] [--every N] [--combinations N] [--samples N] [--tears N] "
        "[--workers N] [--seed S] [--pages] [--pushes-out] [--count] [--until-failure] "
        "[--sequence A[,B] [--point N [--image N]]] [--trace]\n");
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

static void print_counts(const struct explorer *e, uint64_t seconds)
{
    const struct counts *c = e->counts;

    printf("explored %" PRIu64 " sequences: %" PRIu64 " crash points (%" PRIu64
           " of them with all combinations of what was open, %" PRIu64 " with samples; %" PRIu64
           " left out; %" PRIu64 " as the one before), %" PRIu64 " images of the disk (%" PRIu64
           " more were as one before; a point has up to 2^%" PRIu64 ") and %" PRIu64
           " kills, each recovered twice, in %" PRIu64 " s: %" PRIu64 " failed\n",
           c->sequences, c->points, c->points - c->points_sampled, c->points_sampled,
           c->points_left, c->points_same, c->images, c->images_same, c->log2_all_max, c->kills,
           seconds, c->failures);
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

int main(int argc, char **argv)
{
    static struct explore_world world;
    struct explorer explorer = {.w = &world,
                                .options = {.combinations_max = 32,
                                            .samples = 4,
                                            .subset_units = 4,
                                            .tears = 3,
                                            .cached_torn = 2},
                                .world = {.seed = 1, .unit_bytes = SIM_SECTOR_BYTES},
                                .workers_max = 2,
                                .every = 1,
                                .only_point = -1,
                                .only_image = -1};
    int only[2] = {-1, -1};
    int length = 2;
    uint64_t start = seconds_now();

    for (int i = 1; i < argc; i++) {
        char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0)
            explorer.trace = true;
        else if (strcmp(argv[i], "--count") == 0)
            explorer.only_count = true;
        else if (strcmp(argv[i], "--until-failure") == 0)
            explorer.until_failure = true;
        else if (strcmp(argv[i], "--pages") == 0)
            explorer.world.unit_bytes = SIM_PAGE_BYTES;
        else if (strcmp(argv[i], "--pushes-out") == 0)
            explorer.world.pushes_out = true;
        else if (value == NULL)
            return usage();
        else if (strcmp(argv[i], "--sequence") == 0 && take_sequence(value, only))
            i++;
        else if (strcmp(argv[i], "--length") == 0)
            length = atoi(argv[++i]);
        else if (strcmp(argv[i], "--every") == 0)
            explorer.every = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--combinations") == 0)
            explorer.options.combinations_max = (uint32_t)atoi(argv[++i]);
        else if (strcmp(argv[i], "--samples") == 0)
            explorer.options.samples = (uint32_t)atoi(argv[++i]);
        else if (strcmp(argv[i], "--tears") == 0)
            explorer.options.tears = (uint32_t)atoi(argv[++i]);
        else if (strcmp(argv[i], "--workers") == 0)
            explorer.workers_max = (uint32_t)atoi(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0)
            explorer.world.seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--point") == 0)
            explorer.only_point = atoll(argv[++i]);
        else if (strcmp(argv[i], "--image") == 0)
            explorer.only_image = atoll(argv[++i]);
        else
            return usage();
    }
    if (explorer.every == 0 || explorer.workers_max == 0 || explorer.workers_max > WORKERS_MAX)
        return usage();
    explorer.counts = mmap(NULL, sizeof(*explorer.counts), PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(explorer.counts != MAP_FAILED);
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
    print_counts(&explorer, seconds_now() - start);
    return explorer.counts->failures == 0 ? 0 : 1;
}
