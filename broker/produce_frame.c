#include "broker/produce_frame.h"

#include "net/protocol/msg_produce.h"

#include <string.h>

enum { MUCH_LARGER = 2 };

typedef struct produce_request_topic_produce_data topic_data;

/* Where the copy is being written. */
struct trimming {
    uint8_t *at;
    struct wire_slice *slices; /* the next free one */
};

static uint64_t bytes_of(struct wire_string text)
{
    return text.size_bytes > 0 ? (uint64_t)text.size_bytes : 0;
}

/* What is read of the frame, and how many batches that is. */
static uint64_t count_needed(const struct request *request, uint32_t *batch_count_out)
{
    const struct produce_request *body = request->body;
    uint64_t bytes = bytes_of(request->client_id) + bytes_of(body->transactional_id);
    uint32_t count = 0;

    for (int32_t t = 0; t < body->topic_data.count; t++) {
        const topic_data *topic = &body->topic_data.items[t];
        bytes += bytes_of(topic->name);
        for (int32_t p = 0; p < topic->partition_data.count; p++) {
            bytes += topic->partition_data.items[p].records.size_bytes;
            count += topic->partition_data.items[p].records.slice_count;
        }
    }
    *batch_count_out = count;
    return bytes;
}

static void move(struct trimming *trimming, struct wire_string *text)
{
    if (bytes_of(*text) == 0)
        return;
    memcpy(trimming->at, text->text, (size_t)text->size_bytes);
    text->text = (const char *)trimming->at;
    trimming->at += text->size_bytes;
}

static void move_records(struct trimming *trimming, struct wire_records *records)
{
    struct wire_slice *slices = trimming->slices;

    for (uint32_t i = 0; i < records->slice_count; i++) {
        slices[i] = records->slices[i];
        memcpy(trimming->at, slices[i].bytes, slices[i].size_bytes);
        slices[i].bytes = trimming->at;
        trimming->at += slices[i].size_bytes;
    }
    records->slices = slices;
    trimming->slices += records->slice_count;
}

static void move_all(struct trimming *trimming, struct request *request,
                     struct produce_request *body)
{
    move(trimming, &request->client_id);
    move(trimming, &body->transactional_id);
    for (int32_t t = 0; t < body->topic_data.count; t++) {
        topic_data *topic = &body->topic_data.items[t];
        move(trimming, &topic->name);
        for (int32_t p = 0; p < topic->partition_data.count; p++)
            move_records(trimming, &topic->partition_data.items[p].records);
    }
}

void produce_frame_trim(struct request *request)
{
    struct slab *slab = memory_slab(&request->home->memory, MEMORY_REQUESTS);
    uint32_t frame_bytes = request->size_bytes;
    struct trimming trimming;
    struct buf *smaller;
    uint32_t batch_count;
    uint64_t bytes;

    if (frame_bytes <= PRODUCE_FRAME_SMALL_BYTES)
        return;
    bytes = count_needed(request, &batch_count);
    if (bytes > frame_bytes / MUCH_LARGER)
        return;
    trimming.slices = request_try_alloc(request, batch_count, sizeof(*trimming.slices));
    smaller = trimming.slices == NULL ? NULL : buf_create(slab, (uint32_t)bytes + 1, 1);
    if (smaller == NULL)
        return;
    trimming.at = smaller->bytes;
    /* the body is in the request's arena, and nobody else has seen it */
    move_all(&trimming, request, (struct produce_request *)(uintptr_t)request->body);
    request_shrink_frame(request, smaller, (uint32_t)bytes);
}
