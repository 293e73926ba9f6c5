#include "tools/bench_signal.h"

#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    if (stop != 0)
        _exit(128 + number);
    stop = 1;
}

void bench_signal_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

const volatile sig_atomic_t *bench_signal_flag(void)
{
    return &stop;
}
