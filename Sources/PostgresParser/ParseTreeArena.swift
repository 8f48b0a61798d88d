import CProtobufC
import Glibc

/// Memory of one syntax tree: handed out piece by piece, given back as a whole.
///
/// A statement of a mebibyte makes a tree of millions of small nodes. One by one they would leave the heap in shreds that
/// stay with the process; from here they go back to the system when the tree is converted. It is faster, too.
final class ParseTreeArena {
  /// Enough for an ordinary statement; from the heap, which is quicker than the system.
  private static let firstChunkBytes = 16 << 10
  private static let smallestMappedBytes = 256 << 10
  private static let largestMappedBytes = 4 << 20
  /// What `max_align_t` asks for.
  private static let alignment = 16

  private let first = UnsafeMutableRawBufferPointer.allocate(byteCount: firstChunkBytes, alignment: alignment)
  private var mapped: [UnsafeMutableRawBufferPointer] = []
  /// Bytes taken of the newest chunk.
  private var used = 0

  /// Calls `body` with the arena as protobuf-c's allocator; every node is gone when it returns.
  static func with<Result>(_ body: (UnsafeMutablePointer<ProtobufCAllocator>) -> Result) -> Result {
    let arena = ParseTreeArena()
    var allocator = ProtobufCAllocator(
      alloc: { data, size in
        guard let data else { return nil }
        return Unmanaged<ParseTreeArena>.fromOpaque(data).takeUnretainedValue().allocate(size)
      },
      free: { _, _ in },
      allocator_data: Unmanaged.passUnretained(arena).toOpaque())
    return withExtendedLifetime(arena) { body(&allocator) }
  }

  deinit {
    first.deallocate()
    for chunk in mapped { munmap(chunk.baseAddress, chunk.count) }
  }

  /// nil when the system has no more memory.
  private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    guard size <= Int.max - Self.alignment else { return nil }
    let needed = max(Self.alignment, (size + Self.alignment - 1) & ~(Self.alignment - 1))
    let newest = mapped.last ?? first
    if needed <= newest.count - used { return take(needed, of: newest) }
    let usual = min(Self.largestMappedBytes, Self.smallestMappedBytes << min(mapped.count, 8))
    let count = max(needed, usual)
    let base = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let base, base != MAP_FAILED else { return nil }
    let chunk = UnsafeMutableRawBufferPointer(start: base, count: count)
    mapped.append(chunk)
    used = 0
    return take(needed, of: chunk)
  }

  private func take(_ size: Int, of chunk: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawPointer? {
    defer { used += size }
    return chunk.baseAddress.map { $0 + used }
  }
}
