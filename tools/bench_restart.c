/* levee bench restart | failover -- COMMAND: a run with a command in its middle, and the downtime
 * that clients saw.
 *
 * load_run says that the measured part begins -> a thread waits for half of it, runs the command
 * and waits for its end -> the run goes on -> measured: the thread is joined, pauses are read. */
#include "base/check.h"
#include "base/clock_system.h"
#include "tools/bench.h"
#include "tools/bench_signal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_NS = 20000000, PATIENCE_SLICES = 1500 }; /* 30 s for a command behind the run's end */

#define NS_PER_S 1e9

struct fault {
    struct bench *bench;
    struct load_outage outage;
    struct clock clock;
    pthread_t thread;
    bool has_thread;
    atomic_bool is_over;
    atomic_bool has_ended;     /* the command */
    uint64_t begun_ns;         /* of the measured part; monotonic, as all times here */
    uint64_t command_begun_ns; /* 0: it did not run */
    uint64_t command_ended_ns; /* 0: it still runs */
    int spawn_error;           /* errno */
    int status;                /* of waitpid(2) */
    struct load_verdict verdict;
    uint64_t failed_count;
    bool is_verified;
};

/* ---- the command, on a thread of its own */

static void sleep_slice(void)
{
    nanosleep(&(struct timespec){.tv_nsec = SLICE_NS}, NULL);
}

/* What it prints goes to standard error: standard output is the result's. */
static int spawn(char **words, pid_t *pid_out)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int error;

    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    error = posix_spawnp(pid_out, words[0], &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static void *run_command(void *context)
{
    struct fault *fault = context;
    uint64_t at_ns = fault->begun_ns + fault->bench->workload->duration_ns / 2;
    pid_t pid;

    while (clock_mono_ns(&fault->clock) < at_ns) {
        if (atomic_load(&fault->is_over) || *bench_signal_flag() != 0)
            return NULL;
        sleep_slice();
    }
    fault->command_begun_ns = clock_mono_ns(&fault->clock);
    fault->spawn_error = spawn(fault->bench->command, &pid);
    if (fault->spawn_error == 0)
        while (waitpid(pid, &fault->status, 0) < 0 && errno == EINTR)
            continue;
    fault->command_ended_ns = clock_mono_ns(&fault->clock);
    atomic_store(&fault->has_ended, true);
    return NULL;
}

static void on_measuring(void *context)
{
    struct fault *fault = context;

    fault->begun_ns = clock_mono_ns(&fault->clock);
    fault->has_thread = pthread_create(&fault->thread, NULL, run_command, fault) == 0;
}

/* A command that does not end is left alone after a while, and told. */
static void join(struct fault *fault)
{
    atomic_store(&fault->is_over, true);
    if (!fault->has_thread)
        return;
    for (int i = 0;
         i < PATIENCE_SLICES && fault->command_begun_ns != 0 && !atomic_load(&fault->has_ended);
         i++)
        sleep_slice();
    if (fault->command_begun_ns == 0 || atomic_load(&fault->has_ended))
        pthread_join(fault->thread, NULL);
    else
        pthread_detach(fault->thread);
}

/* ---- what came of it */

static double since_begin(const struct fault *fault, uint64_t at_ns)
{
    return at_ns > fault->begun_ns ? (double)(at_ns - fault->begun_ns) / NS_PER_S : 0;
}

static bool command_has_ended(const struct fault *fault)
{
    return atomic_load(&fault->has_ended);
}

static void describe_command(const struct fault *fault, char *out, size_t out_max)
{
    if (fault->command_begun_ns == 0)
        snprintf(out, out_max, "did not run: the run ended before its middle");
    else if (!command_has_ended(fault))
        snprintf(out, out_max, "still runs, and is left alone");
    else if (fault->spawn_error != 0)
        snprintf(out, out_max, "cannot be run: %s", strerror(fault->spawn_error));
    else if (WIFSIGNALED(fault->status))
        snprintf(out, out_max, "ended by signal %d", WTERMSIG(fault->status));
    else
        snprintf(out, out_max, "exit code %d", WEXITSTATUS(fault->status));
}

/* Into the JSON: pauses in seconds, times since the measured part began. */
static void on_measured(void *context, struct load_result *result)
{
    struct fault *fault = context;
    char text[96];

    join(fault);
    fault->verdict = result->verdict;
    fault->is_verified = result->is_verified;
    fault->failed_count = result->error_count;
    describe_command(fault, text, sizeof(text));
    load_result_setting(result, "command", "%s", fault->bench->command[0]);
    load_result_setting(result, "command.result", "%s", text);
    load_result_setting(result, "command.at_s", "%.3f",
                        since_begin(fault, fault->command_begun_ns));
    for (int i = 0; i < LOAD_SUCCESS_COUNT; i++) {
        char key[48];
        uint64_t from_ns;
        uint64_t pause_ns;
        if (!load_outage_longest(&fault->outage, (enum load_success)i, &from_ns, &pause_ns))
            continue;
        snprintf(key, sizeof(key), "downtime.%s_s", load_success_text((enum load_success)i));
        load_result_setting(result, key, "%.3f", (double)pause_ns / NS_PER_S);
        snprintf(key, sizeof(key), "downtime.%s_from_s", load_success_text((enum load_success)i));
        load_result_setting(result, key, "%.3f", since_begin(fault, from_ns));
    }
    load_result_setting(result, "errors.seen", "%llu",
                        (unsigned long long)fault->outage.errors_count);
    load_result_setting(result, "errors.first_s", "%.3f",
                        since_begin(fault, fault->outage.error_first_ns));
    load_result_setting(result, "errors.last_s", "%.3f",
                        since_begin(fault, fault->outage.error_last_ns));
}

static void print_downtime(const struct fault *fault)
{
    const char *lead = "downtime    ";

    for (int i = 0; i < LOAD_SUCCESS_COUNT; i++) {
        uint64_t from_ns;
        uint64_t pause_ns;
        if (!load_outage_longest(&fault->outage, (enum load_success)i, &from_ns, &pause_ns))
            continue;
        printf("%snothing was %s for %.3f s, from %.3f s on\n", lead,
               load_success_text((enum load_success)i), (double)pause_ns / NS_PER_S,
               since_begin(fault, from_ns));
        lead = "            ";
    }
}

static void print_fault(const struct fault *fault)
{
    const uint64_t *counts = fault->verdict.counts;
    uint64_t errors = fault->outage.errors_count;
    char text[96];

    describe_command(fault, text, sizeof(text));
    printf("\ncommand     %s: %s", fault->bench->command[0], text);
    if (fault->command_begun_ns != 0)
        printf(", begun at %.3f s", since_begin(fault, fault->command_begun_ns));
    if (command_has_ended(fault))
        printf(", took %.3f s",
               (double)(fault->command_ended_ns - fault->command_begun_ns) / NS_PER_S);
    putchar('\n');
    print_downtime(fault);
    if (errors == 0)
        printf("errors      clients saw none\n");
    else
        printf("errors      clients saw the first at %.3f s, the last at %.3f s (%" PRIu64
               "; lost connections count); %" PRIu64 " records were given up\n",
               since_begin(fault, fault->outage.error_first_ns),
               since_begin(fault, fault->outage.error_last_ns), errors, fault->failed_count);
    if (fault->is_verified)
        printf("records     %" PRIu64 " lost, %" PRIu64 " doubled, %" PRIu64
               " out of order, %" PRIu64 " transactions torn, %" PRIu64
               " aborted and visible, %" PRIu64 " in doubt, %" PRIu64 " could not be read\n",
               counts[LOAD_LOST], counts[LOAD_DOUBLED], counts[LOAD_OUT_OF_ORDER],
               counts[LOAD_TORN], counts[LOAD_VISIBLE_ABORTED], fault->verdict.unknown_count,
               fault->verdict.unread_count);
}

static enum cli_exit judge_command(const struct fault *fault)
{
    char text[96];

    if (command_has_ended(fault) && fault->spawn_error == 0 && WIFEXITED(fault->status) &&
        WEXITSTATUS(fault->status) == 0)
        return CLI_OK;
    describe_command(fault, text, sizeof(text));
    return cli_fail(CLI_FAILED, "%s: %s", fault->bench->command[0], text);
}

enum cli_exit bench_restart(struct bench *bench)
{
    static struct fault fault; /* a command that does not end keeps its thread, which looks at it */
    struct bench_watch watch = {.outage = &fault.outage,
                                .measuring = on_measuring,
                                .measured = on_measured,
                                .context = &fault};
    enum cli_exit exit;

    if (bench->workload->agents[0] != '\0')
        return cli_fail(CLI_USAGE, "the command runs beside clients of this machine: no --agents");
    fault.bench = bench;
    clock_system_init(&fault.clock);
    load_outage_init(&fault.outage);
    bench->watch = &watch;
    exit = bench_run(bench);
    bench->watch = NULL;
    if (fault.begun_ns != 0 && !bench->workload->is_json)
        print_fault(&fault);
    if (exit == CLI_OK)
        exit = judge_command(&fault);
    return exit;
}
