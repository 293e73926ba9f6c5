#include "tests/sim/sim_file.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <string.h>

struct sim_captured {
    uint64_t page;
    uint32_t unit;
    uint64_t version;
    uint8_t *bytes; /* unit_bytes */
};

void sim_file_init(struct sim_file *file, uint32_t unit_bytes)
{
    check(unit_bytes == SIM_SECTOR_BYTES || unit_bytes == SIM_PAGE_BYTES);
    *file = (struct sim_file){.unit_bytes = unit_bytes};
}

void sim_file_deinit(struct sim_file *file)
{
    for (size_t i = 0; i < file->pages_count; i++) {
        if (file->pages[i] != NULL)
            mem_free(file->pages[i]->durable);
        mem_free(file->pages[i]);
    }
    mem_free(file->pages);
    *file = (struct sim_file){0};
}

static struct sim_page *page_at(const struct sim_file *file, uint64_t index)
{
    return index < file->pages_count ? file->pages[index] : NULL;
}

static struct sim_page *page_make(struct sim_file *file, uint64_t index)
{
    if (index >= file->pages_count) {
        size_t count = index + 1 + index / 2;
        file->pages = sim_heap_own_realloc(file->pages, count * sizeof(struct sim_page *));
        memset(file->pages + file->pages_count, 0,
               (count - file->pages_count) * sizeof(struct sim_page *));
        file->pages_count = count;
    }
    if (file->pages[index] == NULL)
        file->pages[index] = sim_heap_own_alloc(sizeof(struct sim_page));
    if (!file->pages[index]->allocated) {
        file->pages[index]->allocated = true;
        file->allocated_pages++;
    }
    return file->pages[index];
}

static uint8_t *durable_of(struct sim_page *page)
{
    return page->durable != NULL ? page->durable : page->cached;
}

/* Before cached and durable bytes of a page begin to differ. */
static void page_split(struct sim_page *page)
{
    if (page->durable == NULL) {
        page->durable = sim_heap_own_alloc(SIM_PAGE_BYTES);
        memcpy(page->durable, page->cached, SIM_PAGE_BYTES);
    }
}

/* DUR-F1: nothing differs any more, one copy is enough. */
static void page_join(struct sim_page *page)
{
    if (page->dirty == 0 && page->diverged == 0) {
        mem_free(page->durable);
        page->durable = NULL;
    }
}

static void unit_touch(struct sim_file *file, struct sim_page *page, uint32_t u, uint64_t write_id)
{
    struct sim_unit *unit = &page->units[u];
    uint8_t bit = (uint8_t)(1U << u);

    if ((page->dirty & bit) == 0)
        unit->loose = write_id;
    else if (unit->loose != write_id)
        unit->loose = 0;
    page_split(page);
    page->dirty |= bit;
    page->diverged &= (uint8_t)~bit;
    unit->written = file->version;
    file->may_be_dirty = true;
}

static void set_size(struct sim_file *file, uint64_t size_bytes)
{
    if (file->cached_size == size_bytes)
        return;
    file->sizes[file->sizes_to++ % SIM_SIZES_MAX] = file->cached_size;
    if (size_bytes < file->cached_size)
        file->shrink_version = file->version;
    if (size_bytes < file->size_floor)
        file->size_floor = size_bytes;
    file->cached_size = size_bytes;
    file->size_dirty = true;
    file->size_version = file->version;
}

void sim_file_write(struct sim_file *file, uint64_t pos, const uint8_t *bytes, size_t size_bytes,
                    uint64_t write_id, struct prng *prng, uint32_t writeback_ppm)
{
    uint64_t end = pos + size_bytes;

    if (size_bytes == 0)
        return;
    file->version++;
    while (pos < end) {
        struct sim_page *page = page_make(file, pos / SIM_PAGE_BYTES);
        uint32_t at = (uint32_t)(pos % SIM_PAGE_BYTES);
        uint32_t u = at / file->unit_bytes;
        size_t part = file->unit_bytes - at % file->unit_bytes;
        if (part > end - pos)
            part = (size_t)(end - pos);
        if ((page->dirty & 1U << u) != 0 && prng_chance(prng, writeback_ppm, 1000000)) {
            memcpy(page->durable + u * file->unit_bytes, page->cached + u * file->unit_bytes,
                   file->unit_bytes); /* DUR-F2 */
            page->units[u].durable = page->units[u].written;
        }
        unit_touch(file, page, u, write_id);
        memcpy(page->cached + at, bytes, part);
        bytes += part;
        pos += part;
    }
    if (end > file->cached_size)
        set_size(file, end);
}

size_t sim_file_read(const struct sim_file *file, enum sim_view view, uint64_t pos, uint8_t *bytes,
                     size_t size_bytes)
{
    uint64_t size = view == SIM_DURABLE ? file->durable_size : file->cached_size;
    size_t done = 0;

    if (pos >= size)
        return 0;
    if (size_bytes > size - pos)
        size_bytes = (size_t)(size - pos);
    while (done < size_bytes) {
        struct sim_page *page = page_at(file, (pos + done) / SIM_PAGE_BYTES);
        uint32_t at = (uint32_t)((pos + done) % SIM_PAGE_BYTES);
        uint32_t u = at / file->unit_bytes;
        size_t part = file->unit_bytes - at % file->unit_bytes;
        if (part > size_bytes - done)
            part = size_bytes - done;
        if (page == NULL)
            memset(bytes + done, 0, part);
        else if (view == SIM_DURABLE || (view == SIM_DEVICE && (page->diverged & 1U << u) != 0))
            memcpy(bytes + done, durable_of(page) + at, part);
        else
            memcpy(bytes + done, page->cached + at, part);
        done += part;
    }
    return done;
}

uint64_t sim_file_pages_needed(const struct sim_file *file, uint64_t pos, uint64_t size_bytes)
{
    uint64_t needed = 0;

    if (size_bytes == 0)
        return 0;
    for (uint64_t i = pos / SIM_PAGE_BYTES; i <= (pos + size_bytes - 1) / SIM_PAGE_BYTES; i++) {
        const struct sim_page *page = page_at(file, i);
        needed += page == NULL || !page->allocated;
    }
    return needed;
}

/* Zero the cached bytes of a page from `at` on; dirty where that changes or might hide something.
 */
static void page_cut(struct sim_file *file, struct sim_page *page, uint32_t at)
{
    for (uint32_t u = at / file->unit_bytes; u < SIM_PAGE_BYTES / file->unit_bytes; u++) {
        uint32_t from = u * file->unit_bytes < at ? at : u * file->unit_bytes;
        unit_touch(file, page, u, 0);
        memset(page->cached + from, 0, (u + 1) * file->unit_bytes - from);
    }
}

void sim_file_truncate(struct sim_file *file, uint64_t size_bytes)
{
    file->version++;
    for (uint64_t i = size_bytes / SIM_PAGE_BYTES;
         size_bytes < file->cached_size && i < file->pages_count; i++) {
        struct sim_page *page = file->pages[i];
        uint64_t start = i * SIM_PAGE_BYTES;
        if (page == NULL)
            continue;
        page_cut(file, page, start < size_bytes ? (uint32_t)(size_bytes - start) : 0);
        if (start >= size_bytes && page->allocated) {
            page->allocated = false;
            file->allocated_pages--;
        }
    }
    if (size_bytes == file->cached_size && size_bytes != file->durable_size) {
        file->size_dirty =
            true; /* the inode is written anew, whatever a failed sync has forgotten */
        file->size_version = file->version;
    }
    set_size(file, size_bytes);
}

static void capture_unit(struct sim_file *file, uint64_t index, uint32_t u, struct sim_capture *out)
{
    struct sim_captured *unit;

    if (out->count == out->capacity) {
        out->capacity = out->capacity == 0 ? 16 : out->capacity * 2;
        out->units = sim_heap_own_realloc(out->units, out->capacity * sizeof(struct sim_captured));
    }
    unit = &out->units[out->count++];
    unit->page = index;
    unit->unit = u;
    unit->version = file->pages[index]->units[u].written;
    unit->bytes = sim_heap_own_alloc(file->unit_bytes);
    memcpy(unit->bytes, file->pages[index]->cached + u * file->unit_bytes, file->unit_bytes);
}

void sim_file_capture(struct sim_file *file, struct prng *prng,
                      bool (*is_unfinished)(void *context, uint64_t id), void *context,
                      struct sim_capture *out)
{
    *out = (struct sim_capture){.size_bytes = file->cached_size,
                                .size_version = file->size_version,
                                .sizes_to = file->sizes_to,
                                .has_size = file->size_dirty};
    if (!file->may_be_dirty)
        return;
    file->may_be_dirty = false;
    for (uint64_t i = 0; i < file->pages_count; i++) {
        struct sim_page *page = file->pages[i];
        if (page == NULL || page->dirty == 0)
            continue;
        file->may_be_dirty = true;
        for (uint32_t u = 0; u < SIM_PAGE_BYTES / file->unit_bytes; u++) {
            uint64_t loose = page->units[u].loose;
            if ((page->dirty & 1U << u) == 0)
                continue;
            if (loose != 0 && is_unfinished(context, loose) && prng_chance(prng, 1, 2))
                continue; /* this sync came too early for it */
            capture_unit(file, i, u, out);
        }
    }
}

void sim_capture_deinit(struct sim_capture *capture)
{
    for (size_t i = 0; i < capture->count; i++)
        mem_free(capture->units[i].bytes);
    mem_free(capture->units);
    *capture = (struct sim_capture){0};
}

static void persist_unit(struct sim_file *file, const struct sim_captured *captured)
{
    struct sim_page *page = file->pages[captured->page];
    struct sim_unit *unit = &page->units[captured->unit];
    uint8_t bit = (uint8_t)(1U << captured->unit);

    if (captured->version <= unit->durable)
        return; /* a later sync, or a dsync write, was faster */
    page_split(page);
    memcpy(page->durable + captured->unit * file->unit_bytes, captured->bytes, file->unit_bytes);
    unit->durable = captured->version;
    if (unit->written == captured->version) {
        page->dirty &= (uint8_t)~bit;
        page->diverged &= (uint8_t)~bit;
    }
    page_join(page);
}

static void persist_size(struct sim_file *file, const struct sim_capture *capture)
{
    if (!capture->has_size || capture->size_version < file->durable_size_version)
        return;
    file->durable_size = capture->size_bytes;
    file->durable_size_version = capture->size_version;
    file->sizes_from = capture->sizes_to;
    if (file->shrink_version <= capture->size_version)
        file->size_floor = capture->size_bytes;
    if (capture->size_version == file->size_version)
        file->size_dirty = false;
}

void sim_file_persist(struct sim_file *file, const struct sim_capture *capture)
{
    for (size_t i = 0; i < capture->count; i++)
        persist_unit(file, &capture->units[i]);
    persist_size(file, capture);
}

void sim_file_persist_some(struct sim_file *file, const struct sim_capture *capture,
                           struct prng *prng)
{
    uint64_t odds = prng_below(prng, 5);

    for (size_t i = 0; i < capture->count; i++) {
        if (prng_chance(prng, odds, 4))
            persist_unit(file, &capture->units[i]);
    }
    if (prng_chance(prng, odds, 4))
        persist_size(file, capture);
}

void sim_file_diverge(struct sim_file *file, const struct sim_capture *capture, struct prng *prng)
{
    sim_file_persist_some(file, capture, prng);
    for (size_t i = 0; i < capture->count; i++) {
        const struct sim_captured *captured = &capture->units[i];
        struct sim_page *page = file->pages[captured->page];
        uint8_t bit = (uint8_t)(1U << captured->unit);
        if ((page->dirty & bit) != 0 && page->units[captured->unit].written == captured->version) {
            page->dirty &= (uint8_t)~bit;
            page->diverged |= bit;
        }
    }
    if (capture->has_size && capture->size_version == file->size_version)
        file->size_dirty = false;
}

void sim_file_persist_range(struct sim_file *file, uint64_t pos, uint64_t size_bytes)
{
    uint64_t end = pos + size_bytes;

    for (pos -= pos % file->unit_bytes; pos < end; pos += file->unit_bytes) {
        struct sim_page *page = page_at(file, pos / SIM_PAGE_BYTES);
        uint32_t u = (uint32_t)(pos % SIM_PAGE_BYTES) / file->unit_bytes;
        uint8_t bit = (uint8_t)(1U << u);
        if (page == NULL || page->durable == NULL)
            continue;
        memcpy(page->durable + u * file->unit_bytes, page->cached + u * file->unit_bytes,
               file->unit_bytes);
        page->units[u].durable = page->units[u].written;
        page->dirty &= (uint8_t)~bit;
        page->diverged &= (uint8_t)~bit;
        page_join(page);
    }
    if (end > file->cached_size)
        end = file->cached_size;
    if (end > file->size_floor)
        file->size_floor = end;
    if (end > file->durable_size) {
        file->durable_size = end;
        if (end == file->cached_size) {
            file->durable_size_version = file->size_version;
            file->sizes_from = file->sizes_to;
            file->size_dirty = false;
        }
    }
}

void sim_file_evict(struct sim_file *file)
{
    for (uint64_t i = 0; i < file->pages_count; i++) {
        struct sim_page *page = file->pages[i];
        if (page == NULL || page->diverged == 0)
            continue;
        for (uint32_t u = 0; u < SIM_PAGE_BYTES / file->unit_bytes; u++) {
            if ((page->diverged & 1U << u) == 0)
                continue;
            memcpy(page->cached + u * file->unit_bytes, page->durable + u * file->unit_bytes,
                   file->unit_bytes);
            page->units[u].written = page->units[u].durable;
        }
        page->diverged = 0;
        page_join(page);
    }
}

/* Which of a file's dirty units, in order of position, reached the disk. */
struct fate {
    uint64_t keep;      /* of 16, for each unit alone */
    uint64_t keep_from; /* in pages: units outside are lost */
    uint64_t keep_to;
};

static struct fate fate_draw(const struct sim_file *file, struct prng *prng)
{
    static const uint8_t odds[] = {0, 1, 8, 15, 16};
    struct fate fate = {.keep = 16, .keep_to = file->pages_count};
    uint64_t kind = prng_below(prng, array_count(odds) + 2);

    if (kind < array_count(odds))
        fate.keep = odds[kind];
    else if (kind == array_count(odds))
        fate.keep_to = prng_below(prng, file->pages_count + 1); /* written back in order */
    else
        fate.keep_from = prng_below(prng, file->pages_count + 1); /* or from the end */
    return fate;
}

static uint64_t size_draw_any(const struct sim_file *file, struct prng *prng)
{
    uint64_t known = file->sizes_to - file->sizes_from;
    uint64_t low = file->durable_size < file->cached_size ? file->durable_size : file->cached_size;
    uint64_t high = file->durable_size < file->cached_size ? file->cached_size : file->durable_size;

    if (low == high)
        return low;
    switch (prng_below(prng, 4)) {
    case 0:
        return file->durable_size;
    case 1:
        return file->cached_size;
    case 2:
        if (known > SIM_SIZES_MAX)
            known = SIM_SIZES_MAX;
        if (known == 0)
            return file->cached_size;
        return file->sizes[(file->sizes_to - 1 - prng_below(prng, known)) % SIM_SIZES_MAX];
    default: /* as far as some allocation went */
        low += file->unit_bytes - low % file->unit_bytes;
        return low >= high
                   ? high
                   : low + prng_below(prng, (high - low) / file->unit_bytes + 1) * file->unit_bytes;
    }
}

static uint64_t size_draw(const struct sim_file *file, struct prng *prng)
{
    uint64_t size = size_draw_any(file, prng);

    return size < file->size_floor ? file->size_floor : size;
}

static void lose_unit(struct sim_file *file, uint64_t index, uint32_t u, bool keep,
                      const struct sim_loss *loss, struct prng *prng, struct sim_stats *stats)
{
    struct sim_page *page = file->pages[index];
    uint8_t *durable = page->durable + u * file->unit_bytes;
    uint64_t pos = index * SIM_PAGE_BYTES + u * file->unit_bytes;

    if (keep) {
        memcpy(durable, page->cached + u * file->unit_bytes, file->unit_bytes);
        stats->units_kept++;
    } else if (pos + file->unit_bytes > file->durable_size &&
               prng_chance(prng, loss->garbage_ppm, 1000000)) {
        uint64_t from = pos < file->durable_size ? file->durable_size - pos : 0;
        prng_fill(prng, durable + from, file->unit_bytes - from);
        stats->units_garbage++;
    } else {
        stats->units_lost++;
    }
    if (prng_chance(prng, loss->damage_ppm, 1000000)) {
        uint64_t at = prng_below(prng, file->unit_bytes);
        durable[at] ^= (uint8_t)(1 + prng_below(prng, 255));
        stats->units_damaged++;
    }
}

/* Bytes behind the end are gone: a file that grows again shows zeros there. */
static void cut_behind(struct sim_file *file, uint64_t size_bytes)
{
    for (uint64_t i = size_bytes / SIM_PAGE_BYTES; i < file->pages_count; i++) {
        uint64_t start = i * SIM_PAGE_BYTES;
        uint64_t from = start < size_bytes ? size_bytes - start : 0;
        struct sim_page *page = file->pages[i];
        if (page == NULL)
            continue;
        memset(page->cached + from, 0, SIM_PAGE_BYTES - from);
        if (from == 0 && page->allocated) {
            page->allocated = false;
            file->allocated_pages--;
        }
    }
}

void sim_file_settle(struct sim_file *file, uint64_t size_bytes)
{
    for (uint64_t i = 0; i < file->pages_count; i++) {
        struct sim_page *page = file->pages[i];
        if (page == NULL || page->durable == NULL)
            continue;
        memcpy(page->cached, page->durable, SIM_PAGE_BYTES);
        page->dirty = 0;
        page->diverged = 0;
        for (uint32_t u = 0; u < SIM_PAGE_UNITS_MAX; u++)
            page->units[u] = (struct sim_unit){.written = ++file->version};
        for (uint32_t u = 0; u < SIM_PAGE_UNITS_MAX; u++)
            page->units[u].durable = page->units[u].written;
        if (!page->allocated) {
            page->allocated = true;
            file->allocated_pages++;
        }
        page_join(page);
    }
    cut_behind(file, size_bytes);
    file->version++;
    file->cached_size = size_bytes;
    file->durable_size = size_bytes;
    file->size_version = file->version;
    file->durable_size_version = file->version;
    file->size_dirty = false;
    file->sizes_from = file->sizes_to;
    file->size_floor = size_bytes;
}

void sim_file_lose_power(struct sim_file *file, const struct sim_loss *loss, struct prng *prng,
                         struct sim_stats *stats)
{
    struct fate fate = fate_draw(file, prng);
    uint64_t size = size_draw(file, prng);

    for (uint64_t i = 0; i < file->pages_count; i++) {
        struct sim_page *page = file->pages[i];
        if (page == NULL || page->durable == NULL)
            continue;
        for (uint32_t u = 0; u < SIM_PAGE_BYTES / file->unit_bytes; u++) {
            bool keep = i >= fate.keep_from && i < fate.keep_to && prng_chance(prng, fate.keep, 16);
            if ((page->dirty & 1U << u) != 0)
                lose_unit(file, i, u, keep, loss, prng, stats);
        }
    }
    sim_file_settle(file, size);
}

bool sim_file_flip(struct sim_file *file, uint64_t pos, uint8_t mask)
{
    struct sim_page *page;

    if (pos >= file->cached_size)
        return false;
    page = page_make(file, pos / SIM_PAGE_BYTES);
    page->cached[pos % SIM_PAGE_BYTES] ^= mask;
    if (page->durable != NULL)
        page->durable[pos % SIM_PAGE_BYTES] ^= mask;
    return true;
}
