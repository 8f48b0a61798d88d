/// Order and equality as SQL sees them, unlike `==`, which compares representations.
extension Datum {
  /// Negative, zero or positive as `left` sorts before, with or after `right`. NULL sorts after everything and equals
  /// itself; NaN sorts after every number and equals itself; text sorts by its UTF-8 bytes.
  ///
  /// Both must be values of types that compare with each other (`ExpressionBuilder` sees to it); others sort by kind,
  /// so that the order is total whatever comes.
  public static func compare(_ left: Datum, _ right: Datum) -> Int {
    switch (left, right) {
    case (.integer(let a), .integer(let b)): return a < b ? -1 : a > b ? 1 : 0
    case (.text(let a), .text(let b)): return compareText(a, b)
    case (.timestamp(let a), .timestamp(let b)): return a < b ? -1 : a > b ? 1 : 0
    case (.date(let a), .date(let b)): return a < b ? -1 : a > b ? 1 : 0
    case (.uuid(let a), .uuid(let b)): return a < b ? -1 : b < a ? 1 : 0
    case (.boolean(let a), .boolean(let b)): return a == b ? 0 : a ? 1 : -1
    case (.double(let a), .double(let b)): return compareDoubles(a, b)
    case (.decimal(let a), .decimal(let b)): return Decimal.compare(a, b)
    case (.bytes(let a), .bytes(let b)): return compareBytes(a.span, b.span)
    case (.interval(let a), .interval(let b)):
      let first = a.totalMicroseconds
      let second = b.totalMicroseconds
      return first < second ? -1 : first > second ? 1 : 0
    case (.null, .null): return 0
    case (.null, _): return 1
    case (_, .null): return -1
    default: return left.kindOrder < right.kindOrder ? -1 : 1
    }
  }

  /// Equal for `GROUP BY`, `DISTINCT` and set operations: NULL equals NULL.
  public static func areSame(_ left: Datum, _ right: Datum) -> Bool {
    switch (left, right) {
    case (.integer(let a), .integer(let b)): a == b
    case (.text(let a), .text(let b)): a.utf8.count == b.utf8.count && compareText(a, b) == 0
    case (.null, .null): true
    case (.null, _), (_, .null): false
    default: compare(left, right) == 0
    }
  }

  /// Hashes so that values which `areSame` hash alike.
  public func hashSame(into hasher: inout Hasher) {
    switch self {
    case .null: hasher.combine(0 as UInt8)
    case .boolean(let value): hasher.combine(value)
    case .integer(let value): hasher.combine(value)
    case .double(let value): hasher.combine(value.isNaN ? Double.nan.bitPattern : (value == 0 ? 0 : value.bitPattern))
    case .decimal(let value): value.hashNumerically(into: &hasher)
    case .text(let value):
      var copy = value
      copy.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    case .bytes(let value): hasher.combine(value)
    case .uuid(let value): hasher.combine(value)
    case .date(let value): hasher.combine(value)
    case .timestamp(let value): hasher.combine(value)
    case .interval(let value): hasher.combine(value.totalMicroseconds)
    }
  }

  static func compareDoubles(_ left: Double, _ right: Double) -> Int {
    if left < right { return -1 }
    if left > right { return 1 }
    if left == right { return 0 }
    return left.isNaN ? (right.isNaN ? 0 : 1) : -1
  }

  public static func compareText(_ left: String, _ right: String) -> Int {
    compareBytes(left.utf8Span.span, right.utf8Span.span)
  }

  @inline(__always)
  static func compareBytes(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
    let shared = min(left.count, right.count)
    var index = 0
    while index < shared {
      let a = left[index]
      let b = right[index]
      if a != b { return a < b ? -1 : 1 }
      index &+= 1
    }
    return left.count < right.count ? -1 : left.count > right.count ? 1 : 0
  }

  private var kindOrder: Int {
    switch self {
    case .boolean: 0
    case .integer: 1
    case .double: 2
    case .decimal: 3
    case .text: 4
    case .bytes: 5
    case .uuid: 6
    case .date: 7
    case .timestamp: 8
    case .interval: 9
    case .null: 10
    }
  }
}

/// Several values as one key of a hash table, with the equality of `GROUP BY`.
public struct DatumKey: Hashable, Sendable {
  public let values: [Datum]

  public init(_ values: [Datum]) { self.values = values }

  public static func == (left: DatumKey, right: DatumKey) -> Bool {
    guard left.values.count == right.values.count else { return false }
    for index in left.values.indices where !Datum.areSame(left.values[index], right.values[index]) { return false }
    return true
  }

  public func hash(into hasher: inout Hasher) {
    for value in values { value.hashSame(into: &hasher) }
  }
}

extension IntervalValue {
  /// With months of 30 days and days of 24 hours, as PostgreSQL compares intervals.
  public var totalMicroseconds: Int128 {
    (Int128(months) * 30 + Int128(days)) * 86_400_000_000 + Int128(microseconds)
  }
}
