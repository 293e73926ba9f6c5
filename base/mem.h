/* mem: the one door to the heap.
 *
 * Everything is counted, so that a test can ask for leaks and the broker can report what it
 * holds.  Any thread may call.  Sizes that come from the wire or the disk go through
 * mem_try_alloc after their own limit was checked; sizes that we chose may use mem_alloc, which
 * stops the process when the kernel refuses. */
#ifndef LEVEE_BASE_MEM_H
#define LEVEE_BASE_MEM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* size_bytes of zeroed memory, aligned for any type; size 0 gives a unique pointer.  NULL when
 * refused (also by mem_fail_after). */
must_use void *mem_try_alloc(size_t size_bytes);

/* As mem_try_alloc, but never NULL: a refusal ends the process with a message. */
must_use void *mem_alloc(size_t size_bytes);

/* Resize, keeping the content (new bytes are not zeroed); memory may be NULL.  Never NULL. */
must_use void *mem_realloc(void *memory, size_t size_bytes);

/* As mem_realloc, but NULL when refused: memory is then as it was, and still the caller's. */
must_use void *mem_try_realloc(void *memory, size_t size_bytes);

/* size_bytes at an address that is a multiple of align_bytes (a power of two); not zeroed.
 * Release with mem_free. */
must_use void *mem_try_alloc_aligned(size_t align_bytes, size_t size_bytes);

/* A mapping of size_bytes of zeroed pages, which cost memory when they are first touched, each for
 * itself: where huge pages are on for everybody, the kernel would make one of a single touched
 * page, and again of what mem_forget gave back (transhuge.rst, khugepaged).  It counts as a block
 * without bytes.  NULL when the kernel refuses. */
must_use void *mem_try_map(size_t size_bytes);
void mem_unmap(void *memory, size_t size_bytes);

/* The next thing that happens to these whole pages of a mapping is that they are written: take all
 * of them at once, where the kernel can (5.14). */
void mem_populate(void *pages, size_t size_bytes);

/* Give whole pages of a mapping back to the system; touched again, they are zeroed.  False: the
 * system leaves them to us. */
bool mem_forget(void *pages, size_t size_bytes);

/* For who hands out memory that he has already: is this allocation to be refused, as mem_try_alloc
 * would (mem_fail_after, the simulator)? */
must_use bool mem_is_refused(void);

/* A copy of a NUL-terminated text.  Never NULL. */
must_use char *mem_strdup(const char *text);

/* A NUL-terminated copy of size_bytes of text.  Never NULL. */
must_use char *mem_strndup(const char *text, size_t size_bytes);

/* The same two, but NULL when refused, as mem_try_alloc. */
must_use char *mem_try_strdup(const char *text);
must_use char *mem_try_strndup(const char *text, size_t size_bytes);

/* NULL is allowed. */
void mem_free(void *memory);

/* Bytes now handed out (as the allocator rounds them), all threads together. */
uint64_t mem_used_bytes(void);

/* Blocks now handed out, all threads together. */
uint64_t mem_used_count(void);

/* Test only: let the n-th following mem_try_* return NULL once (0 switches this off). */
void mem_fail_after(uint64_t n);

/* Test only: let the n-th following mem_try_* and all behind it return NULL (0 switches this off).
 */
void mem_end_after(uint64_t n);

#endif
