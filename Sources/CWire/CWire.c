#include "CWire.h"

#include <stdlib.h>

enum { first_block_size = 64 << 10, block_size = 256 << 10 };

typedef struct wire_block {
  struct wire_block *previous;
  uint8_t bytes[] __attribute__((aligned(16)));
} wire_block;

static void *arena_alloc(void *data, size_t size) { return wire_arena_allocate(data, size); }
static void arena_free(void *data, void *pointer) { (void)data, (void)pointer; }

static _Thread_local wire_arena *own;

static wire_arena *create(void) {
  wire_arena *arena = malloc(sizeof *arena);
  uint8_t *first = malloc(first_block_size);
  if (!arena || !first) abort();
  *arena = (wire_arena){.allocator = {arena_alloc, arena_free, arena}, .first = first};
  return arena;
}

wire_arena *wire_arena_begin(size_t allowance) {
  if (!own) own = create();
  wire_arena *arena = own->is_in_use ? create() : own;
  arena->is_in_use = 1;
  arena->allowance = allowance;
  arena->next = arena->first;
  arena->end = arena->first + first_block_size;
  return arena;
}

void wire_arena_end(wire_arena *arena) {
  while (arena->blocks) {
    wire_block *previous = arena->blocks->previous;
    free(arena->blocks);
    arena->blocks = previous;
  }
  arena->is_in_use = 0;
  if (arena != own) {
    free(arena->first);
    free(arena);
  }
}

void *wire_arena_allocate_block(wire_arena *arena, size_t size) {
  size_t wanted = size > block_size ? size : block_size;
  if (wanted > arena->allowance) return NULL;
  wire_block *block = malloc(sizeof(wire_block) + wanted);
  if (!block) return NULL;
  arena->allowance -= wanted;
  block->previous = arena->blocks;
  arena->blocks = block;
  if (size < wanted) {
    arena->next = block->bytes + size;
    arena->end = block->bytes + wanted;
  }
  return block->bytes;
}
