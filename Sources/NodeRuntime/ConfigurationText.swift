import EventLoop

/// The forms of values in flags and configuration files.
enum ConfigurationText {
  static func trimmed(_ text: some StringProtocol) -> String {
    func isSpace(_ character: Character) -> Bool { character == " " || character == "\t" || character == "\r" }
    let head = text.drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(head[...last])
  }

  static func duration(_ text: String) -> Duration? {
    let units: [(String, Int64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("", 1)]
    return scaled(text, units).map { .milliseconds($0) }
  }

  static func duration(_ value: Duration) -> String {
    let milliseconds = value.wholeMilliseconds
    if milliseconds > 0, milliseconds % 60_000 == 0 { return "\(milliseconds / 60_000)m" }
    if milliseconds > 0, milliseconds % 1000 == 0 { return "\(milliseconds / 1000)s" }
    return "\(milliseconds)ms"
  }

  private static let byteUnits: [(String, Int64)] = [
    ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("", 1),
  ]

  static func bytes(_ text: String) -> Int? { scaled(text, byteUnits).flatMap { Int(exactly: $0) } }

  static func bytes(_ value: Int) -> String {
    for (unit, factor) in byteUnits where value > 0 && factor > 1 && Int64(value) % factor == 0 {
      return "\(Int64(value) / factor)\(unit)"
    }
    return "\(value)"
  }

  /// A number with one of the units, which are tried in order.
  private static func scaled(_ text: String, _ units: [(String, Int64)]) -> Int64? {
    for (unit, factor) in units where text.hasSuffix(unit) {
      guard let number = Int64(trimmed(text.dropLast(unit.count))), number >= 0 else { continue }
      let (product, overflow) = number.multipliedReportingOverflow(by: factor)
      return overflow ? nil : product
    }
    return nil
  }
}
