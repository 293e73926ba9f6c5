#include "tools/load/load_environment.h"
#include "tools/load/load_limits.h"
#include "tools/load/load_process.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A listening socket on a port that the kernel chose. */
static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert(eq(int, bind(fd, (struct sockaddr *)&address, sizeof(address)), 0));
    cr_assert(eq(int, listen(fd, 1), 0));
    cr_assert(eq(int, getsockname(fd, (struct sockaddr *)&address, &size), 0));
    *port = ntohs(address.sin_port);
    return fd;
}

Test(load_process, a_broker_of_this_machine_is_found_by_its_port)
{
    uint16_t port;
    int fd = listen_somewhere(&port);
    char brokers[64];

    cr_assert(eq(int, load_process_find(port), getpid()));
    snprintf(brokers, sizeof(brokers), "127.0.0.1:%u,other:9092", port);
    cr_assert(eq(int, load_process_find_broker(brokers), getpid()));
    snprintf(brokers, sizeof(brokers), "localhost:%u", port);
    cr_assert(eq(int, load_process_find_broker(brokers), getpid()));
    snprintf(brokers, sizeof(brokers), "192.0.2.1:%u", port); /* an address of RFC 5737: not ours */
    cr_assert(eq(int, load_process_find_broker(brokers), 0));
    cr_assert(eq(int, load_process_find_broker("127.0.0.1"), 0));
    cr_assert(eq(int, load_process_find_broker("127.0.0.1:99999"), 0));
    cr_assert(eq(int, load_process_find_broker(""), 0));
    close(fd);
    cr_assert(eq(int, load_process_find(port), 0));
}

static void *burn(void *argument)
{
    struct timespec used;

    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    while (used.tv_sec == 0 && used.tv_nsec < 300000000);
    return argument;
}

/* LPR-1: whatever thread it was, also one that has ended. */
Test(load_process, the_time_of_all_threads_is_counted)
{
    struct load_process process;
    struct load_broker_use use;
    pthread_t thread;
    double cpu_s;
    uint64_t rss_bytes;

    load_process_open(&process, getpid(), 10);
    load_process_begin(&process);
    cr_assert(eq(int, pthread_create(&thread, NULL, burn, NULL), 0));
    pthread_join(thread, NULL);
    cr_assert(load_process_now(&process, &cpu_s, &rss_bytes));
    cr_assert(ge(dbl, cpu_s, 0.25));
    cr_assert(lt(dbl, cpu_s, 1.0));
    cr_assert(ge(u64, rss_bytes, 100000));
    load_process_end(&process, &use);
    cr_assert(use.is_known);
    cr_assert(eq(int, use.pid, getpid()));
    cr_assert(ge(dbl, use.cpu_s, 0.25));
    cr_assert(ge(dbl, use.kernel_cpu_s, 0.0));
    cr_assert(eq(u64, use.rss_max_bytes >= rss_bytes, 1));
    cr_assert(ge(dbl, load_process_own_cpu_s(), 0.25));
}

Test(load_process, who_is_not_there_is_not_known)
{
    struct load_process process;
    struct load_broker_use use;
    double cpu_s;
    uint64_t rss_bytes;

    load_process_open(&process, 0, 0);
    load_process_begin(&process);
    cr_assert(not(load_process_now(&process, &cpu_s, &rss_bytes)));
    load_process_end(&process, &use);
    cr_assert(not(use.is_known));
    load_process_open(&process, 0x7ffffff0, 0);
    cr_assert(eq(int, process.pid, 0));
}

static const char *line_of(const struct load_result *result, const char *key)
{
    for (uint32_t i = 0; i < result->environment_count; i++)
        if (strcmp(result->environment[i].key, key) == 0)
            return result->environment[i].value;
    return NULL;
}

Test(load_process, the_surroundings_are_told)
{
    struct load_result *result;
    char directory[] = "/tmp/levee-load-environment-XXXXXX";
    char path[128];
    char found[4096];
    int fd;

    cr_assert(eq(int, load_result_create(&result), OK));
    cr_assert(mkdtemp(directory) != NULL);
    load_environment_machine(result);
    load_environment_device(result, directory);
    cr_assert(eq(int, strncmp(line_of(result, "kernel"), "Linux ", 6), 0));
    cr_assert(line_of(result, "processors") != NULL);
    cr_assert(eq(str, (char *)line_of(result, "data directory"), directory));
    cr_assert(line_of(result, "file system") != NULL);
    /* a lock as Kafka and levee have it tells where a broker keeps its data */
    snprintf(path, sizeof(path), "%s/.lock", directory);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert(load_environment_data_directory(getpid(), found, sizeof(found)));
    cr_assert(eq(str, found, directory));
    close(fd);
    remove(path);
    rmdir(directory);
    load_result_destroy(result);
}

Test(load_process, the_limits_are_measured)
{
    struct load_result *result;

    cr_assert(eq(int, load_result_create(&result), OK));
    cr_assert(eq(int, load_limits_measure(result, "/tmp", 50), OK));
    cr_assert(result->limits.is_known);
    cr_assert(ge(u64, result->limits.sync_p50_ns, 100));
    cr_assert(ge(u64, result->limits.sync_p99_ns, result->limits.sync_p50_ns));
    cr_assert(ge(u64, result->limits.loopback_p50_ns, 1000));
    cr_assert(ge(dbl, result->limits.disk_bytes_per_s, 1e5));
    cr_assert(ge(dbl, result->limits.loopback_bytes_per_s, 1e6));
    result->limits.is_known = false;
    cr_assert(eq(int, load_limits_measure(result, "/nonexistent", 50), ERR_NOT_FOUND));
    cr_assert(not(result->limits.is_known));
    load_result_destroy(result);
}
