import Basics
import KeyValue
import SQLValues

/// Values in rows and messages, and the keys made of them.
let valueTargets: [FuzzTarget] = [
  FuzzTarget("datum", seeds: { fuzzValues.map(encoded) }, run: runDatum),
  FuzzTarget("key-order", seeds: keySeeds, run: runKeyOrder),
]

/// One of every kind, for seeds.
let fuzzValues: [Datum] = [
  .null, .boolean(true), .integer(5), .integer(-1_000_000_007), .double(-0.5), .double(.nan),
  .decimal(Decimal("-120.5600") ?? Decimal(limbs: [], scale: 0)),
  .decimal(Decimal("NaN") ?? Decimal(limbs: [], scale: 0)), .text("schiff\u{0}é"),
  .bytes([0, 255, 1]), .uuid(UUIDValue(high: 1, low: 2)), .date(-1), .timestamp(1_000_000_000),
  .interval(IntervalValue(months: 1, days: -2, microseconds: 3)),
]

func encoded(_ value: Datum) -> [UInt8] {
  var writer = ByteWriter()
  value.encode(into: &writer)
  return writer.bytes
}

func datum(_ bytes: [UInt8]) throws(MalformedBytes) -> (value: Datum, length: Int) {
  var reader = ByteReader(bytes)
  let value = try Datum.decode(from: &reader)
  return (value, reader.position)
}

/// A value that was stored comes back as it was.
func checkStored(_ value: Datum) {
  let bytes = encoded(value)
  let again = try? datum(bytes)
  require(again?.length == bytes.count && again.map { encoded($0.value) } == bytes, "\(value) is stored and read again")
}

private func runDatum(_ bytes: [UInt8]) {
  var position = 0
  var skipped = 0
  let spanned = Result { () throws(MalformedBytes) in try Datum.decode(bytes.span, at: &position) }
  let read = Result { () throws(MalformedBytes) in try datum(bytes) }
  switch (read, spanned) {
  case (.success(let read), .success(let value)):
    require(encoded(read.value) == encoded(value) && read.length == position, "both decoders read the same")
    do throws(MalformedBytes) {
      try Datum.skip(bytes.span, at: &skipped)
    } catch {
      require(false, "what can be read can be skipped: \(error)")
    }
    require(skipped == position, "skipping \(value) goes as far as reading it")
    checkStored(value)
    // An array of bytes is as large as the bytes say.
    require(encoded(value).count <= 2 * bytes.count + 16, "a value of \(bytes.count) bytes stays that small")
    _ = keyBytes([value])
  case (.failure, .failure): break
  default: require(false, "both decoders agree: \(read), \(spanned)")
  }
}

// MARK: - Keys

func keyBytes(_ values: [Datum], isDescending: Bool = false) -> [UInt8] {
  var key: [UInt8] = []
  for value in values { KeyEncoding.append(value, isDescending: isDescending, to: &key) }
  return key
}

/// Two rows of two columns: first byte the type of the first column, then text forms.
private func runKeyOrder(_ bytes: [UInt8]) {
  var input = FuzzInput(bytes)
  let type = input.choice(fuzzTypes)
  func value() -> Datum {
    let piece = input.piece()
    if piece.isEmpty { return .null }
    if let text = String(validating: piece, as: UTF8.self), !piece.contains(0),
      let parsed = try? Datum.parse(text, as: type)
    {
      return parsed
    }
    return (try? Datum.parseBinary(piece[...], as: type)) ?? .null
  }
  let (left, right) = (value(), value())
  let (leftNext, rightNext) = (Datum.integer(Int64(bitPattern: input.word())), Datum.integer(Int64(input.byte())))
  // NULL sorts last.
  func order(_ left: Datum, _ right: Datum) -> Int {
    left.isNull || right.isNull ? (left.isNull ? 1 : 0) - (right.isNull ? 1 : 0) : Datum.compare(left, right).signum()
  }
  let values = order(left, right)
  let leftKey = keyBytes([left])
  let rightKey = keyBytes([right])
  require(compare(leftKey, rightKey) == values, "keys of \(left) and \(right) sort as the values do")
  require(
    compare(keyBytes([left], isDescending: true), keyBytes([right], isDescending: true)) == -values,
    "descending keys of \(left) and \(right) sort the other way")
  if values != 0 {
    require(!leftKey.starts(with: rightKey) && !rightKey.starts(with: leftKey), "no key begins with another")
  }
  let rows = values != 0 ? values : order(leftNext, rightNext)
  require(compare(keyBytes([left, leftNext]), keyBytes([right, rightNext])) == rows, "columns count in their order")
  let end = KeyEncoding.successor(ofPrefix: leftKey)
  require(
    end.isEmpty || compare(end, keyBytes([left, leftNext])) > 0, "the end of a prefix is above what begins with it")
}

private func compare(_ left: [UInt8], _ right: [UInt8]) -> Int {
  if left == right { return 0 }
  return left.lexicographicallyPrecedes(right) ? -1 : 1
}

private func keySeeds() -> [[UInt8]] {
  let pairs = [
    "true/false", "-7/7", "1/70000", "-1/-256", "1.5/-1.5", "nan/inf", "0.1/0.10", "-12.34/-12.35", "a/ab", "x/y", "/z",
    "ab/b", "n/m", "\\x00/\\x0001", "123e4567-e89b-12d3-a456-426614174000/", "2024-02-29/infinity",
    "1999-12-31/-infinity", "2001-01-01 00:00:00+02/2001-01-01", "1 mon/30 days", "4000000000/1", "u/",
  ]
  return zip(fuzzTypes.indices, pairs).map { position, pair in
    let parts = pair.split(separator: "/", omittingEmptySubsequences: false).map { Array($0.utf8) }
    return [UInt8(position)] + parts.flatMap { [UInt8($0.count)] + $0 } + [0, 0, 0, 0, 0, 0, 1, 2, 3]
  }
}
