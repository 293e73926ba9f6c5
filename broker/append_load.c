#include "broker/append_load.h"

#include "base/clock.h"
#include "base/log_line.h"
#include "broker/append_queue.h"
#include "broker/memory_limits.h"

enum {
    ALL_PART = 2,   /* of the memory of requests; produced ones may have three quarters (SRV-2) */
    QUEUE_PART = 4, /* a partition alone does not take it all */
    STRICT_MS = 60000,
    TOLD_MS = 60000, /* not again before */
};

void append_load_init(struct append_load *load, const struct memory_limits *limits,
                      uint32_t shard_count, struct log_sink *sink)
{
    uint64_t requests_bytes = limits->max_bytes[MEMORY_REQUESTS];
    uint64_t decoded_bytes = limits->max_bytes[MEMORY_DECODED];
    uint64_t bytes = requests_bytes < decoded_bytes ? requests_bytes : decoded_bytes;

    *load = (struct append_load){
        .sink = sink,
        .all_max_bytes = bytes / ALL_PART / shard_count, /* LOAD-1: all may be of one home */
        .queue_max_bytes = bytes / QUEUE_PART / shard_count,
    };
}

static bool is_strict(const struct append_load *load, uint64_t now_ns)
{
    return now_ns < load->strict_until_ns;
}

static void be_strict(struct append_load *load, uint64_t now_ns)
{
    load->strict_until_ns = clock_deadline_ns(now_ns, STRICT_MS);
}

static void tell(struct append_load *load, const struct append_queue *queue, const char *name,
                 int32_t index, uint64_t now_ns)
{
    if (load->told_ns != 0 && now_ns < clock_deadline_ns(load->told_ns, TOLD_MS))
        return;
    load->told_ns = now_ns;
    log_line(load->sink, LOG_WARN, "LVE-3109",
             "batches that wait for long checks are refused: others find no memory",
             log_str("topic", name), log_i64("partition", index),
             log_u64("held_bytes", queue->held_bytes), log_u64("all_held_bytes", load->held_bytes));
}

bool append_load_ends(struct append_load *load, const struct append_queue *queue, const char *name,
                      int32_t index, uint64_t now_ns)
{
    if (!append_queue_is_held(queue) ||
        (queue->held_bytes <= load->queue_max_bytes && load->held_bytes <= load->all_max_bytes))
        return false;
    be_strict(load, now_ns);
    tell(load, queue, name, index, now_ns);
    return true;
}

bool append_load_refuses(struct append_load *load, const struct append_queue *queue,
                         uint64_t held_bytes, bool is_preparing, uint64_t now_ns)
{
    bool fits_queue =
        queue->held_bytes == 0 || queue->held_bytes + held_bytes <= load->queue_max_bytes;
    bool fits_all = load->held_bytes == 0 || load->held_bytes + held_bytes <= load->all_max_bytes;

    if (!is_strict(load, now_ns) || (!is_preparing && !append_queue_is_held(queue)) ||
        (fits_queue && fits_all))
        return false;
    be_strict(load, now_ns);
    return true;
}
