/* simulate: runs scenarios, one for each seed, and says which fail.
 *
 *   simulate --seeds N [--seed S] [--trace | --trace-world] [--regressions FILE] [--threads no]
 *            [--twice] [--no-fork] [--jobs N] [--until-failure] [--export DIRECTORY]
 *            [--only PARTS | --with PARTS | --without PARTS] [--require-marks]
 *   simulate --seed S | --plan FILE  --print-plan
 *   simulate --plan FILE [--trace | --trace-world] [--twice] [--no-fork] [--export DIRECTORY]
 *
 * Seeds S, S + 1, ...; before them those of the regressions file (a seed and its cause on each
 * line; behind the seed, after @, the parts of the plan that it had, which are none without).
 * PARTS are names of the plan's parts between commas: exactly these in each run; also those which
 * runs do not have by default; or not those.  --require-marks: a situation that no run came into
 * (sim_marks, and base/sometimes in the product) is a failure.  --print-plan: all that is decided
 * about the run of a seed before it, which --plan gives back, whole or with less in it (shrink.py
 * takes a failing one apart).  --export with one seed: the files after its orderly stop, for
 * logfsck.  Every fiftieth seed runs twice: the hashes must be equal, whatever memory held before.
 * --jobs: so many runs at once (one for each processor); what is printed does not depend on it.
 * Exit code 0: all passed.
 */
#include "tests/sim/plan.h"
#include "tests/sim/scenario.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TWICE_EVERY = 50, SECONDS_MAX = 120 /* of the processor, for one seed */, JOBS_MAX = 64 };

/* A seed whose run has begun in a child. */
struct run {
    uint64_t seed;
    bool twice;
    pid_t child; /* 0: none, it has run here */
    int end;     /* of the pipe from which its result comes */
    struct scenario_result result;
};

struct simulation {
    bool trace;
    bool trace_world;
    bool twice;   /* each */
    bool no_fork; /* for a debugger */
    uint64_t jobs;
    const char *export_dir;
    const char *plan_text; /* of --plan; NULL: none */
    uint32_t parts;
    bool parts_forced;
    bool require_marks;
    struct sim_marks marks;
    struct sim_stats stats;
    uint64_t virtual_ns;
    uint64_t acknowledged_count;
    uint64_t reads_count;
    uint64_t generations_count;
    uint64_t kept_count;
    uint64_t shard_changes_count;
    uint64_t hash;
    uint64_t passed_count;
    uint64_t failed_count;
};

/* Which seeds run. */
struct seeds {
    uint64_t first;
    uint64_t count;
    bool until_failure;
    uint64_t twice_every; /* 0: none twice */
};

/* Then SIGPROF ends the process; on a busy machine a run may take longer than that.  0: no limit.
 */
static void limit_time(time_t seconds)
{
    struct itimerval limit = {.it_value = {.tv_sec = seconds}};

    setitimer(ITIMER_PROF, &limit, NULL);
}

/* The seed's run in this process. */
static void run_here(const struct simulation *simulation, uint64_t seed, bool again,
                     struct scenario_result *out)
{
    struct scenario_options options = {.seed = seed,
                                       .plan_text = simulation->plan_text,
                                       .parts = simulation->parts,
                                       .parts_forced = simulation->parts_forced,
                                       .trace = simulation->trace || simulation->trace_world,
                                       .trace_world = simulation->trace_world,
                                       .export_dir = simulation->export_dir};

    if (again)
        mallopt(M_PERTURB, 0xa5); /* other bytes in memory that nobody has written */
    limit_time(SECONDS_MAX);
    scenario_run(&options, out);
    limit_time(0);
}

static void fail(struct scenario_result *out, const char *rule, const char *text, int number)
{
    out->failed = true;
    snprintf(out->complaint.rule, sizeof(out->complaint.rule), "%s", rule);
    snprintf(out->complaint.text, sizeof(out->complaint.text), "%s (%d)", text, number);
}

static ssize_t read_all(int fd, void *bytes, size_t size_bytes)
{
    size_t got_bytes = 0;

    while (got_bytes < size_bytes) {
        ssize_t got = read(fd, (char *)bytes + got_bytes, size_bytes - got_bytes);
        if (got <= 0)
            break;
        got_bytes += (size_t)got;
    }
    return (ssize_t)got_bytes;
}

/* The seed's run in a child: what crashed programs leave behind goes with it, and a broken check
 * ends one seed only. */
static void start(const struct simulation *simulation, struct run *run, bool again)
{
    int ends[2];

    run->result = (struct scenario_result){0};
    run->child = 0;
    if (simulation->no_fork) {
        run_here(simulation, run->seed, again, &run->result);
        return;
    }
    fflush(NULL);
    if (pipe(ends) != 0 || (run->child = fork()) < 0) {
        perror("simulate");
        exit(2);
    }
    if (run->child == 0) {
        run_here(simulation, run->seed, again, &run->result);
        _exit(write(ends[1], &run->result, sizeof(run->result)) == (ssize_t)sizeof(run->result)
                  ? 0
                  : 2);
    }
    close(ends[1]);
    run->end = ends[0];
}

static void finish(struct run *run)
{
    struct scenario_result *result = &run->result;
    ssize_t got;
    int status;

    if (run->child == 0)
        return;
    got = read_all(run->end, result, sizeof(*result));
    close(run->end);
    waitpid(run->child, &status, 0);
    if (got == (ssize_t)sizeof(*result))
        return;
    *result = (struct scenario_result){0};
    if (WIFSIGNALED(status))
        fail(result, "STOPPED", WTERMSIG(status) == SIGPROF ? "no end in sight" : "a check failed",
             WTERMSIG(status));
    else
        fail(result, "STOPPED", "the run exited", WEXITSTATUS(status));
}

/* Count what came out. */
static void take_result(struct simulation *simulation, struct run *run)
{
    struct scenario_result result = run->result;
    char parts[PLAN_NAME_MAX];

    sim_stats_add(&simulation->stats, &result.stats);
    sim_marks_add(&simulation->marks, &result.marks);
    simulation->virtual_ns += result.virtual_ns;
    simulation->acknowledged_count += result.acknowledged_count;
    simulation->reads_count += result.reads_count;
    simulation->generations_count += result.generations_count;
    simulation->kept_count += result.kept_count;
    simulation->shard_changes_count += result.shard_changes_count;
    simulation->hash = (simulation->hash ^ result.hash) * 0x100000001b3ULL;
    if (run->twice && !result.failed) {
        start(simulation, run, true);
        finish(run);
        if (run->result.hash != result.hash) {
            result.failed = true;
            snprintf(result.complaint.rule, sizeof(result.complaint.rule), "HASH");
            snprintf(result.complaint.text, sizeof(result.complaint.text),
                     "two runs of one seed differ: %016" PRIx64 " and %016" PRIx64, result.hash,
                     run->result.hash);
        }
    }
    if (!result.failed) {
        simulation->passed_count++;
        return;
    }
    simulation->failed_count++;
    plan_format(result.parts, parts);
    printf("seed %" PRIu64 " (%s): %s partition %" PRIu32 " at %.6f s: %s\n", run->seed, parts,
           result.complaint.rule, result.complaint.partition,
           (double)result.complaint.time_ns / 1e9, result.complaint.text);
    fflush(stdout);
}

/* Results are taken in the order of the seeds. */
static void run_seeds(struct simulation *simulation, const struct seeds *seeds)
{
    struct run runs[JOBS_MAX];
    uint64_t started = 0;

    for (uint64_t taken = 0; taken < seeds->count; taken++) {
        struct run *run = &runs[taken % simulation->jobs];
        bool enough = seeds->until_failure && simulation->failed_count > 0;
        for (; !enough && started < seeds->count && started < taken + simulation->jobs; started++) {
            runs[started % simulation->jobs] =
                (struct run){.seed = seeds->first + started,
                             .twice = seeds->twice_every != 0 && started % seeds->twice_every == 0};
            start(simulation, &runs[started % simulation->jobs], false);
        }
        if (taken == started)
            return;
        finish(run);
        take_result(simulation, run);
    }
}

/* Lines "seed cause" or "seed@parts cause"; # begins a remark. */
static void run_regressions(struct simulation *simulation, const char *path)
{
    FILE *file = fopen(path, "r");
    uint32_t parts = simulation->parts;
    bool forced = simulation->parts_forced;
    char line[512];

    if (file == NULL) {
        fprintf(stderr, "simulate: %s cannot be read\n", path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end;
        uint64_t seed = strtoull(line, &end, 0);
        simulation->parts = 0;
        simulation->parts_forced = true;
        if (end != line && *end == '@') {
            end[1 + strcspn(end + 1, " \n")] = '\0';
            if (!plan_parse(end + 1, &simulation->parts)) {
                fprintf(stderr, "simulate: %s: no such part: %s\n", path, end + 1);
                exit(2);
            }
        }
        if (end != line)
            run_seeds(simulation, &(struct seeds){.first = seed, .count = 1});
    }
    simulation->parts = parts;
    simulation->parts_forced = forced;
    fclose(file);
}

static void print_summary(const struct simulation *simulation)
{
    char text[2048];
    uint64_t seeds_count = simulation->passed_count + simulation->failed_count;

    sim_stats_format_all(&simulation->stats, text, sizeof(text));
    printf("%s\nacknowledged=%" PRIu64 " read=%" PRIu64 " generations=%" PRIu64
           " memberships_kept=%" PRIu64 " shard_changes=%" PRIu64 " hash=%016" PRIx64 "\n",
           text, simulation->acknowledged_count, simulation->reads_count,
           simulation->generations_count, simulation->kept_count, simulation->shard_changes_count,
           simulation->hash);
    sim_stats_format(&simulation->stats, simulation->virtual_ns, text, sizeof(text));
    printf("%s in %" PRIu64 " seeds: %" PRIu64 " passed, %" PRIu64 " failed\n", text, seeds_count,
           simulation->passed_count, simulation->failed_count);
}

/* The site that no run may have reached, because its part is off. */
static const char *idle_site(const struct simulation *simulation)
{
    return (simulation->parts >> PLAN_ALLOCATIONS & 1) != 0 ? NULL : SCENARIO_ALLOCATION_SITE;
}

/* "-" is standard input.  Ends the process when it cannot be read. */
static char *read_file(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *text = NULL;
    size_t size_bytes = 0;

    if (file == NULL || (getdelim(&text, &size_bytes, '\0', file) < 0 && ferror(file))) {
        fprintf(stderr, "simulate: %s cannot be read\n", path);
        exit(2);
    }
    fclose(file);
    return text;
}

/* Its seed; whether it is one. */
static bool take_plan(const char *text, uint64_t *seed_out)
{
    static struct plan plan;

    if (!plan_read(&plan, text)) {
        fprintf(stderr, "simulate: the plan: %s\n", plan.problem);
        return false;
    }
    *seed_out = plan.seed;
    return true;
}

static int print_the_plan(const struct simulation *simulation, uint64_t seed)
{
    struct scenario_options options = {.seed = seed,
                                       .plan_text = simulation->plan_text,
                                       .parts = simulation->parts,
                                       .parts_forced = simulation->parts_forced};

    return scenario_print_plan(&options, stdout) ? 0 : 2;
}

static int usage(void)
{
    fprintf(stderr, "usage: simulate --seeds N [--seed S] [--trace | --trace-world] [--twice] "
                    "[--regressions FILE] [--export DIRECTORY] [--until-failure] [--no-fork] "
                    "[--jobs N] [--only PARTS | --with PARTS | --without PARTS] [--require-marks] "
                    "[--plan FILE] [--print-plan]\n");
    return 2;
}

/* False: it is none of the options about parts, or names none that exists. */
static bool take_parts(struct simulation *simulation, const char *option, const char *value)
{
    uint32_t parts;

    if (!plan_parse(value, &parts))
        return false;
    if (strcmp(option, "--only") == 0) {
        simulation->parts = parts;
        simulation->parts_forced = true;
    } else if (strcmp(option, "--with") == 0) {
        simulation->parts |= parts;
    } else if (strcmp(option, "--without") == 0) {
        simulation->parts &= ~parts;
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct simulation simulation = {.hash = 0xcbf29ce484222325ULL, .parts = plan_default_parts()};
    const char *regressions = NULL;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t seeds_count = 1;
    uint64_t first_seed = 1;
    bool until_failure = false;
    bool print_plan = false;

    simulation.jobs = processors < 1 ? 1 : processors > JOBS_MAX ? JOBS_MAX : (uint64_t)processors;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0)
            simulation.trace = true;
        else if (strcmp(argv[i], "--trace-world") == 0)
            simulation.trace_world = true;
        else if (strcmp(argv[i], "--twice") == 0)
            simulation.twice = true;
        else if (strcmp(argv[i], "--no-fork") == 0)
            simulation.no_fork = true;
        else if (strcmp(argv[i], "--require-marks") == 0)
            simulation.require_marks = true;
        else if (strcmp(argv[i], "--print-plan") == 0)
            print_plan = true;
        else if (strcmp(argv[i], "--until-failure") == 0)
            until_failure = true;
        else if (value == NULL)
            return usage();
        else if (strcmp(argv[i], "--seeds") == 0)
            seeds_count = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--seed") == 0)
            first_seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--jobs") == 0)
            simulation.jobs = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--regressions") == 0)
            regressions = argv[++i];
        else if (strcmp(argv[i], "--plan") == 0)
            simulation.plan_text = read_file(argv[++i]);
        else if (strcmp(argv[i], "--export") == 0)
            simulation.export_dir = argv[++i];
        else if (strcmp(argv[i], "--threads") == 0 && strcmp(value, "no") == 0)
            i++; /* there are none */
        else if (take_parts(&simulation, argv[i], value))
            i++;
        else
            return usage();
    }
    if (simulation.trace || simulation.trace_world)
        simulation.jobs = 1; /* their lines are in order */
    if (simulation.jobs < 1 || simulation.jobs > JOBS_MAX ||
        (simulation.plan_text != NULL && (regressions != NULL || seeds_count != 1)))
        return usage();
    if (simulation.plan_text != NULL && !take_plan(simulation.plan_text, &first_seed))
        return 2;
    if (print_plan)
        return print_the_plan(&simulation, first_seed);
    if (regressions != NULL)
        run_regressions(&simulation, regressions);
    run_seeds(&simulation, &(struct seeds){.first = first_seed,
                                           .count = seeds_count,
                                           .until_failure = until_failure,
                                           .twice_every = simulation.twice ? 1 : TWICE_EVERY});
    print_summary(&simulation);
    if (simulation.require_marks &&
        sim_marks_print_missing(&simulation.marks, stdout, idle_site(&simulation)) > 0)
        return 1;
    return simulation.failed_count == 0 ? 0 : 1;
}
