import CRocksDB
import Glibc

/// C strings for the length of `body`.
func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  let copies = strings.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return copies.map { UnsafePointer($0) }.withUnsafeBufferPointer(body)
}

/// The bytes of many arrays as C wants them, for the length of `body`. They are packed into one buffer: an array's own
/// storage may not be pointed at outside of its `withUnsafeBytes`.
func withPointers(
  _ keys: [[UInt8]], _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int>?) -> Void
) {
  let packed = UnsafeMutableRawBufferPointer.allocate(byteCount: keys.reduce(1) { $0 + $1.count }, alignment: 1)
  defer { packed.deallocate() }
  var pointers: [UnsafePointer<CChar>?] = []
  pointers.reserveCapacity(keys.count)
  var offset = 0
  for key in keys {
    let target = UnsafeMutableRawBufferPointer(rebasing: packed[offset..<offset + key.count])
    target.copyBytes(from: key)
    pointers.append(charPointer(UnsafeRawBufferPointer(rebasing: packed[offset...])))
    offset += key.count
  }
  body(pointers, keys.map(\.count))
}

func charPointer(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<CChar>? {
  bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
}

func pinnedBytes(_ pinned: OpaquePointer) -> UnsafeRawBufferPointer {
  var length = 0
  let start = rocksdb_pinnableslice_value(pinned, &length)
  return UnsafeRawBufferPointer(start: start, count: length)
}
