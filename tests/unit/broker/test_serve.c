/* A broker as a process: how it is asked to stop, and how long it may take. */
#include "broker/serve.h"
#include "broker/stop_patience.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(serve, .timeout = 600);

/* ---- patience */

Test(serve, a_stop_that_stands_still_is_given_up_at_the_limit)
{
    struct stop_patience patience = {.limit_ms = 3000};

    cr_assert(not(stop_patience_is_over(&patience, 7, 1000))); /* there was some before */
    cr_assert(not(stop_patience_is_over(&patience, 7, 1000)));
    cr_assert(not(stop_patience_is_over(&patience, 7, 1000)));
    cr_assert(stop_patience_is_over(&patience, 7, 1000));
}

Test(serve, progress_extends_the_limit)
{
    struct stop_patience patience = {.limit_ms = 3000};

    for (uint64_t look = 0; look < 1000; look++)
        cr_assert(not(stop_patience_is_over(&patience, 1 + look / 3, 1000)));
    cr_assert(not(stop_patience_is_over(&patience, 1 + 999 / 3, 1000)));
    cr_assert(not(stop_patience_is_over(&patience, 1 + 999 / 3, 1000)));
    cr_assert(stop_patience_is_over(&patience, 1 + 999 / 3, 1000));
}

Test(serve, without_patience_the_first_look_without_progress_is_the_last)
{
    struct stop_patience patience = {.limit_ms = 0};

    cr_assert(stop_patience_is_over(&patience, 0, 1000));
}

/* ---- signals */

static int ready_pipe[2];

static void on_ready(const struct config *config)
{
    ssize_t written = write(ready_pipe[1], "r", 1);

    (void)written;
}

static void no_problem(void *context, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static void run_broker(const char *dir)
{
    char dirs[128];
    const char *sets[] = {"listeners=PLAINTEXT://127.0.0.1:0",
                          "levee.http.listener=",
                          "levee.shards=2",
                          "levee.disk.reserve.bytes=0",
                          "levee.log.level=error",
                          dirs,
                          NULL};
    struct config_load_options options = {.sets = sets};
    struct config *config;

    snprintf(dirs, sizeof(dirs), "log.dirs=%s", dir);
    if (config_load(NULL, &options, no_problem, no_problem, NULL, &config) != OK)
        _exit(100);
    _exit((int)serve(config, on_ready));
}

/* A broker over dir that serves, and is sent the signal; what wait(2) says of its end. */
static int end_by(int number, const char *dir)
{
    struct pollfd ready;
    pid_t child;
    int status;

    cr_assert(eq(int, pipe(ready_pipe), 0));
    child = fork();
    cr_assert(ge(int, child, 0));
    if (child == 0)
        run_broker(dir);
    ready = (struct pollfd){.fd = ready_pipe[0], .events = POLLIN};
    if (poll(&ready, 1, 120000) != 1)
        kill(child, SIGKILL);
    else
        kill(child, number);
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    close(ready_pipe[0]);
    close(ready_pipe[1]);
    return status;
}

/* Its terminal is gone (SIGHUP), Ctrl-C (SIGINT), or a supervisor wants it (SIGTERM). */
Test(serve, each_signal_that_asks_stops_in_order)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    char dir[] = "/tmp/levee-serve-XXXXXX";
    char clean[64];
    char command[96];

    cr_assert(ne(ptr, mkdtemp(dir), NULL));
    snprintf(clean, sizeof(clean), "%s/.kafka_cleanshutdown", dir);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int status = end_by(numbers[i], dir);
        bool exited = WIFEXITED(status);
        cr_assert(exited, "signal %d: killed by %d", numbers[i], WTERMSIG(status));
        cr_assert(eq(int, WEXITSTATUS(status), SERVE_STOPPED), "signal %d", numbers[i]);
        cr_assert(eq(int, access(clean, F_OK), 0), "signal %d left no mark", numbers[i]);
    }
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert(eq(int, system(command), 0));
}
