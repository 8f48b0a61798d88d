import Basics

/// Entries as a range sends them when it is asked for raw ones: (key length varint, key, value length varint, value)*.
package enum RawEntries {
  package typealias Entry = (key: [UInt8], value: [UInt8])

  package static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> [Entry] {
    var reader = ByteReader(bytes)
    var entries: [Entry] = []
    while !reader.isAtEnd {
      let key = Array(try reader.readBytes())
      entries.append((key, Array(try reader.readBytes())))
    }
    return entries
  }

  /// Lays own writes (nil: removed) over committed entries; both ascending by key.
  static func merge(_ committed: [Entry], _ own: [(key: [UInt8], value: [UInt8]?)]) -> [Entry] {
    var merged: [Entry] = []
    merged.reserveCapacity(committed.count + own.count)
    var position = 0
    for write in own {
      while position < committed.count, committed[position].key.lexicographicallyPrecedes(write.key) {
        merged.append(committed[position])
        position += 1
      }
      if position < committed.count, committed[position].key == write.key { position += 1 }
      if let value = write.value { merged.append((write.key, value)) }
    }
    merged.append(contentsOf: committed[position...])
    return merged
  }
}
