#include "tests/sim/explore_image.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_image.h"
#include "tests/sim/sim_op.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <xxhash.h>

enum { NO_ITEM = -1 };

enum item_kind { ITEM_WRITE, ITEM_SIZE, ITEM_NAME };

enum unit_fate { UNIT_OLD, UNIT_NEW, UNIT_GARBAGE, UNIT_DAMAGED };

struct item_unit {
    uint64_t page;
    uint32_t unit;
    bool is_fresh; /* in space that was never written */
};

struct explore_item {
    enum item_kind kind;
    uint32_t options; /* 0 is the old state, the last one the new */
    uint64_t inode;
    uint64_t version; /* of a write */
    size_t change;    /* of a name */
    uint64_t sizes[SIM_SIZES_MAX + 2];
    struct item_unit *units;
    uint32_t units_count;
    uint32_t units_capacity;
    bool is_in_flight; /* a write */
};

struct explore_image {
    uint8_t *choices; /* by item */
    int32_t torn;     /* item whose units have fates of their own */
    uint8_t *fates;
};

/* ---- what is open */

static struct explore_item *item_add(struct explore_images *images, enum item_kind kind,
                                     uint64_t inode)
{
    struct explore_item *item;

    if (images->items_count == images->items_capacity) {
        images->items_capacity = images->items_capacity == 0 ? 16 : images->items_capacity * 2;
        images->items =
            mem_realloc(images->items, images->items_capacity * sizeof(struct explore_item));
    }
    item = &images->items[images->items_count++];
    *item = (struct explore_item){.kind = kind, .inode = inode, .options = 2};
    return item;
}

/* The open write of that version, new when there is none yet; first: items of this file. */
static struct explore_item *write_of(struct explore_images *images, uint32_t first, uint64_t inode,
                                     uint64_t version)
{
    struct explore_item *item;

    for (uint32_t i = first; i < images->items_count; i++)
        if (images->items[i].version == version)
            return &images->items[i];
    item = item_add(images, ITEM_WRITE, inode);
    item->version = version;
    for (uint32_t i = 0; i < images->flights_count; i++)
        if (images->flights[i].inode == inode && images->flights[i].version == version)
            item->is_in_flight = true;
    return item;
}

static void unit_add(struct explore_item *item, uint64_t page, uint32_t unit, bool is_fresh)
{
    if (item->units_count == item->units_capacity) {
        item->units_capacity = item->units_capacity == 0 ? 8 : item->units_capacity * 2;
        item->units = mem_realloc(item->units, item->units_capacity * sizeof(struct item_unit));
    }
    item->units[item->units_count++] =
        (struct item_unit){.page = page, .unit = unit, .is_fresh = is_fresh};
}

static void list_writes(struct explore_images *images, const struct sim_inode *inode)
{
    const struct sim_file *file = &inode->file;
    uint32_t first = images->items_count;

    for (uint64_t p = 0; p < file->pages_count; p++) {
        const struct sim_page *page = file->pages[p];
        for (uint32_t u = 0; page != NULL && u < SIM_PAGE_BYTES / file->unit_bytes; u++) {
            uint64_t end = p * SIM_PAGE_BYTES + (u + 1) * (uint64_t)file->unit_bytes;
            size_t at = (size_t)u * file->unit_bytes;
            if ((page->dirty & 1U << u) == 0)
                continue;
            if (memcmp(page->cached + at, page->durable + at, file->unit_bytes) == 0)
                continue;
            unit_add(write_of(images, first, inode->number, page->units[u].written), p, u,
                     end > file->durable_size);
        }
    }
}

static void size_option(struct explore_item *item, const struct sim_file *file, uint64_t size)
{
    if (size < file->size_floor)
        size = file->size_floor;
    for (uint32_t i = 0; i < item->options; i++)
        if (item->sizes[i] == size)
            return;
    item->sizes[item->options++] = size;
}

static void list_size(struct explore_images *images, const struct sim_inode *inode)
{
    const struct sim_file *file = &inode->file;
    uint64_t known = file->sizes_to - file->sizes_from;
    struct explore_item *item;

    if (!file->size_dirty || file->durable_size == file->cached_size)
        return;
    item = item_add(images, ITEM_SIZE, inode->number);
    item->options = 0;
    size_option(item, file, file->durable_size);
    for (uint64_t i = known > SIM_SIZES_MAX ? SIM_SIZES_MAX : known; i > 0; i--)
        size_option(item, file, file->sizes[(file->sizes_to - i) % SIM_SIZES_MAX]);
    size_option(item, file, file->cached_size);
}

static void list_items(struct explore_images *images)
{
    const struct sim_tree *tree = &images->disk->tree;

    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        const struct sim_inode *inode = tree->inodes[i];
        if (inode == NULL || inode->is_dir)
            continue;
        list_writes(images, inode);
        list_size(images, inode);
    }
    for (size_t i = 0; i < tree->changes_count; i++) {
        struct explore_item *item = item_add(images, ITEM_NAME, 0);
        item->change = i;
        item->options = sim_tree_fates(tree, i);
    }
}

/* ---- what is in flight */

/* In the cache, nothing of it durable; SDK-4. */
static void begin_write(struct explore_images *images, uint64_t inode,
                        const struct sim_disk_write *write)
{
    struct sim_disk *disk = images->disk;
    struct sim_file *file = &sim_tree_inode(&disk->tree, inode)->file;
    uint64_t pos = write->pos;

    for (uint32_t i = 0; i < write->vec_count; i++) {
        uint64_t end = pos + write->vec[i].iov_len;
        for (uint64_t p = pos / SIM_PAGE_BYTES; p * SIM_PAGE_BYTES < end; p++)
            if (p < file->pages_count && file->pages[p] != NULL && file->pages[p]->dirty != 0)
                images->writes_overlap = true;
        pos = end;
    }
    pos = write->pos;
    for (uint32_t i = 0; i < write->vec_count; i++) { /* one of several counts as some */
        sim_file_write(file, pos, write->vec[i].iov_base, write->vec[i].iov_len, 0,
                       &disk->image_prng, 0);
        pos += write->vec[i].iov_len;
    }
    if (images->flights_count < EXPLORE_FLIGHTS_MAX)
        images->flights[images->flights_count++] =
            (struct explore_flight){.inode = inode, .version = file->version};
}

static void begin_flights(struct explore_images *images, struct sim_process *process)
{
    for (uint32_t i = 0; i < process->ios_count; i++) {
        list_for_each(node, &process->ios[i]->ops)
        {
            struct sim_op *sop = container_of(node, struct sim_op, node);
            if (sop->ready)
                continue;
            if (sop->kind == SIM_OP_WRITE && sop->handle != NULL)
                begin_write(images, sop->handle->inode, &sop->write);
            else if (sop->kind == SIM_OP_UNLINK)
                (void)sim_disk_unlink(images->disk, sop->path);
        }
    }
}

uint64_t explore_image_signature(const struct sim_process *process)
{
    const struct sim_tree *tree = &process->disk->tree;
    uint64_t hash = XXH3_64bits(&tree->change_sequence, sizeof(tree->change_sequence));

    hash = XXH3_64bits_withSeed(&tree->changes_count, sizeof(tree->changes_count), hash);
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        const struct sim_file *file = tree->inodes[i] == NULL ? NULL : &tree->inodes[i]->file;
        uint64_t facts[4];
        if (file == NULL || tree->inodes[i]->is_dir)
            continue;
        facts[0] = file->version;
        facts[1] = file->durable_size;
        facts[2] = file->size_dirty;
        facts[3] = i;
        hash = XXH3_64bits_withSeed(facts, sizeof(facts), hash);
        for (uint64_t p = 0; p < file->pages_count; p++)
            if (file->pages[p] != NULL && file->pages[p]->dirty != 0)
                hash = XXH3_64bits_withSeed(file->pages[p]->units, sizeof(file->pages[p]->units),
                                            hash + file->pages[p]->dirty);
    }
    for (uint32_t i = 0; i < process->ios_count; i++) {
        list_for_each(node, &process->ios[i]->ops)
        {
            const struct sim_op *sop = container_of(node, struct sim_op, node);
            if (!sop->ready && (sop->kind == SIM_OP_WRITE || sop->kind == SIM_OP_UNLINK))
                hash = XXH3_64bits_withSeed(&sop->id, sizeof(sop->id), hash);
        }
    }
    return hash;
}

/* ---- images */

static struct explore_image *image_add(struct explore_images *images)
{
    struct explore_image *image;

    if (images->count == images->capacity) {
        images->capacity = images->capacity == 0 ? 64 : images->capacity * 2;
        images->images =
            mem_realloc(images->images, images->capacity * sizeof(struct explore_image));
    }
    image = &images->images[images->count++];
    *image = (struct explore_image){.torn = NO_ITEM,
                                    .choices = mem_alloc((size_t)images->items_count + 1)};
    return image;
}

static uint8_t newest(const struct explore_images *images, uint32_t i)
{
    const struct explore_item *item = &images->items[i];

    return item->kind == ITEM_NAME ? SIM_CHANGE_KEPT : (uint8_t)(item->options - 1);
}

/* All old, or all new. */
static struct explore_image *image_add_all(struct explore_images *images, bool is_new)
{
    struct explore_image *image = image_add(images);

    for (uint32_t i = 0; is_new && i < images->items_count; i++)
        image->choices[i] = newest(images, i);
    return image;
}

static void add_combinations(struct explore_images *images)
{
    const struct explore_image *last = image_add_all(images, false);
    uint32_t i;

    for (;;) {
        struct explore_image *image = image_add(images);
        last = &images->images[images->count - 2]; /* the array may have moved */
        memcpy(image->choices, last->choices, images->items_count);
        for (i = 0; i < images->items_count; i++) {
            if (++image->choices[i] < images->items[i].options)
                break;
            image->choices[i] = 0;
        }
        if (i < images->items_count)
            continue;
        mem_free(image->choices);
        images->count--;
        return;
    }
}

static void add_samples(struct explore_images *images, uint32_t samples)
{
    (void)image_add_all(images, false);
    (void)image_add_all(images, true);
    for (uint32_t i = 0; i < images->items_count; i++) {
        struct explore_image *image = image_add_all(images, false);
        image->choices[i] = newest(images, i);
        image = image_add_all(images, true);
        image->choices[i] = 0;
        for (uint32_t option = 1; option < images->items[i].options; option++) {
            if (option == newest(images, i))
                continue;
            image = image_add_all(images, true);
            image->choices[i] = (uint8_t)option;
        }
    }
    for (uint32_t s = 0; s < samples; s++) {
        struct explore_image *image = image_add(images);
        for (uint32_t i = 0; i < images->items_count; i++)
            image->choices[i] =
                (uint8_t)prng_below(&images->disk->image_prng, images->items[i].options);
    }
}

/* ---- tears */

static uint8_t *add_tear(struct explore_images *images, uint32_t item, bool rest_is_new,
                         enum unit_fate fate)
{
    struct explore_image *image = image_add_all(images, rest_is_new);

    image->torn = (int32_t)item;
    image->fates = mem_alloc(images->items[item].units_count);
    memset(image->fates, (int)fate, images->items[item].units_count);
    images->torn_count++;
    return image->fates;
}

/* Units before, at and behind the place. */
static void add_tears_at(struct explore_images *images, uint32_t item, bool rest_is_new,
                         uint32_t place)
{
    uint32_t count = images->items[item].units_count;

    add_tear(images, item, rest_is_new, UNIT_OLD)[place] = UNIT_NEW;
    add_tear(images, item, rest_is_new, UNIT_NEW)[place] = UNIT_OLD;
    if (place > 0) {
        memset(add_tear(images, item, rest_is_new, UNIT_NEW) + place, UNIT_OLD, count - place);
        memset(add_tear(images, item, rest_is_new, UNIT_OLD) + place, UNIT_NEW, count - place);
    }
}

static void add_garbage(struct explore_images *images, uint32_t item)
{
    const struct explore_item *torn = &images->items[item];
    uint8_t *fates;

    fates = add_tear(images, item, true, UNIT_NEW);
    fates[prng_below(&images->disk->image_prng, torn->units_count)] = UNIT_DAMAGED;
    if (!torn->units[torn->units_count - 1].is_fresh)
        return;
    fates = add_tear(images, item, true, UNIT_OLD);
    for (uint32_t u = 0; u < torn->units_count; u++)
        if (torn->units[u].is_fresh)
            fates[u] = UNIT_GARBAGE;
}

static void add_tears(struct explore_images *images, uint32_t item, bool rest_is_new,
                      const struct explore_options *options)
{
    uint32_t count = images->items[item].units_count;
    uint32_t places = images->items[item].is_in_flight ? options->tears : 1;

    if (count <= options->subset_units && images->items[item].is_in_flight) {
        for (uint32_t subset = 1; subset + 1 < 1U << count; subset++) {
            uint8_t *fates = add_tear(images, item, rest_is_new, UNIT_OLD);
            for (uint32_t u = 0; u < count; u++)
                if ((subset & 1U << u) != 0)
                    fates[u] = UNIT_NEW;
        }
        return;
    }
    for (uint32_t i = 0; i < places && i < count && count > 1; i++)
        add_tears_at(images, item, rest_is_new,
                     count <= places ? i
                     : places == 1   ? (uint32_t)prng_below(&images->disk->image_prng, count)
                                     : i * (count - 1) / (places - 1));
}

/* What is in flight; and some of what lies in the cache, others at each moment. */
static void add_all_tears(struct explore_images *images, const struct explore_options *options)
{
    uint32_t first = (uint32_t)prng_below(&images->disk->image_prng, images->items_count + 1);
    uint32_t cached = 0;

    for (uint32_t n = 0; n < images->items_count; n++) {
        uint32_t i = (first + n) % images->items_count;
        if (images->items[i].kind != ITEM_WRITE)
            continue;
        if (!images->items[i].is_in_flight && cached++ >= options->cached_torn)
            continue;
        add_garbage(images, i);
        add_tears(images, i, true, options);
        if (images->items[i].is_in_flight)
            add_tears(images, i, false, options);
    }
}

void explore_images_make(struct explore_images *images, struct sim_process *process, uint64_t inode,
                         const struct sim_disk_write *write, bool with_flights,
                         const struct explore_options *options)
{
    double combinations = 1;

    *images = (struct explore_images){.disk = process->disk};
    if (with_flights)
        begin_flights(images, process);
    if (with_flights && write != NULL)
        begin_write(images, inode, write);
    list_items(images);
    for (uint32_t i = 0; i < images->items_count; i++) {
        const struct explore_item *item = &images->items[i];
        combinations *= item->options;
        images->log2_all +=
            item->kind == ITEM_WRITE ? item->units_count : log2((double)item->options);
    }
    images->is_exhaustive = combinations <= options->combinations_max;
    if (images->is_exhaustive)
        add_combinations(images);
    else
        add_samples(images, options->samples);
    add_all_tears(images, options);
}

void explore_images_deinit(struct explore_images *images)
{
    for (uint32_t i = 0; i < images->items_count; i++)
        mem_free(images->items[i].units);
    for (uint32_t i = 0; i < images->count; i++) {
        mem_free(images->images[i].choices);
        mem_free(images->images[i].fates);
    }
    mem_free(images->items);
    mem_free(images->images);
    *images = (struct explore_images){0};
}

/* ---- the end of the process */

static void apply_unit(struct sim_disk *disk, struct sim_file *file, const struct item_unit *unit,
                       enum unit_fate fate)
{
    struct sim_page *page = file->pages[unit->page];
    size_t at = (size_t)unit->unit * file->unit_bytes;

    if (fate == UNIT_NEW || fate == UNIT_DAMAGED)
        memcpy(page->durable + at, page->cached + at, file->unit_bytes);
    if (fate == UNIT_GARBAGE)
        prng_fill(&disk->image_prng, page->durable + at, file->unit_bytes);
    if (fate == UNIT_DAMAGED)
        page->durable[at + prng_below(&disk->image_prng, file->unit_bytes)] ^=
            (uint8_t)(1 + prng_below(&disk->image_prng, 255));
}

void explore_images_apply(const struct explore_images *images, struct sim_process *process,
                          uint32_t index)
{
    const struct explore_image *image = &images->images[index];
    struct sim_disk *disk = images->disk;
    struct sim_tree *tree = &disk->tree;
    uint64_t *sizes = mem_alloc(tree->inodes_count * sizeof(uint64_t));
    uint8_t *fates = mem_alloc(tree->changes_count + 1);

    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++)
        if (tree->inodes[i] != NULL)
            sizes[i] = tree->inodes[i]->file.cached_size;
    for (uint32_t i = 0; i < images->items_count; i++) {
        const struct explore_item *item = &images->items[i];
        uint8_t choice = image->choices[i];
        if (item->kind == ITEM_NAME)
            fates[item->change] = choice;
        else if (item->kind == ITEM_SIZE)
            sizes[item->inode] = item->sizes[choice];
        else
            for (uint32_t u = 0; u < item->units_count; u++)
                apply_unit(disk, &sim_tree_inode(tree, item->inode)->file, &item->units[u],
                           image->torn == (int32_t)i ? image->fates[u] : choice);
    }
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++)
        if (tree->inodes[i] != NULL && !tree->inodes[i]->is_dir)
            sim_file_settle(&tree->inodes[i]->file, sizes[i]);
    sim_tree_settle(tree, fates);
    mem_free(sizes);
    mem_free(fates);
    disk->settled = true;
    sim_process_die(process, SIM_POWER_LOSS);
    disk->settled = false;
}

/* ---- for people */

static void print_name(const struct sim_tree *tree, uint64_t dir, uint64_t inode, char *path,
                       FILE *to)
{
    const struct sim_names *names = &sim_tree_inode(tree, dir)->cached;
    size_t used = strlen(path);

    for (size_t i = 0; i < names->count; i++) {
        snprintf(path + used, SIM_PATH_MAX - used, "/%s", names->items[i].name);
        if (names->items[i].inode == inode)
            fprintf(to, " %s", path);
        if (sim_tree_inode(tree, names->items[i].inode)->is_dir)
            print_name(tree, names->items[i].inode, inode, path, to);
        path[used] = '\0';
    }
}

void explore_images_print(const struct explore_images *images, uint32_t index, FILE *to)
{
    static const char marks[] = {[UNIT_OLD] = '-', '+', 'g', 'd'};
    const struct explore_image *image = &images->images[index];

    for (uint32_t i = 0; i < images->items_count; i++) {
        const struct explore_item *item = &images->items[i];
        char path[SIM_PATH_MAX] = "";
        fprintf(to, "    %u/%u", image->choices[i], item->options - 1);
        if (item->kind == ITEM_NAME) {
            fputs(" of name: ", to);
            sim_tree_print_change(&images->disk->tree, item->change, to);
        } else {
            print_name(&images->disk->tree, SIM_ROOT, item->inode, path, to);
            if (item->kind == ITEM_SIZE)
                fprintf(to, " of size: %" PRIu64, item->sizes[image->choices[i]]);
            else
                fprintf(to, " of write: page %" PRIu64 " unit %" PRIu32 ", %" PRIu32 " units ",
                        item->units[0].page, item->units[0].unit, item->units_count);
            for (uint32_t u = 0; image->torn == (int32_t)i && u < item->units_count; u++)
                fputc(marks[image->fates[u]], to);
        }
        fputc('\n', to);
    }
}
