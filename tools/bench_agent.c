/* levee bench agent: run shares of loads for drivers on other machines. */
#include "tools/bench.h"
#include "tools/load/load_agent.h"
#include "tools/load/load_frame.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    if (stop != 0)
        _exit(128 + number);
    stop = 1;
}

enum cli_exit bench_agent(struct bench *bench)
{
    struct sigaction action = {.sa_handler = on_signal};
    char usual[32];
    const char *address = bench->word_count > 0 ? bench->words[0] : usual;
    enum err err;
    int fd;

    snprintf(usual, sizeof(usual), "127.0.0.1:%d", LOAD_AGENT_PORT);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    err = load_frame_listen(address, &fd);
    if (err == ERR_INVALID)
        return cli_fail(CLI_USAGE, "\"%s\" is not HOST:PORT", address);
    if (err != OK)
        return cli_fail(cli_exit_of(err), "%s: %s", address, err_text(err));
    printf("listening on %s\n", address);
    fflush(stdout);
    err = load_agent_serve(fd, &stop, stdout);
    (void)close(fd);
    return err == OK ? CLI_OK : cli_fail(cli_exit_of(err), "%s: %s", address, err_text(err));
}
