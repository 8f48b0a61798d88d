import Basics

/// The highest timestamp at which keys of one range were read, so that no one-round commit lands below a read.
///
/// May answer too high, never too low: points share hashed slots, spans are a bounded list whose overflow raises a low-water
/// mark that holds for every key.
public struct ReadTimestampCache: Sendable {
  public static let maximumSlotCount = 1 << 16
  public static let maximumSpanCount = 1024
  static let initialSlotCount = 1 << 8

  private struct SpanRead: Sendable {
    var span: KeySpan
    var timestamp: Timestamp
  }

  /// Holds for every key.
  public private(set) var lowWater: Timestamp
  /// The highest timestamp of any read.
  public private(set) var highest: Timestamp
  private var slots: [UInt64] = []
  private var usedSlotCount = 0
  private var spans: [SpanRead] = []
  private var oldestSpan = 0

  public init(lowWater: Timestamp) {
    self.lowWater = lowWater
    highest = lowWater
  }

  public mutating func noteRead(of key: [UInt8], at timestamp: Timestamp) {
    if timestamp <= lowWater { return }
    if timestamp > highest { highest = timestamp }
    growIfCrowded()
    let slot = slotIndex(of: key)
    if slots[slot] == 0 { usedSlotCount += 1 }
    if slots[slot] < timestamp.rawValue { slots[slot] = timestamp.rawValue }
  }

  public mutating func noteRead(of span: KeySpan, at timestamp: Timestamp) {
    if timestamp <= lowWater { return }
    if timestamp > highest { highest = timestamp }
    if spans.count < Self.maximumSpanCount {
      if let last = spans.indices.last, spans[last].span == span {
        spans[last].timestamp = max(spans[last].timestamp, timestamp)
      } else {
        spans.append(SpanRead(span: span, timestamp: timestamp))
      }
      return
    }
    lowWater = max(lowWater, spans[oldestSpan].timestamp)
    spans[oldestSpan] = SpanRead(span: span, timestamp: timestamp)
    oldestSpan = (oldestSpan + 1) % Self.maximumSpanCount
  }

  /// A timestamp at or above every read of `key`. Spans at or below `floor` are not looked at, as they change nothing for
  /// a caller that compares with `floor`.
  public func highestRead(of key: [UInt8], above floor: Timestamp = .zero) -> Timestamp {
    var result = lowWater
    if !slots.isEmpty { result = max(result, Timestamp(rawValue: slots[slotIndex(of: key)])) }
    for read in spans where read.timestamp > result && read.timestamp > floor {
      if read.span.contains(key) { result = read.timestamp }
    }
    return result
  }

  /// Doubling copies: a slot's new twin holds the keys that hashed to the old one.
  private mutating func growIfCrowded() {
    if slots.isEmpty { slots = [UInt64](repeating: 0, count: Self.initialSlotCount) }
    guard usedSlotCount * 2 > slots.count, slots.count < Self.maximumSlotCount else { return }
    slots += slots
  }

  private func slotIndex(of key: [UInt8]) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in key { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    hash ^= hash >> 29
    return Int(truncatingIfNeeded: hash & UInt64(slots.count - 1))
  }
}
