#include "bench/bench_floor.h"

#include "base/crc32c.h"
#include "base/io.h"
#include "base/mem.h"
#include "record/batch.h"
#include "storage/journal/journal_format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_BYTES = 64 << 20,
    GROUP_BYTES_MAX = 1 << 20,
    APPENDERS_MAX = 256,
};

struct floor_loop {
    char path[4096];
    int fd;
    uint64_t pos;
    uint8_t *group;
    uint64_t since_ns[APPENDERS_MAX]; /* a queue: the first of it waits longest */
    uint32_t bad_count;
};

struct floor_loop *floor_open(const char *dir)
{
    struct floor_loop *floor = mem_alloc(sizeof(*floor));

    *floor = (struct floor_loop){.group = mem_try_alloc_aligned(IO_ALIGN, GROUP_BYTES_MAX)};
    snprintf(floor->path, sizeof(floor->path), "%s/floor", dir);
    floor->fd = open(floor->path, O_RDWR | O_CREAT | O_DIRECT | O_DSYNC, 0644);
    if (floor->fd < 0 || floor->group == NULL) {
        perror(floor->path);
        exit(1);
    }
    memset(floor->group, 0, GROUP_BYTES_MAX);
    for (off_t pos = 0; pos < FILE_BYTES; pos += GROUP_BYTES_MAX)
        if (pwrite(floor->fd, floor->group, GROUP_BYTES_MAX, pos) != GROUP_BYTES_MAX)
            figures_must(ERR_IO, "the floor's file");
    return floor;
}

static void write_group(struct floor_loop *floor, uint64_t size_bytes)
{
    uint64_t device_bytes = journal_format_round_up(size_bytes);

    memset(floor->group + size_bytes, 0, device_bytes - size_bytes);
    if (floor->pos + device_bytes > FILE_BYTES)
        floor->pos = 0;
    if (pwrite(floor->fd, floor->group, device_bytes, (off_t)floor->pos) != (ssize_t)device_bytes)
        figures_must(ERR_IO, "the floor's write");
    floor->pos += device_bytes;
}

struct figures floor_run(struct floor_loop *floor, uint32_t appender_count, const uint8_t *batch,
                         uint32_t size_bytes, uint64_t duration_ns)
{
    uint32_t crc = batch_compute_crc(batch, size_bytes);
    uint64_t entry_bytes = (uint64_t)size_bytes + JOURNAL_ENTRY_HEAD_BYTES;
    uint64_t per_group = (GROUP_BYTES_MAX - JOURNAL_GROUP_HEAD_BYTES) / entry_bytes;
    uint64_t now;
    uint64_t until;
    uint32_t first = 0;

    if (per_group > appender_count)
        per_group = appender_count;
    figures_begin();
    now = figures_now_ns();
    until = now + duration_ns;
    for (uint32_t i = 0; i < appender_count; i++)
        floor->since_ns[i] = now;
    while (now < until) {
        uint64_t size = JOURNAL_GROUP_HEAD_BYTES;
        for (uint64_t i = 0; i < per_group; i++) {
            floor->bad_count += batch_compute_crc(batch, size_bytes) != crc;
            memset(floor->group + size, 0, JOURNAL_ENTRY_HEAD_BYTES);
            memcpy(floor->group + size + JOURNAL_ENTRY_HEAD_BYTES, batch, size_bytes);
            size += entry_bytes;
        }
        write_group(floor, size);
        now = figures_now_ns();
        for (uint64_t i = 0; i < per_group; i++) {
            figures_note(now - floor->since_ns[first]);
            floor->since_ns[first] = now;
            first = (first + 1) % appender_count;
        }
    }
    return figures_end(size_bytes);
}

void floor_close(struct floor_loop *floor)
{
    if (floor->bad_count > 0)
        figures_must(ERR_CORRUPT, "the floor's checksums");
    close(floor->fd);
    unlink(floor->path);
    mem_free(floor->group);
    mem_free(floor);
}
