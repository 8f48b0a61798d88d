/// Counts durations in buckets that grow by about 3 %, from one microsecond to about an hour: 1,024 counters whatever is
/// recorded.
struct LatencyHistogram: Sendable {
  private static let bucketsPerOctave = 32
  private var counts = [UInt64](repeating: 0, count: 32 * 32)
  private(set) var count: UInt64 = 0

  mutating func record(microseconds: UInt64) {
    counts[Self.bucket(microseconds)] += 1
    count += 1
  }

  mutating func merge(_ other: LatencyHistogram) {
    for index in counts.indices { counts[index] += other.counts[index] }
    count += other.count
  }

  /// The duration in microseconds that `fraction` of the records do not exceed; nil when there is none.
  func quantile(_ fraction: Double) -> UInt64? {
    guard count > 0 else { return nil }
    let wanted = max(1, UInt64((Double(count) * fraction).rounded(.up)))
    var seen: UInt64 = 0
    for (index, bucket) in counts.enumerated() {
      seen += bucket
      if seen >= wanted { return Self.upperBound(index) }
    }
    return nil
  }

  private static func bucket(_ value: UInt64) -> Int {
    let value = max(1, value)
    let octave = 63 - value.leadingZeroBitCount
    let within = octave >= 5 ? Int((value >> UInt64(octave - 5)) & 31) : Int((value << UInt64(5 - octave)) & 31)
    return min(octave * bucketsPerOctave + within, 32 * 32 - 1)
  }

  private static func upperBound(_ bucket: Int) -> UInt64 {
    let octave = UInt64(bucket / bucketsPerOctave)
    let within = UInt64(bucket % bucketsPerOctave) + 33
    return octave >= 5 ? (within << (octave - 5)) - 1 : max(1, (within - 1) >> (5 - octave))
  }

  /// Such as "0.84 ms".
  static func text(_ microseconds: UInt64?) -> String {
    guard let microseconds else { return "–" }
    return "\(decimals(Double(microseconds) / 1_000, 2)) ms"
  }

  /// A number with a fixed count of decimals.
  static func decimals(_ value: Double, _ count: Int) -> String {
    let scale = (0..<count).reduce(1.0) { factor, _ in factor * 10 }
    let scaled = (value * scale).rounded()
    guard scaled.magnitude < 1e15 else { return "\(value)" }
    let whole = Int(scaled.magnitude)
    let sign = value < 0 && whole > 0 ? "-" : ""
    if count == 0 { return sign + String(whole) }
    let digits = String(whole)
    let padded = String(repeating: "0", count: max(0, count + 1 - digits.count)) + digits
    return sign + padded.dropLast(count) + "." + padded.suffix(count)
  }
}
