import Basics
import Catalog
import KeyValue
import SQLValues
import Testing

/// Keys sort as values do: random values of every type, compared both ways.
@Suite struct KeyEncodingTests {
  static let kinds = [
    "boolean", "integer", "double", "decimal", "text", "bytes", "uuid", "date", "timestamp", "interval",
  ]

  /// Values near each other and at the edges, so that comparisons are often close.
  static func random(_ kind: String, _ generator: inout SeededGenerator) -> Datum {
    func pick<Value>(_ values: [Value]) -> Value { values[Int(generator.next() % UInt64(values.count))] }
    func number() -> Int64 {
      let shift = generator.next() % 64
      return Int64(bitPattern: generator.next()) >> Int64(shift)
    }
    if generator.next() % 12 == 0 { return .null }
    switch kind {
    case "boolean": return .boolean(generator.next() % 2 == 0)
    case "integer": return .integer(pick([0, -1, 1, 255, 256, -256, -257, .min, .max, number(), number()]))
    case "double":
      return .double(
        pick([
          0, -0.0, 1, -1, .nan, -.nan, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
          Double(number()) / 7, Double(bitPattern: generator.next()),
        ]))
    case "decimal":
      let texts = [
        "0", "0.00", "1", "1.0", "-1", "10", "100", "99", "0.1", "0.01", "-0.01", "NaN", "Infinity", "-Infinity",
        "123456789.5",
        "1e100", "-1e100", "1e-50",
      ]
      if generator.next() % 2 == 0 { return .decimal(Decimal(pick(texts)) ?? .zero) }
      return .decimal(
        Decimal("\(number() % 1_000_000)e\(Int64(generator.next() % 13) - 6)") ?? .zero)
    case "text":
      return .text(
        String((0..<generator.next() % 5).map { _ in pick(["a", "b", "\u{1}", "é", "z", " ", "\u{ff}"]) as Character }))
    case "bytes": return .bytes((0..<generator.next() % 5).map { _ in pick([0, 1, 2, 0xfe, 0xff]) })
    case "uuid": return .uuid(UUIDValue(high: pick([0, 1, .max, generator.next()]), low: generator.next() % 3))
    case "date": return .date(pick([.min, .max, 0, -1, Int32(truncatingIfNeeded: number())]))
    case "timestamp": return .timestamp(pick([.min, .max, 0, number()]))
    default:
      return .interval(
        IntervalValue(
          months: Int32(generator.next() % 3), days: Int32(generator.next() % 61) - 30,
          microseconds: pick([0, 86_400_000_000, number() >> 8])))
    }
  }

  @Test(arguments: kinds)
  func encodedOrderIsTheOrderOfValues(kind: String) {
    var generator = SeededGenerator(seed: 42)
    for _ in 0..<4_000 {
      let left = Self.random(kind, &generator)
      let right = Self.random(kind, &generator)
      let wanted = Datum.compare(left, right).signum()
      for isDescending in [false, true] {
        var a: [UInt8] = []
        var b: [UInt8] = []
        KeyEncoding.append(left, isDescending: isDescending, to: &a)
        KeyEncoding.append(right, isDescending: isDescending, to: &b)
        let order = a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
        #expect(order == (isDescending ? -wanted : wanted), "\(left) \(right)")
        // Prefix-free: no encoding continues another.
        #expect(a == b || !(a.starts(with: b) || b.starts(with: a)), "\(left) \(right)")
      }
    }
  }

  @Test func tuplesSortColumnByColumn() {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<3_000 {
      let kinds = (0..<3).map { _ in Self.kinds[Int(generator.next() % UInt64(Self.kinds.count))] }
      let descending = (0..<3).map { _ in generator.next() % 2 == 0 }
      let left = kinds.map { Self.random($0, &generator) }
      let right = kinds.enumerated().map {
        generator.next() % 2 == 0 ? left[$0.offset] : Self.random($0.element, &generator)
      }
      var wanted = 0
      for index in 0..<3 where wanted == 0 {
        let order = Datum.compare(left[index], right[index]).signum()
        wanted = descending[index] ? -order : order
      }
      func key(_ values: [Datum]) -> [UInt8] {
        var key: [UInt8] = []
        for (value, isDescending) in zip(values, descending) {
          KeyEncoding.append(value, isDescending: isDescending, to: &key)
        }
        return key
      }
      let a = key(left)
      let b = key(right)
      #expect((a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1) == wanted)
    }
  }

  @Test func spansHoldExactlyTheKeysBetweenTheirBounds() {
    var generator = SeededGenerator(seed: 3)
    for isDescending in [false, true] {
      let index = IndexDescriptor(
        id: IndexID(2), name: "i", isUnique: false,
        keyColumns: [
          IndexKeyColumn(columnID: ColumnID(1)), IndexKeyColumn(columnID: ColumnID(2), isDescending: isDescending),
        ], rangeID: RangeID(1))
      for _ in 0..<2_000 {
        let prefix = Datum.integer(Int64(generator.next() % 3))
        func bound() -> KeyBound? {
          generator.next() % 3 == 0
            ? nil : KeyBound(.integer(Int64(generator.next() % 9)), isInclusive: generator.next() % 2 == 0)
        }
        let lower = bound()
        let upper = bound()
        let span = KeySpan.constrained(table: TableID(5), index: index, prefix: [prefix], lower: lower, upper: upper)
        let first = Datum.integer(Int64(generator.next() % 3))
        let second = generator.next() % 5 == 0 ? Datum.null : .integer(Int64(generator.next() % 9))
        var key = KeyEncoding.prefix(table: TableID(5), index: IndexID(2))
        KeyEncoding.append(first, to: &key)
        KeyEncoding.append(second, isDescending: isDescending, to: &key)
        KeyEncoding.append(.integer(1), to: &key)
        var wanted = first == prefix
        if lower != nil || upper != nil { wanted = wanted && !second.isNull }
        if let lower {
          let order = Datum.compare(second, lower.value)
          wanted = wanted && (lower.isInclusive ? order >= 0 : order > 0)
        }
        if let upper {
          let order = Datum.compare(second, upper.value)
          wanted = wanted && (upper.isInclusive ? order <= 0 : order < 0)
        }
        #expect(span.contains(key) == wanted)
      }
    }
  }

  @Test func aTableEndsWhereTheNextBegins() {
    let span = KeySpan.whole(table: TableID(5), index: IndexID(2))
    #expect(span.start == [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2])
    #expect(span.end == [0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 3])
    #expect(KeyEncoding.successor(ofPrefix: [1, 0xff, 0xff]) == [2])
  }
}
