#include "broker/process_metrics.h"

#include "base/list.h"
#include "base/metric_family.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void tell(struct metrics_scrape *scrape, enum metric_id id, double value)
{
    metrics_sample(scrape, metric_family(id), "", value);
}

static double micros(const struct timeval *time)
{
    return (double)time->tv_sec * 1e6 + (double)time->tv_usec;
}

/* getrusage(2) */
static void tell_cpu(struct metrics_scrape *scrape)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) == 0)
        tell(scrape, FAMILY_CPU, micros(&usage.ru_utime) + micros(&usage.ru_stime));
}

/* proc(5), statm */
static void tell_memory(struct metrics_scrape *scrape)
{
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long size_pages;
    unsigned long long resident_pages;

    if (file == NULL)
        return;
    if (fscanf(file, "%llu %llu", &size_pages, &resident_pages) == 2) {
        tell(scrape, FAMILY_VIRTUAL_MEMORY, (double)size_pages * page_bytes);
        tell(scrape, FAMILY_RESIDENT_MEMORY, (double)resident_pages * page_bytes);
    }
    fclose(file);
}

/* proc(5), fd; the one that reads it does not count. */
static void tell_descriptors(struct metrics_scrape *scrape)
{
    DIR *dir = opendir("/proc/self/fd");
    struct rlimit limit;
    int64_t count = -1;
    const struct dirent *entry;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        tell(scrape, FAMILY_FDS_MAX, (double)limit.rlim_cur);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    tell(scrape, FAMILY_FDS, (double)count);
}

/* Kafka's BrokerState; it has no number for a directory that failed but 0, not running. */
static void tell_state(const struct process_metrics *process, struct metrics_scrape *scrape)
{
    static const int states[] = {
        [HEALTH_RECOVERING] = 2, [HEALTH_READY] = 3, [HEALTH_STOPPING] = 6, [HEALTH_FAILED] = 0};
    enum health_state state = health_get(process->health);

    tell(scrape, FAMILY_BROKER_STATE, states[state]);
    tell(scrape, FAMILY_OFFLINE_LOG_DIRS, state == HEALTH_FAILED);
}

static void collect(struct metrics_collector *collector, struct metrics_scrape *scrape)
{
    const struct process_metrics *process =
        container_of(collector, struct process_metrics, collector);
    char labels[64];

    tell_cpu(scrape);
    tell_memory(scrape);
    tell_descriptors(scrape);
    tell_state(process, scrape);
    tell(scrape, FAMILY_START_TIME, (double)process->started_ms);
    tell(scrape, FAMILY_SHARDS, process->shard_count);
    metrics_sample(scrape, metric_family(FAMILY_BUILD_INFO),
                   "version=\"" LEVEE_VERSION "\",compiler=\"" __VERSION__ "\"", 1);
    snprintf(labels, sizeof(labels), "backend=\"%s\"", process->io_backend);
    metrics_sample(scrape, metric_family(FAMILY_IO_BACKEND), labels, 1);
}

void process_metrics_register(struct process_metrics *process, const struct health *health,
                              int64_t started_ms, uint32_t shard_count, const char *io_backend,
                              struct metrics *metrics)
{
    process->health = health;
    process->started_ms = started_ms;
    process->shard_count = shard_count;
    process->io_backend = io_backend;
    process->collector.collect = collect;
    metrics_add_collector(metrics, &process->collector);
}
