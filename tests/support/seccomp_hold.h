/* seccomp_hold: a process of which some system calls wait in the kernel until they are let go.
 *
 * A thread of ours hears of each such call (seccomp_unotify(2)) and lets it go on as it was meant.
 * The filter is of the thread that calls seccomp_hold and of what it starts, and stays: let
 * everything go before a clean-up that makes the calls itself. */
#ifndef LEVEE_TESTS_SUPPORT_SECCOMP_HOLD_H
#define LEVEE_TESTS_SUPPORT_SECCOMP_HOLD_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct seccomp_hold {
    int listener_fd;
    uint64_t delay_ns;        /* of each call that the thread lets go */
    atomic_uint let_go_count; /* by the thread */
};

enum { SECCOMP_HOLD_MAX = 8 };

/* Each of the count calls (SYS_*) waits from now on.  False: the kernel cannot do that. */
static inline bool seccomp_hold(struct seccomp_hold *hold, const long *calls, uint32_t count)
{
    struct sock_filter filter[2 + 2 * SECCOMP_HOLD_MAX];
    struct sock_fprog program = {.filter = filter};

    if (count > SECCOMP_HOLD_MAX)
        return false;
    memset(hold, 0, sizeof(*hold));
    filter[program.len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (uint32_t i = 0; i < count; i++) {
        filter[program.len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        filter[program.len++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    hold->listener_fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                     SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return hold->listener_fd >= 0;
}

/* The next call that waits and was not heard of.  False: there is none within limit_ms. */
static inline bool seccomp_hold_next(struct seccomp_hold *hold, int limit_ms,
                                     struct seccomp_notif *out)
{
    struct pollfd poll_fd = {.fd = hold->listener_fd, .events = POLLIN};

    memset(out, 0, sizeof(*out)); /* the kernel asks for that */
    return poll(&poll_fd, 1, limit_ms) == 1 && (poll_fd.revents & POLLIN) != 0 &&
           ioctl(hold->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, out) == 0;
}

static inline void seccomp_hold_let_go(struct seccomp_hold *hold, const struct seccomp_notif *call)
{
    struct seccomp_notif_resp answer = {.id = call->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

    (void)ioctl(hold->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

static inline void *seccomp_hold_run(void *context)
{
    struct seccomp_hold *hold = context;
    const struct timespec delay = {.tv_nsec = (long)hold->delay_ns};
    struct seccomp_notif call;

    for (;;) {
        if (!seccomp_hold_next(hold, -1, &call))
            continue; /* the caller is gone, or a signal came */
        nanosleep(&delay, NULL);
        atomic_fetch_add(&hold->let_go_count, 1);
        seccomp_hold_let_go(hold, &call);
    }
    return NULL;
}

/* From now on until the process ends a thread lets each call go, delay_ns (below a second) after it
 * has heard of it. */
static inline bool seccomp_hold_let_all_go(struct seccomp_hold *hold, uint64_t delay_ns)
{
    pthread_t thread;

    hold->delay_ns = delay_ns;
    return pthread_create(&thread, NULL, seccomp_hold_run, hold) == 0;
}

#endif
