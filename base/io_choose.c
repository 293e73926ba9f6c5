#include "base/io_choose.h"

#include "base/check.h"
#include "base/io_system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool io_wanted_parse(const char *text, enum io_wanted *out)
{
    static const char *const texts[] = {
        [IO_WANTED_AUTO] = "auto", [IO_WANTED_RING] = "ring", [IO_WANTED_PLAIN] = "plain"};

    for (size_t i = 0; i < array_count(texts); i++)
        if (strcmp(text, texts[i]) == 0) {
            *out = (enum io_wanted)i;
            return true;
        }
    return false;
}

/* sysctl kernel.io_uring_disabled (6.6): 0 allowed, 1 for a group, 2 for nobody. */
static bool is_disabled_by_sysctl(void)
{
    char text[2] = "0";
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (read(fd, text, 1) != 1)
        text[0] = '0';
    close(fd);
    return text[0] != '0';
}

/* What the three calls say of a small ring (io_uring_setup(2), io_uring_enter(2) that waits for
 * nothing, io_uring_register(2) that asks what it knows): 0 or a positive errno value. */
static int32_t ask_for_ring(void)
{
    struct io_uring_params params = {0};
    struct io_uring_probe known = {0};
    long fd = syscall(SYS_io_uring_setup, 2, &params);
    int32_t error = 0;

    if (fd < 0)
        return errno;
    if (syscall(SYS_io_uring_enter, fd, 0, 0, 0, NULL, 0) < 0 ||
        syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, &known, 0) < 0)
        error = errno;
    close((int)fd);
    return error;
}

static enum io_refusal refusal_of(int32_t error)
{
    switch (error) {
    case EPERM:
        return is_disabled_by_sysctl() ? IO_REFUSAL_SYSCTL : IO_REFUSAL_FILTER;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return IO_REFUSAL_RESOURCE;
    case 0:      /* a ring without what we need */
    case EINVAL: /* without its flags */
        return IO_REFUSAL_OLD;
    case ENOSYS:
        /* what an old kernel says, and a filter that wants to look like one */
        return access("/proc/sys/kernel/io_uring_disabled", F_OK) == 0 ? IO_REFUSAL_FILTER
                                                                       : IO_REFUSAL_OLD;
    default:
        return IO_REFUSAL_FILTER;
    }
}

void io_choice_judge(const struct io_probe *probe, struct io_choice *out)
{
    out->operation = io_probe_refused(probe);
    out->ring = out->operation == IO_OPERATION_COUNT;
    if (out->ring)
        return;
    out->refusal = IO_REFUSAL_OPERATION;
    out->error = probe->errors[out->operation];
}

static enum err look_at_ring(struct io_choice *out)
{
    struct io_probe probe;
    struct io *io;
    enum err err;

    out->error = ask_for_ring();
    if (out->error != 0) {
        out->refusal = refusal_of(out->error);
        return out->refusal == IO_REFUSAL_RESOURCE ? ERR_NOMEM : ERR_UNSUPPORTED;
    }
    err = io_uring_create(&(struct io_uring_options){0}, &io);
    if (err != OK) {
        out->refusal = err == ERR_UNSUPPORTED  ? IO_REFUSAL_OLD
                       : err == ERR_PERMISSION ? IO_REFUSAL_FILTER /* of io_uring_register */
                                               : IO_REFUSAL_RESOURCE;
        return err == ERR_NOMEM ? err : ERR_UNSUPPORTED;
    }
    if (io_probe_run(io, &probe))
        io->v->destroy(io); /* else it stays: what is in flight is its own */
    io_choice_judge(&probe, out);
    return out->ring ? OK : ERR_UNSUPPORTED;
}

enum err io_choose(enum io_wanted wanted, struct io_choice *out)
{
    enum err err;

    *out = (struct io_choice){.operation = IO_OPERATION_COUNT};
    if (wanted == IO_WANTED_PLAIN) {
        out->was_wanted = true;
        return OK;
    }
    err = look_at_ring(out);
    return wanted == IO_WANTED_AUTO ? OK : err;
}

void io_choice_why(const struct io_choice *choice, char text[IO_CHOICE_TEXT_MAX])
{
    const char *name = choice->error == 0 ? NULL : strerrorname_np(choice->error);
    const char *why = "it is allowed";

    switch (choice->refusal) {
    case IO_REFUSAL_NONE:
        why = choice->was_wanted ? "levee.io=plain" : why;
        break;
    case IO_REFUSAL_OLD:
        why = "the kernel has none, or is older than Linux 5.19";
        break;
    case IO_REFUSAL_SYSCTL:
        why = "sysctl kernel.io_uring_disabled refuses it";
        break;
    case IO_REFUSAL_FILTER:
        why = "a seccomp filter (a container's, as a rule) or another policy refuses it";
        break;
    case IO_REFUSAL_OPERATION:
        snprintf(text, IO_CHOICE_TEXT_MAX, "the operation \"%s\" is refused on it (%s)",
                 io_operation_text(choice->operation), name == NULL ? "?" : name);
        return;
    case IO_REFUSAL_RESOURCE:
        why = "there is too little memory (locked memory, too) or too few descriptors for it";
        break;
    default:
        check(false);
    }
    snprintf(text, IO_CHOICE_TEXT_MAX, "%s%s%s%s", why, name == NULL ? "" : " (",
             name == NULL ? "" : name, name == NULL ? "" : ")");
}

const char *io_choice_advice(const struct io_choice *choice)
{
    switch (choice->refusal) {
    case IO_REFUSAL_NONE:
        return choice->was_wanted ? "Set levee.io=auto." : "Nothing is to be done.";
    case IO_REFUSAL_OLD:
        return "Run it on Linux 5.19 or newer.";
    case IO_REFUSAL_SYSCTL:
        return "As root: sysctl kernel.io_uring_disabled=0.";
    case IO_REFUSAL_FILTER:
    case IO_REFUSAL_OPERATION:
        return "In a container: --security-opt seccomp=unconfined, or a profile that allows "
               "io_uring_setup, io_uring_enter and io_uring_register.";
    case IO_REFUSAL_RESOURCE:
        return "Raise RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK= of systemd), RLIMIT_NOFILE "
               "(ulimit -n) and RLIMIT_AS (ulimit -v).";
    default:
        check(false);
    }
}

enum err io_choice_create(const struct io_choice *choice, struct io **out)
{
    return choice->ring ? io_uring_create(&(struct io_uring_options){0}, out)
                        : io_plain_create(&(struct io_plain_options){0}, out);
}
