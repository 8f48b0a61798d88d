import Basics

/// Count and order-independent sum of 64-bit hashes of entries: what the row side and the index side of an index must
/// agree on before it is published. Guards against faults, not against forgery.
public struct EntryChecksum: Hashable, Sendable {
  public private(set) var count: UInt64
  public private(set) var sum: UInt64

  public init(count: UInt64 = 0, sum: UInt64 = 0) {
    self.count = count
    self.sum = sum
  }

  public mutating func add(key: Span<UInt8>, value: Span<UInt8>) {
    count &+= 1
    sum &+= Self.hash(key: key, value: value)
  }

  public mutating func merge(_ other: EntryChecksum) {
    count &+= other.count
    sum &+= other.sum
  }

  public static func hash(key: Span<UInt8>, value: Span<UInt8>) -> UInt64 {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    absorb(key, into: &state)
    absorb(value, into: &state)
    return mix(state)
  }

  private static func absorb(_ bytes: Span<UInt8>, into state: inout UInt64) {
    state = mix(state ^ UInt64(truncatingIfNeeded: bytes.count) &* 0xff51_afd7_ed55_8ccd)
    var position = 0
    while position &+ 8 <= bytes.count {
      var word: UInt64 = 0
      for index in 0..<8 { word |= UInt64(bytes[position &+ index]) &<< UInt64(8 &* index) }
      state = mix(state ^ word)
      position &+= 8
    }
    if position < bytes.count {
      var word: UInt64 = 0
      var shift: UInt64 = 0
      while position < bytes.count {
        word |= UInt64(bytes[position]) &<< shift
        shift &+= 8
        position &+= 1
      }
      state = mix(state ^ word)
    }
  }

  /// The finaliser of SplitMix64.
  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value &+ 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
