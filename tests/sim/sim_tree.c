#include "tests/sim/sim_tree.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <errno.h>
#include <string.h>

enum { COLLECT_AFTER = 32 };

enum change_kind { CHANGE_LINK, CHANGE_UNLINK, CHANGE_RENAME };

struct sim_change {
    uint64_t sequence;
    enum change_kind kind;
    uint64_t inode;
    uint64_t dir;
    uint64_t to_dir; /* of a rename */
    char *name;
    char *to_name; /* of a rename */
};

static uint64_t inode_add(struct sim_tree *tree, bool is_dir)
{
    struct sim_inode *inode = sim_heap_own_alloc(sizeof(*inode));

    if (tree->inodes_count == tree->inodes_capacity) {
        tree->inodes_capacity = tree->inodes_capacity == 0 ? 64 : tree->inodes_capacity * 2;
        tree->inodes =
            sim_heap_own_realloc(tree->inodes, tree->inodes_capacity * sizeof(struct sim_inode *));
    }
    inode->number = tree->inodes_count;
    inode->is_dir = is_dir;
    sim_file_init(&inode->file, tree->unit_bytes);
    tree->inodes[tree->inodes_count++] = inode;
    return inode->number;
}

static void inode_free(struct sim_inode *inode)
{
    if (inode == NULL)
        return;
    sim_file_deinit(&inode->file);
    sim_names_deinit(&inode->cached);
    sim_names_deinit(&inode->durable);
    mem_free(inode);
}

void sim_tree_init(struct sim_tree *tree, uint32_t unit_bytes)
{
    *tree = (struct sim_tree){.unit_bytes = unit_bytes};
    (void)inode_add(tree, false); /* number 0 means none */
    check(inode_add(tree, true) == SIM_ROOT);
}

static void change_free(struct sim_change *change)
{
    mem_free(change->name);
    mem_free(change->to_name);
}

void sim_tree_deinit(struct sim_tree *tree)
{
    for (size_t i = 0; i < tree->changes_count; i++)
        change_free(&tree->changes[i]);
    mem_free(tree->changes);
    for (uint64_t i = 0; i < tree->inodes_count; i++)
        inode_free(tree->inodes[i]);
    mem_free(tree->inodes);
    *tree = (struct sim_tree){0};
}

struct sim_inode *sim_tree_inode_or_null(const struct sim_tree *tree, uint64_t number)
{
    return number < tree->inodes_count ? tree->inodes[number] : NULL;
}

struct sim_inode *sim_tree_inode(const struct sim_tree *tree, uint64_t number)
{
    struct sim_inode *inode = sim_tree_inode_or_null(tree, number);

    check(inode != NULL);
    return inode;
}

static const struct sim_names *names_of(const struct sim_inode *dir, enum sim_view view)
{
    return view == SIM_DURABLE ? &dir->durable : &dir->cached;
}

int sim_tree_look(const struct sim_tree *tree, enum sim_view view, const char *path,
                  struct sim_place *out)
{
    struct sim_place place = {.dir = SIM_ROOT, .inode = SIM_ROOT};

    for (;;) {
        const struct sim_inode *here = sim_tree_inode_or_null(tree, place.inode);
        size_t size;
        while (*path == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0')))
            path++;
        if (*path == '\0')
            break;
        if (here == NULL || place.inode == 0)
            return -ENOENT;
        if (!here->is_dir)
            return -ENOTDIR;
        size = strcspn(path, "/");
        if (size > SIM_NAME_MAX)
            return -ENAMETOOLONG;
        place.dir = place.inode;
        memcpy(place.name, path, size);
        place.name[size] = '\0';
        place.inode = sim_names_find(names_of(here, view), path, size);
        path += size;
    }
    *out = place;
    return 0;
}

static struct sim_change *change_add(struct sim_tree *tree, enum change_kind kind,
                                     const struct sim_place *place, uint64_t inode)
{
    struct sim_change *change;

    if (tree->changes_count == tree->changes_capacity) {
        tree->changes_capacity = tree->changes_capacity == 0 ? 16 : tree->changes_capacity * 2;
        tree->changes =
            sim_heap_own_realloc(tree->changes, tree->changes_capacity * sizeof(struct sim_change));
    }
    change = &tree->changes[tree->changes_count++];
    *change = (struct sim_change){.sequence = ++tree->change_sequence,
                                  .kind = kind,
                                  .inode = inode,
                                  .dir = place->dir,
                                  .name = sim_heap_own_strdup(place->name)};
    return change;
}

uint64_t sim_tree_create(struct sim_tree *tree, const struct sim_place *place, bool is_dir)
{
    uint64_t inode = inode_add(tree, is_dir);

    check(place->inode == 0);
    sim_names_set(&sim_tree_inode(tree, place->dir)->cached, place->name, inode);
    sim_tree_inode(tree, inode)->has_name = true;
    change_add(tree, CHANGE_LINK, place, inode);
    return inode;
}

void sim_tree_unlink(struct sim_tree *tree, const struct sim_place *place)
{
    check(place->inode != 0);
    sim_names_remove(&sim_tree_inode(tree, place->dir)->cached, place->name, place->inode);
    sim_tree_inode(tree, place->inode)->has_name = false;
    change_add(tree, CHANGE_UNLINK, place, place->inode);
    tree->orphan_count++;
}

void sim_tree_rename(struct sim_tree *tree, const struct sim_place *from,
                     const struct sim_place *to)
{
    struct sim_change *change;

    check(from->inode != 0);
    if (from->inode == to->inode)
        return;
    sim_names_remove(&sim_tree_inode(tree, from->dir)->cached, from->name, from->inode);
    sim_names_set(&sim_tree_inode(tree, to->dir)->cached, to->name, from->inode);
    change = change_add(tree, CHANGE_RENAME, from, from->inode);
    change->to_dir = to->dir;
    change->to_name = sim_heap_own_strdup(to->name);
    if (to->inode != 0) {
        sim_tree_inode(tree, to->inode)->has_name = false;
        tree->orphan_count++;
    }
}

/* Take away the old name of a rename.  A directory never has two: when an earlier rename of it is
 * lost and this one is not, the name before that goes too. */
static void leave_old_name(struct sim_names *names, const struct sim_change *change, bool is_dir)
{
    sim_names_remove(names, change->name, change->inode);
    for (size_t i = 0; is_dir && i < names->count; i++) {
        if (names->items[i].inode == change->inode) {
            sim_names_remove(names, names->items[i].name, change->inode);
            return;
        }
    }
}

/* keep_old: the old name of a file stays beside the new one. */
static void change_apply(struct sim_tree *tree, const struct sim_change *change, bool keep_old)
{
    struct sim_names *names = &sim_tree_inode(tree, change->dir)->durable;
    bool is_dir;

    switch (change->kind) {
    case CHANGE_LINK:
        sim_names_set(names, change->name, change->inode);
        break;
    case CHANGE_UNLINK:
        sim_names_remove(names, change->name, change->inode);
        break;
    case CHANGE_RENAME:
        is_dir = sim_tree_inode(tree, change->inode)->is_dir;
        if (is_dir || !keep_old)
            leave_old_name(names, change, is_dir);
        sim_names_set(&sim_tree_inode(tree, change->to_dir)->durable, change->to_name,
                      change->inode);
        break;
    }
}

/* Apply the changes that chosen() picks and forget them. */
static void changes_apply(struct sim_tree *tree,
                          bool (*chosen)(const struct sim_change *change, void *context),
                          void *context)
{
    size_t kept = 0;

    for (size_t i = 0; i < tree->changes_count; i++) {
        struct sim_change *change = &tree->changes[i];
        if (chosen(change, context)) {
            change_apply(tree, change, false);
            change_free(change);
        } else {
            tree->changes[kept++] = *change;
        }
    }
    tree->changes_count = kept;
}

static bool touches_dir(const struct sim_change *change, void *context)
{
    uint64_t dir = *(const uint64_t *)context;

    return change->dir == dir || (change->kind == CHANGE_RENAME && change->to_dir == dir);
}

void sim_tree_persist_dir(struct sim_tree *tree, uint64_t dir)
{
    changes_apply(tree, touches_dir, &dir);
    sim_tree_collect(tree);
}

static bool is_not_after(const struct sim_change *change, void *context)
{
    return change->sequence <= *(const uint64_t *)context;
}

void sim_tree_persist_until(struct sim_tree *tree, uint64_t sequence)
{
    changes_apply(tree, is_not_after, &sequence);
    sim_tree_collect(tree);
}

void sim_tree_persist_some(struct sim_tree *tree, uint64_t sequence, struct prng *prng)
{
    /* a journal commits in order: a prefix; the other subsets come from sim_tree_lose_power */
    sim_tree_persist_until(tree, prng_below(prng, sequence + 1));
}

static void lose_changes(struct sim_tree *tree, struct prng *prng, struct sim_stats *stats)
{
    static const uint8_t odds[] = {0, 8, 15, 16};
    uint64_t kind = prng_below(prng, array_count(odds) + 1);
    uint64_t prefix = prng_below(prng, tree->changes_count + 1);

    for (size_t i = 0; i < tree->changes_count; i++) {
        struct sim_change *change = &tree->changes[i];
        bool keep = kind < array_count(odds) ? prng_chance(prng, odds[kind], 16) : i < prefix;
        if (keep) {
            change_apply(tree, change, prng_chance(prng, 1, 8));
            stats->names_kept++;
        } else {
            stats->names_lost++;
        }
        change_free(change);
    }
    tree->changes_count = 0;
}

uint32_t sim_tree_fates(const struct sim_tree *tree, size_t change_index)
{
    const struct sim_change *change = &tree->changes[change_index];

    if (change->kind == CHANGE_RENAME && !sim_tree_inode(tree, change->inode)->is_dir)
        return SIM_CHANGE_FATE_COUNT;
    return SIM_CHANGE_KEPT_WITH_OLD;
}

void sim_tree_print_change(const struct sim_tree *tree, size_t change_index, FILE *to)
{
    static const char *const kinds[] = {"link", "unlink", "rename"};
    const struct sim_change *change = &tree->changes[change_index];

    fprintf(to, "%s %s%s%s", kinds[change->kind], change->name,
            change->to_name != NULL ? " to " : "", change->to_name != NULL ? change->to_name : "");
}

/* The durable names are all there is from now on. */
static void names_settle(struct sim_tree *tree)
{
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        struct sim_inode *inode = tree->inodes[i];
        if (inode == NULL)
            continue;
        inode->locked_by = 0;
        if (inode->is_dir)
            sim_names_copy(&inode->cached, &inode->durable);
    }
    tree->orphan_count = COLLECT_AFTER;
    sim_tree_collect(tree);
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        if (tree->inodes[i] != NULL)
            tree->inodes[i]->has_name = true; /* the others are gone */
    }
}

void sim_tree_settle(struct sim_tree *tree, const uint8_t *fates)
{
    for (size_t i = 0; i < tree->changes_count; i++) {
        if (fates[i] != SIM_CHANGE_LOST)
            change_apply(tree, &tree->changes[i], fates[i] == SIM_CHANGE_KEPT_WITH_OLD);
        change_free(&tree->changes[i]);
    }
    tree->changes_count = 0;
    names_settle(tree);
}

void sim_tree_lose_power(struct sim_tree *tree, const struct sim_loss *loss, struct prng *prng,
                         struct sim_stats *stats)
{
    lose_changes(tree, prng, stats);
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        struct sim_inode *inode = tree->inodes[i];
        if (inode == NULL)
            continue;
        if (!inode->is_dir)
            sim_file_lose_power(&inode->file, loss, prng, stats);
    }
    names_settle(tree);
}

struct marks {
    bool *seen;
    uint64_t *stack;
    uint64_t depth;
};

static void mark(struct marks *marks, uint64_t inode)
{
    if (!marks->seen[inode]) {
        marks->seen[inode] = true;
        marks->stack[marks->depth++] = inode;
    }
}

static void mark_reachable(struct sim_tree *tree, struct marks *marks)
{
    mark(marks, SIM_ROOT);
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        if (tree->inodes[i] != NULL && tree->inodes[i]->open_count > 0)
            mark(marks, i);
    }
    for (size_t i = 0; i < tree->changes_count; i++) {
        mark(marks, tree->changes[i].inode);
        mark(marks, tree->changes[i].dir);
        if (tree->changes[i].kind == CHANGE_RENAME)
            mark(marks, tree->changes[i].to_dir);
    }
    while (marks->depth > 0) {
        const struct sim_inode *dir = tree->inodes[marks->stack[--marks->depth]];
        for (size_t i = 0; i < dir->cached.count; i++)
            mark(marks, dir->cached.items[i].inode);
        for (size_t i = 0; i < dir->durable.count; i++)
            mark(marks, dir->durable.items[i].inode);
    }
}

void sim_tree_collect(struct sim_tree *tree)
{
    struct marks marks;

    if (tree->pinned || tree->orphan_count < COLLECT_AFTER)
        return;
    tree->orphan_count = 0;
    marks = (struct marks){.seen = sim_heap_own_alloc(tree->inodes_count * sizeof(bool)),
                           .stack = sim_heap_own_alloc(tree->inodes_count * sizeof(uint64_t))};
    mark_reachable(tree, &marks);
    for (uint64_t i = SIM_ROOT; i < tree->inodes_count; i++) {
        if (!marks.seen[i]) {
            inode_free(tree->inodes[i]);
            tree->inodes[i] = NULL;
        }
    }
    mem_free(marks.seen);
    mem_free(marks.stack);
}
