/* refuse_io_uring ERRNO CALL[,CALL] COMMAND...: run COMMAND where the kernel refuses these calls.
 *
 * ERRNO: EPERM (as Docker's default profile) or ENOSYS (as an old kernel); CALL: setup, enter or
 * register (io_uring_setup(2), ...).  A seccomp(2) filter, which children inherit. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD_CALL BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define REFUSE(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), BPF_STMT(BPF_RET | BPF_K, refuse)

enum { NO_CALL = 0xffffffff };

int main(int argc, char **argv)
{
    unsigned setup = NO_CALL;
    unsigned enter = NO_CALL;
    unsigned reg = NO_CALL;
    unsigned refuse = SECCOMP_RET_ERRNO;

    if (argc < 4 || (strcmp(argv[1], "EPERM") != 0 && strcmp(argv[1], "ENOSYS") != 0)) {
        fprintf(stderr, "usage: %s EPERM|ENOSYS setup,enter,register COMMAND...\n", argv[0]);
        return 2;
    }
    refuse |= strcmp(argv[1], "EPERM") == 0 ? EPERM : ENOSYS;
    if (strstr(argv[2], "setup") != NULL)
        setup = SYS_io_uring_setup;
    if (strstr(argv[2], "enter") != NULL)
        enter = SYS_io_uring_enter;
    if (strstr(argv[2], "register") != NULL)
        reg = SYS_io_uring_register;

    struct sock_filter rules[] = {
        LOAD_CALL,
        REFUSE(setup),
        REFUSE(enter),
        REFUSE(reg),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("refuse_io_uring: prctl");
        return 1;
    }
    execvp(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
