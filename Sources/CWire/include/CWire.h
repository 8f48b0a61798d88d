#pragma once
// Messages of proto/ as protobuf-c sees them, and the arena they live in while Swift packs or unpacks one.

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "CWireDescriptors.h"

/// Memory that is given back all at once. `first` is kept for the next message; `next`…`end` is what is left of the
/// newest block.
typedef struct wire_arena {
  ProtobufCAllocator allocator;
  uint8_t *first;
  uint8_t *next;
  uint8_t *end;
  /// Bytes that may still be taken from the system: bounds what a small hostile message can expand to.
  size_t allowance;
  struct wire_block *blocks;
  int is_in_use;
} wire_arena;

/// The calling thread's arena, empty. `allowance`: bytes it may hold at most.
wire_arena *wire_arena_begin(size_t allowance);
void wire_arena_end(wire_arena *arena);

/// A new block; NULL when the allowance is used up.
void *wire_arena_allocate_block(wire_arena *arena, size_t size);

/// Aligned to 16 bytes, not zeroed; NULL when the allowance is used up.
static inline void *wire_arena_allocate(wire_arena *arena, size_t size) {
  if (size > SIZE_MAX - 15) return NULL;
  size_t rounded = (size + 15) & ~(size_t)15;
  if ((size_t)(arena->end - arena->next) < rounded) return wire_arena_allocate_block(arena, rounded);
  void *result = arena->next;
  arena->next += rounded;
  return result;
}
