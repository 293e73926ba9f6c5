#include "tools/load/load_process.h"

#include "tools/load/load_environment.h"
#include "tools/load/load_text_file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 512, STAT_BYTES = 1024, PORT_MAX = 65535 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Inode of a socket that listens on port, by proc(5): "sl local_address rem_address st ... inode";
 * 0: none. */
static uint64_t inode_in(const char *path, uint16_t port)
{
    FILE *file = fopen(path, "re");
    char line[LINE_BYTES];
    uint64_t found = 0;

    while (file != NULL && found == 0 && fgets(line, sizeof(line), file) != NULL) {
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            state == 0x0a && local_port == port)
            found = inode;
    }
    if (file != NULL)
        fclose(file);
    return found;
}

/* Does one of its descriptors say "socket:[inode]"? */
static bool holds(const char *pid, uint64_t inode)
{
    char path[LINE_BYTES];
    char wanted[64];
    char target[64];
    DIR *directory;
    struct dirent *entry;
    bool is_held = false;

    snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
    directory = opendir(path);
    while (directory != NULL && !is_held && (entry = readdir(directory)) != NULL) {
        ssize_t length;
        snprintf(path, sizeof(path), "/proc/%.16s/fd/%.20s", pid, entry->d_name);
        length = readlink(path, target, sizeof(target) - 1);
        target[length < 0 ? 0 : length] = '\0';
        is_held = strcmp(target, wanted) == 0;
    }
    if (directory != NULL)
        closedir(directory);
    return is_held;
}

int32_t load_process_find(uint16_t port)
{
    uint64_t inode = inode_in("/proc/net/tcp", port);
    DIR *directory;
    struct dirent *entry;
    int32_t pid = 0;

    if (inode == 0)
        inode = inode_in("/proc/net/tcp6", port);
    directory = inode == 0 ? NULL : opendir("/proc");
    while (directory != NULL && pid == 0 && (entry = readdir(directory)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) && holds(entry->d_name, inode))
            pid = atoi(entry->d_name);
    if (directory != NULL)
        closedir(directory);
    return pid;
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a == NULL || a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
                      &((const struct sockaddr_in *)(const void *)b)->sin_addr,
                      sizeof(struct in_addr)) == 0;
    if (a->sa_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                      &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
                      sizeof(struct in6_addr)) == 0;
    return false;
}

/* 127.0.0.0/8, or an address of one of our interfaces. */
static bool is_ours(const struct sockaddr *address)
{
    struct ifaddrs *all = NULL;
    bool is_found = false;

    if (address->sa_family == AF_INET &&
        ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127)
        return true;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *one = all; one != NULL && !is_found; one = one->ifa_next)
        is_found = is_same_address(one->ifa_addr, address);
    freeifaddrs(all);
    return is_found;
}

int32_t load_process_find_broker(const char *brokers)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    size_t length = strcspn(brokers, ",");
    char host[LINE_BYTES];
    struct addrinfo *found;
    char *colon;
    long port;
    bool is_local;

    if (length >= sizeof(host))
        return 0;
    memcpy(host, brokers, length);
    host[length] = '\0';
    colon = strrchr(host, ':');
    if (colon == NULL)
        return 0;
    *colon = '\0';
    port = strtol(colon + 1, NULL, 10);
    if (port < 1 || port > PORT_MAX)
        return 0;
    if (host[0] == '[' && colon > host && colon[-1] == ']') {
        colon[-1] = '\0';
        memmove(host, host + 1, strlen(host));
    }
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return 0;
    is_local = is_ours(found->ai_addr);
    freeaddrinfo(found);
    return is_local ? load_process_find((uint16_t)port) : 0;
}

/* utime and stime of a stat file of /proc, in nanoseconds.  Its second field is a name in
 * parentheses that may hold anything, so what follows is counted from the last of them. */
static bool cpu_of(const char *path, uint64_t *out)
{
    char text[STAT_BYTES];
    uint64_t user, system;
    const char *rest;

    if (!load_text_file_line(path, text, sizeof(text)))
        return false;
    rest = strrchr(text, ')');
    if (rest == NULL ||
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user,
               &system) != 2)
        return false;
    *out = (user + system) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

/* Of all threads, those that ended included: /proc/PID/stat has them (proc(5)). */
static bool cpu_of_process(int32_t pid, uint64_t *out)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%" PRId32 "/stat", pid);
    return cpu_of(path, out);
}

/* Those that work for the disk are among the children of kthreadd; what others of them use in a
 * run is taken away as idle use.  Threads for CPUs, of which nothing is for the disk, are left out.
 */
static uint64_t cpu_of_kernel_threads(void)
{
    static const char *const kinds[] = {"kworker", "jbd2", "xfs", "btrfs", "kswapd", "nvme",
                                        "loop",    "dm",   "md",  "flush", "scsi"};
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    uint64_t total = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[64];
        char name[64];
        uint64_t cpu_ns;
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/%.16s/cmdline", entry->d_name);
        if (load_text_file_line(path, name, sizeof(name)))
            continue; /* a process: it has a command line */
        snprintf(path, sizeof(path), "/proc/%.16s/comm", entry->d_name);
        if (!load_text_file_line(path, name, sizeof(name)))
            continue;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            if (strncmp(name, kinds[i], strlen(kinds[i])) != 0)
                continue;
            snprintf(path, sizeof(path), "/proc/%.16s/stat", entry->d_name);
            if (cpu_of(path, &cpu_ns))
                total += cpu_ns;
            break;
        }
    }
    if (directory != NULL)
        closedir(directory);
    return total;
}

/* One that ends takes its time along: then less is known than was used. */
static double rise_of_kernel_threads(uint64_t since_ns)
{
    uint64_t cpu_ns = cpu_of_kernel_threads();

    return cpu_ns > since_ns ? (double)(cpu_ns - since_ns) : 0;
}

/* "VmRSS:  1234 kB" */
static uint64_t rss_of(int32_t pid)
{
    char path[64];
    char line[LINE_BYTES];
    uint64_t kilobytes = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%" PRId32 "/status", pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %" SCNu64, &kilobytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kilobytes * 1024;
}

/* Documentation/block/stat.rst: sectors of 512 bytes written are the 7th number, flushes the 16th
 * (Linux 5.5). */
static void device_counts(const char *device, uint64_t *written_bytes, uint64_t *flushes_count)
{
    char path[128];
    char text[LINE_BYTES];
    char *at = text;

    *written_bytes = 0;
    *flushes_count = 0;
    snprintf(path, sizeof(path), "/sys/block/%s/stat", device);
    if (device[0] == '\0' || !load_text_file_line(path, text, sizeof(text)))
        return;
    for (int i = 1; i <= 16; i++) {
        char *end;
        uint64_t value = strtoull(at, &end, 10);
        if (end == at)
            return;
        if (i == 7)
            *written_bytes = value * 512;
        if (i == 16)
            *flushes_count = value;
        at = end;
    }
}

void load_process_open(struct load_process *process, int32_t pid, uint32_t idle_ms)
{
    char directory[4096];
    uint64_t cpu_ns, before_ns, began_ns;

    *process = (struct load_process){0};
    if (pid <= 0 || !cpu_of_process(pid, &cpu_ns))
        return;
    process->pid = pid;
    if (load_environment_data_directory(pid, directory, sizeof(directory)))
        (void)load_environment_device_name(directory, process->device, sizeof(process->device));
    if (idle_ms > 0) {
        struct timespec pause = {idle_ms / 1000, (long)(idle_ms % 1000) * 1000000};
        before_ns = cpu_of_kernel_threads();
        began_ns = now_ns();
        while (nanosleep(&pause, &pause) != 0)
            ;
        process->kernel_idle = rise_of_kernel_threads(before_ns) / (double)(now_ns() - began_ns);
    }
    load_process_begin(process);
}

void load_process_begin(struct load_process *process)
{
    if (process->pid == 0)
        return;
    process->began_ns = now_ns();
    (void)cpu_of_process(process->pid, &process->cpu_ns);
    process->kernel_cpu_ns = cpu_of_kernel_threads();
    device_counts(process->device, &process->written_bytes, &process->flushes_count);
    process->rss_max_bytes = 0;
}

bool load_process_now(struct load_process *process, double *cpu_s_out, uint64_t *rss_bytes_out)
{
    uint64_t cpu_ns;

    if (process->pid == 0 || !cpu_of_process(process->pid, &cpu_ns) || cpu_ns < process->cpu_ns)
        return false;
    *cpu_s_out = (double)(cpu_ns - process->cpu_ns) / 1e9;
    *rss_bytes_out = rss_of(process->pid);
    if (*rss_bytes_out > process->rss_max_bytes)
        process->rss_max_bytes = *rss_bytes_out;
    return true;
}

void load_process_end(struct load_process *process, struct load_broker_use *out)
{
    uint64_t rss_bytes, written_bytes, flushes_count;
    double seconds, kernel_s;

    *out = (struct load_broker_use){0};
    if (!load_process_now(process, &out->cpu_s, &rss_bytes))
        return; /* it has ended meanwhile, or never was */
    seconds = (double)(now_ns() - process->began_ns) / 1e9;
    kernel_s = (double)cpu_of_kernel_threads() / 1e9 - (double)process->kernel_cpu_ns / 1e9 -
               process->kernel_idle * seconds;
    device_counts(process->device, &written_bytes, &flushes_count);
    out->is_known = true;
    out->pid = process->pid;
    out->kernel_cpu_s = kernel_s > 0 ? kernel_s : 0;
    out->rss_max_bytes = process->rss_max_bytes;
    out->written_bytes = written_bytes - process->written_bytes;
    out->flushes_count = flushes_count - process->flushes_count;
    memcpy(out->device, process->device, sizeof(out->device));
}

double load_process_own_cpu_s(void)
{
    struct rusage use;

    if (getrusage(RUSAGE_SELF, &use) != 0)
        return 0;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}
