#include "storage/log/segment_manifest.h"

#include "base/mem.h"

#include <string.h>

enum { CAPACITY_MIN = 4 };

void segment_manifest_init(struct segment_manifest *manifest)
{
    *manifest = (struct segment_manifest){0};
    list_init(&manifest->retired);
}

void segment_manifest_deinit(struct segment_manifest *manifest)
{
    check(manifest->count == 0 && list_is_empty(&manifest->retired));
    mem_free(manifest->segments);
    manifest->segments = NULL;
    manifest->capacity = 0;
}

struct segment *segment_manifest_find(const struct segment_manifest *manifest, int64_t offset,
                                      uint32_t *index_out)
{
    uint32_t low = 0;
    uint32_t high = manifest->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (manifest->segments[middle]->base_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    *index_out = low - 1;
    return manifest->segments[low - 1];
}

uint64_t segment_manifest_bytes(const struct segment_manifest *manifest)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < manifest->count; i++)
        sum += manifest->segments[i]->size_bytes;
    return sum;
}

static void reserve(struct segment_manifest *manifest)
{
    if (manifest->count < manifest->capacity)
        return;
    manifest->capacity = manifest->capacity == 0 ? CAPACITY_MIN : manifest->capacity * 2;
    manifest->segments =
        mem_realloc(manifest->segments, manifest->capacity * sizeof(struct segment *));
}

void segment_manifest_add(struct segment_manifest *manifest, struct segment *segment)
{
    if (manifest->count > 0) {
        struct segment *last = segment_manifest_active(manifest);
        check(last->end_offset <= segment->base_offset); /* MNF-1 */
        last->is_active = false;
    }
    reserve(manifest);
    segment->is_active = true;
    segment->generation = ++manifest->generation; /* MNF-2 */
    manifest->segments[manifest->count++] = segment;
}

struct segment *segment_manifest_take_first(struct segment_manifest *manifest)
{
    struct segment *segment = segment_manifest_at(manifest, 0);

    check(manifest->count > 1);
    manifest->count--;
    memmove(&manifest->segments[0], &manifest->segments[1],
            manifest->count * sizeof(struct segment *));
    return segment;
}

struct segment *segment_manifest_take_last(struct segment_manifest *manifest)
{
    struct segment *segment = segment_manifest_active(manifest);

    if (--manifest->count > 0)
        segment_manifest_active(manifest)->is_active = true;
    segment->is_active = false;
    return segment;
}

static void retire(struct segment_manifest *manifest, struct segment *old)
{
    check(!old->is_active && old->written_pos == old->size_bytes);
    if (old->file.io_count == 0) {
        segment_free(old);
        return;
    }
    segment_leave_store(old);
    list_push_back(&manifest->retired, &old->retired_node); /* MNF-3 */
}

void segment_manifest_replace(struct segment_manifest *manifest, uint32_t index, uint32_t count,
                              struct segment *by)
{
    uint32_t behind = index + count;

    check(count > 0 && !by->is_active);
    check(by->base_offset >= segment_manifest_at(manifest, index)->base_offset &&
          by->end_offset <= segment_manifest_at(manifest, behind - 1)->end_offset); /* MNF-1 */
    for (uint32_t i = index; i < behind; i++)
        retire(manifest, manifest->segments[i]);
    by->generation = ++manifest->generation; /* MNF-2 */
    manifest->segments[index] = by;
    memmove(&manifest->segments[index + 1], &manifest->segments[behind],
            (manifest->count - behind) * sizeof(struct segment *));
    manifest->count -= count - 1;
}

bool segment_manifest_is_retired(const struct segment *segment)
{
    return list_is_linked(&segment->retired_node);
}

void segment_manifest_io_ended(struct segment *segment)
{
    segment_io_ended(segment);
    if (segment->file.io_count > 0 || !segment_manifest_is_retired(segment))
        return;
    list_remove(&segment->retired_node);
    segment_free(segment);
}

bool segment_manifest_is_in_use(const struct segment_manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->count; i++)
        if (manifest->segments[i]->file.io_count > 0)
            return true;
    return !list_is_empty(&manifest->retired);
}
