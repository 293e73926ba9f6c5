/* sim_heap: the blocks of memory that a simulated program holds, so that they can be given back
 * when it is dead.
 *
 * A killed process never takes its objects down: requests in work point at each other, and no order
 * of it is true.  So the blocks of base/mem that a program takes while it runs are kept account of;
 * at its death those that nobody can find any more were lost by the program (a leak; told where the
 * build has a leak sanitizer), and all of them are freed.  After an orderly end none may be left.
 *
 * One at a time; no other threads.  What the simulator itself takes while a program calls it is the
 * world's: it asks by sim_heap_own_*. */
#ifndef LEVEE_TESTS_SIM_HEAP_H
#define LEVEE_TESTS_SIM_HEAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_heap_block {
    void *memory; /* NULL: free */
    size_t map_bytes;
};

struct sim_heap {
    bool (*is_running)(void *context); /* the program, just now */
    void *context;
    bool is_kept; /* false in releases: no account is kept, and what a crash leaves stays */
    struct sim_heap_block *blocks; /* an open hash table */
    size_t capacity;               /* a power of two */
    size_t count;
};

/* From now on, until sim_heap_end, which gives back what is left. */
void sim_heap_begin(struct sim_heap *heap, bool (*is_running)(void *context), void *context);
void sim_heap_end(struct sim_heap *heap);

/* Does the program hold that one? */
bool sim_heap_has(const struct sim_heap *heap, const void *memory);

/* The program has not run yet to its end: are there blocks that nothing points at?  Looks from all
 * of this process's memory; false where there is no leak sanitizer. */
bool sim_heap_leaks(const struct sim_heap *heap);

/* Give all of them back; how many there were. */
uint64_t sim_heap_release(struct sim_heap *heap);

/* As those of base/mem: blocks of the simulator. */
must_use void *sim_heap_own_alloc(size_t size_bytes);
must_use void *sim_heap_own_realloc(void *memory, size_t size_bytes);
must_use char *sim_heap_own_strdup(const char *text);

#endif
