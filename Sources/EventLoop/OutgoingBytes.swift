import Glibc

/// Bytes on their way to a socket, in blocks that do not move, so that the kernel can take them by `writev`.
struct OutgoingBytes {
  static let blockSize = 64 << 10

  struct Block {
    let base: UnsafeMutableRawPointer
    let capacity: Int
    var start: Int
    var end: Int
  }

  private(set) var blocks: [Block] = []
  private(set) var count = 0

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    var taken = 0
    count += bytes.count
    if let last = blocks.indices.last {
      let room = min(blocks[last].capacity - blocks[last].end, bytes.count)
      (blocks[last].base + blocks[last].end).copyMemory(from: source, byteCount: room)
      blocks[last].end += room
      taken = room
    }
    if taken < bytes.count {
      let rest = bytes.count - taken
      let capacity = max(rest, Self.blockSize)
      let base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
      base.copyMemory(from: source + taken, byteCount: rest)
      blocks.append(Block(base: base, capacity: capacity, start: 0, end: rest))
    }
  }

  /// Forgets the first `amount` bytes.
  mutating func removeFirst(_ amount: Int) {
    count -= amount
    if count == 0, blocks.count == 1, blocks[0].capacity == Self.blockSize {
      blocks[0].start = 0
      blocks[0].end = 0
      return
    }
    var rest = amount
    var whole = 0
    while whole < blocks.count, rest >= blocks[whole].end - blocks[whole].start {
      rest -= blocks[whole].end - blocks[whole].start
      blocks[whole].base.deallocate()
      whole += 1
    }
    blocks.removeFirst(whole)
    if rest > 0 { blocks[0].start += rest }
  }

  mutating func deallocate() {
    for block in blocks { block.base.deallocate() }
    blocks = []
    count = 0
  }
}
