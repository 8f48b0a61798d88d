import Glibc

/// A key and its value in memory.
struct MemoryEntry: Sendable {
  var key: [UInt8]
  var value: [UInt8]
  /// Bit rot: a read of it fails as a block with a wrong checksum does.
  var isRotten = false
}

/// Keys in byte order as a value: a copy costs one reference, and a change made while copies are alive copies only the chunk
/// it touches and the list of chunks. So a snapshot is a copy, and an iterator holds one.
///
/// The entries lie in sorted chunks of at most 64; the first keys of the chunks ascend; no chunk is empty.
struct MemoryTable: Sendable {
  /// Where an entry lies. One past the last entry is `(chunks.count, 0)`.
  struct Position: Comparable {
    var chunk: Int
    var index: Int

    static func < (left: Position, right: Position) -> Bool {
      left.chunk != right.chunk ? left.chunk < right.chunk : left.index < right.index
    }
  }

  /// Changed in place only while no copy of the table shares it.
  private final class Chunk: @unchecked Sendable {
    var entries: [MemoryEntry]
    init(_ entries: [MemoryEntry]) { self.entries = entries }
  }

  private static let maximumChunkCount = 64
  /// Neighbours that together have no more than this become one.
  private static let mergedChunkCount = 32

  private var chunks: [Chunk] = []
  private(set) var count = 0

  // MARK: - Reading

  var start: Position { Position(chunk: 0, index: 0) }
  var end: Position { Position(chunk: chunks.count, index: 0) }

  subscript(position: Position) -> MemoryEntry { chunks[position.chunk].entries[position.index] }

  func entry(_ key: [UInt8]) -> MemoryEntry? {
    let position = lowerBound(key)
    guard position != end else { return nil }
    let entry = self[position]
    return entry.key == key ? entry : nil
  }

  /// The first entry whose key is not below `key`.
  func lowerBound(_ key: [UInt8]) -> Position {
    guard let chunk = chunkHolding(key) else { return start }
    return canonical(chunk, Self.firstIndex(in: chunks[chunk].entries, notBelow: key))
  }

  /// The first entry whose key is above `key`.
  func upperBound(_ key: [UInt8]) -> Position {
    let position = lowerBound(key)
    return position != end && self[position].key == key ? after(position) : position
  }

  func after(_ position: Position) -> Position { canonical(position.chunk, position.index + 1) }

  /// The entry before; the position must be above `start`.
  func before(_ position: Position) -> Position {
    position.index > 0
      ? Position(chunk: position.chunk, index: position.index - 1)
      : Position(chunk: position.chunk - 1, index: chunks[position.chunk - 1].entries.count - 1)
  }

  /// The entry of a rank counted from 0; the rank must be below `count`.
  func entry(at rank: Int) -> MemoryEntry {
    var rest = rank
    for chunk in chunks {
      if rest < chunk.entries.count { return chunk.entries[rest] }
      rest -= chunk.entries.count
    }
    preconditionFailure("rank \(rank) of \(count) entries")
  }

  /// The entries of `lower ≤ position < upper` in order.
  func entries(from lower: Position, to upper: Position) -> [MemoryEntry] {
    var result: [MemoryEntry] = []
    var position = lower
    while position < upper {
      result.append(self[position])
      position = after(position)
    }
    return result
  }

  // MARK: - Changing

  /// Puts an entry and answers the one it replaces.
  @discardableResult
  mutating func put(_ entry: MemoryEntry) -> MemoryEntry? {
    guard let chunk = chunkHolding(entry.key) else {
      if chunks.isEmpty { chunks.append(Chunk([])) }
      insert(entry, 0, 0)
      return nil
    }
    let index = Self.firstIndex(in: chunks[chunk].entries, notBelow: entry.key)
    if index < chunks[chunk].entries.count, chunks[chunk].entries[index].key == entry.key {
      own(chunk)
      let old = chunks[chunk].entries[index]
      chunks[chunk].entries[index] = entry
      return old
    }
    insert(entry, chunk, index)
    return nil
  }

  /// Removes a key and answers its entry.
  @discardableResult
  mutating func remove(_ key: [UInt8]) -> MemoryEntry? {
    guard let chunk = chunkHolding(key) else { return nil }
    let index = Self.firstIndex(in: chunks[chunk].entries, notBelow: key)
    guard index < chunks[chunk].entries.count, chunks[chunk].entries[index].key == key else { return nil }
    own(chunk)
    let old = chunks[chunk].entries.remove(at: index)
    count -= 1
    tidy(chunk)
    return old
  }

  /// Removes `lower ≤ key < upper` and answers what was there, in order.
  mutating func removeRange(from lower: [UInt8], to upper: [UInt8]) -> [MemoryEntry] {
    let (first, last) = (lowerBound(lower), lowerBound(upper))
    guard first < last else { return [] }
    let removed = entries(from: first, to: last)
    count -= removed.count
    if first.chunk == last.chunk {
      own(first.chunk)
      chunks[first.chunk].entries.removeSubrange(first.index..<last.index)
    } else {
      if last.index > 0 {
        own(last.chunk)
        chunks[last.chunk].entries.removeFirst(last.index)
      }
      if first.index > 0 {
        own(first.chunk)
        chunks[first.chunk].entries.removeSubrange(first.index...)
      }
      chunks.removeSubrange((first.index > 0 ? first.chunk + 1 : first.chunk)..<last.chunk)
    }
    tidy(first.chunk)
    return removed
  }

  /// Changes an entry that is there; answers whether it is.
  mutating func update(_ key: [UInt8], _ change: (inout MemoryEntry) -> Void) -> Bool {
    let position = lowerBound(key)
    guard position != end, self[position].key == key else { return false }
    own(position.chunk)
    change(&chunks[position.chunk].entries[position.index])
    return true
  }

  // MARK: - Chunks

  /// The last chunk that begins at or below `key`; nil when all begin above it.
  private func chunkHolding(_ key: [UInt8]) -> Int? {
    var (low, high) = (0, chunks.count)
    while low < high {
      let middle = (low + high) / 2
      if isBelow(key, chunks[middle].entries[0].key) { high = middle } else { low = middle + 1 }
    }
    return low == 0 ? nil : low - 1
  }

  private static func firstIndex(in entries: [MemoryEntry], notBelow key: [UInt8]) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if isBelow(entries[middle].key, key) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func canonical(_ chunk: Int, _ index: Int) -> Position {
    index < chunks[chunk].entries.count ? Position(chunk: chunk, index: index) : Position(chunk: chunk + 1, index: 0)
  }

  private mutating func own(_ chunk: Int) {
    if !isKnownUniquelyReferenced(&chunks[chunk]) { chunks[chunk] = Chunk(chunks[chunk].entries) }
  }

  private mutating func insert(_ entry: MemoryEntry, _ chunk: Int, _ index: Int) {
    own(chunk)
    chunks[chunk].entries.insert(entry, at: index)
    count += 1
    let length = chunks[chunk].entries.count
    guard length > Self.maximumChunkCount else { return }
    // Keys that arrive in order leave full chunks behind.
    let middle = index == length - 1 ? length - 1 : length / 2
    let upper = Chunk(Array(chunks[chunk].entries[middle...]))
    chunks[chunk].entries.removeSubrange(middle...)
    chunks.insert(upper, at: chunk + 1)
  }

  /// After entries of a chunk (or of its neighbourhood) went: no empty chunk stays, and small ones join the next.
  private mutating func tidy(_ chunk: Int) {
    if chunk < chunks.count, chunks[chunk].entries.isEmpty { chunks.remove(at: chunk) }
    guard chunk + 1 < chunks.count,
      chunks[chunk].entries.count + chunks[chunk + 1].entries.count <= Self.mergedChunkCount
    else { return }
    own(chunk)
    chunks[chunk].entries += chunks[chunk + 1].entries
    chunks.remove(at: chunk + 1)
  }
}

/// Byte order.
func isBelow(_ left: [UInt8], _ right: [UInt8]) -> Bool {
  left.withUnsafeBytes { left in
    right.withUnsafeBytes { right in
      let common = min(left.count, right.count)
      if common > 0, let first = left.baseAddress, let second = right.baseAddress {
        let order = memcmp(first, second, common)
        if order != 0 { return order < 0 }
      }
      return left.count < right.count
    }
  }
}
