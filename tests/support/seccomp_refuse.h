/* seccomp_refuse: a process to which the kernel refuses some system calls, as a container does.
 *
 * The filter is of the calling thread and of what it starts, and stays (seccomp(2)). */
#ifndef LEVEE_TESTS_SUPPORT_SECCOMP_REFUSE_H
#define LEVEE_TESTS_SUPPORT_SECCOMP_REFUSE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

enum { SECCOMP_REFUSE_MAX = 16 };

/* Each of the count calls (SYS_*) fails with errno_value from now on.  False: the kernel has no
 * filters. */
static inline bool seccomp_refuse(const long *calls, uint32_t count, uint32_t errno_value)
{
    struct sock_filter filter[2 + 2 * SECCOMP_REFUSE_MAX];
    struct sock_fprog program = {.filter = filter};
    uint16_t size = 0;

    if (count > SECCOMP_REFUSE_MAX)
        return false;
    filter[size++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (uint32_t i = 0; i < count; i++) {
        filter[size++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
        filter[size++] = (struct sock_filter)BPF_STMT(
            BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errno_value & SECCOMP_RET_DATA));
    }
    filter[size++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = size;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* call (SYS_*) fails with errno_value from now on when its argument arg_index (0 to 5), the low 32
 * bits of it, has one of bits; otherwise it is as before.  False: the kernel has no filters. */
static inline bool seccomp_refuse_bits(long call, uint32_t arg_index, uint32_t bits,
                                       uint32_t errno_value)
{
    bool is_big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    uint32_t arg_at =
        (uint32_t)offsetof(struct seccomp_data, args) + 8 * arg_index + (is_big_endian ? 4 : 0);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, arg_at),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (errno_value & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

#endif
