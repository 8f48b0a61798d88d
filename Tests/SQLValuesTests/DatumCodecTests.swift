import Basics
import SQLValues
import Testing

@Suite struct DatumCodecTests {
  static let values: [(Datum, SQLType)] = [
    (.null, .text), (.boolean(true), .boolean), (.boolean(false), .boolean), (.integer(0), .int2),
    (.integer(191), .int4), (.integer(192), .int4), (.integer(-1), .int2), (.integer(.min), .int8),
    (.integer(.max), .int8), (.integer(4_294_967_295), .oid), (.double(1.5), .float8), (.double(-0.1), .float8),
    (.double(0.5), .float4), (.double(.infinity), .float8), (.text(""), .text), (.text("häß\u{1F600}"), .text),
    (.text("x"), .varchar(maximumCharacters: 3)), (.text("n"), .name), (.bytes([]), .bytea),
    (.bytes([0, 255, 1]), .bytea),
    (.uuid(UUIDValue(high: 1, low: .max)), .uuid), (.date(-1), .date), (.date(.max), .date), (.date(8_825), .date),
    (.timestamp(0), .timestamp), (.timestamp(.min), .timestampWithTimeZone), (.timestamp(-1), .timestampWithTimeZone),
    (.interval(IntervalValue(months: -14, days: 3, microseconds: 5)), .interval),
  ]

  static let numerics = [
    "0", "0.00", "1", "-1", "1.50", "10000", "9999.9999", "0.0001", "-0.00012345", "123456789012345678901234567890",
    "1e50", "1e-50", "NaN", "Infinity", "-Infinity", "100000000", "12345.678900",
  ]

  static var all: [(Datum, SQLType)] {
    values + numerics.map { (.decimal(Decimal($0) ?? .zero), .numeric(precision: nil, scale: nil)) }
  }

  @Test func compactCodecRoundTrips() throws {
    for (value, _) in Self.all {
      var writer = ByteWriter()
      value.encode(into: &writer)
      var reader = ByteReader(writer.bytes)
      #expect(try Datum.decode(from: &reader) == value)
      #expect(reader.isAtEnd)
      var position = 0
      #expect(try Datum.decode(writer.bytes.span, at: &position) == value)
      #expect(position == writer.bytes.count)
      position = 0
      try Datum.skip(writer.bytes.span, at: &position)
      #expect(position == writer.bytes.count)
      for length in 0..<writer.bytes.count {
        let cut = Array(writer.bytes[..<length])
        var position = 0
        #expect(throws: MalformedBytes.self) { _ = try Datum.decode(cut.span, at: &position) }
      }
    }
  }

  @Test func wireFormsRoundTrip() throws {
    for (value, type) in Self.all where !value.isNull {
      var binary: [UInt8] = []
      value.writeBinary(as: type, into: &binary)
      #expect(try Datum.parseBinary(binary[...], as: type) == value, "\(value)")
      let text = value.text(as: type)
      #expect(Datum.areSame(try Datum.parse(text, as: type), value), "\(text)")
      #expect(try Datum.parse(text, as: type).text(as: type) == text)
    }
  }

  /// As `numeric_send` of PostgreSQL 15 sends them.
  @Test(arguments: [
    ("0", [0, 0, 0, 0, 0, 0, 0, 0]),
    ("1.50", [0, 2, 0, 0, 0, 0, 0, 2, 0, 1, 0x13, 0x88]),
    ("-12345.678", [0, 3, 0, 1, 0x40, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1a, 0x7c]),
    ("0.0001", [0, 1, 0xff, 0xff, 0, 0, 0, 4, 0, 1]),
    ("100000000", [0, 1, 0, 2, 0, 0, 0, 0, 0, 1]),
    ("NaN", [0, 0, 0, 0, 0xc0, 0, 0, 0]),
  ])
  func numericsAreSentAsPostgreSQLSendsThem(text: String, bytes: [UInt8]) throws {
    var binary: [UInt8] = []
    Datum.decimal(try #require(Decimal(text))).writeBinary(as: .numeric(precision: nil, scale: nil), into: &binary)
    #expect(binary == bytes)
  }

  @Test func typesRoundTrip() throws {
    let types: [SQLType] = [
      .boolean, .int2, .int4, .int8, .float4, .float8, .numeric(precision: nil, scale: nil),
      .numeric(precision: 10, scale: 2), .numeric(precision: 5, scale: -2), .text, .varchar(maximumCharacters: nil),
      .varchar(maximumCharacters: 7), .character(count: 0), .character(count: 3), .name, .bytea, .uuid, .date,
      .timestamp, .timestampWithTimeZone, .interval, .oid, .unknown, .void,
    ]
    for type in types {
      var writer = ByteWriter()
      type.encode(into: &writer)
      var reader = ByteReader(writer.bytes)
      #expect(try SQLType.decode(from: &reader) == type)
      #expect(reader.isAtEnd)
      #expect(SQLType(oid: type.oid, typeModifier: type.typeModifier) == type)
    }
  }

  @Test func damagedBytesNeverTrap() {
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<20_000 {
      let bytes = (0..<(1 + generator.next() % 24)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      var position = 0
      _ = try? Datum.decode(bytes.span, at: &position)
      var reader = ByteReader(bytes)
      _ = try? Datum.decode(from: &reader)
      for type in [SQLType.numeric(precision: nil, scale: nil), .interval, .timestamp, .date, .text, .uuid] {
        if let value = try? Datum.parseBinary(bytes[...], as: type) { _ = value.text(as: type) }
      }
    }
  }

  @Test func damagedTextNeverTraps() {
    var generator = SeededGenerator(seed: 10)
    let alphabet = Array("0123456789-+:. eETtZzBCPYMDWHSjanfebmondaysago/,infinity{}\\x")
    let types: [SQLType] = [
      .int2, .int8, .float4, .float8, .numeric(precision: nil, scale: nil), .numeric(precision: 4, scale: 2), .date,
      .timestamp, .timestampWithTimeZone, .interval, .uuid, .bytea, .boolean, .character(count: 4),
    ]
    for _ in 0..<20_000 {
      let text = String(
        (0..<(1 + generator.next() % 20)).map { _ in alphabet[Int(generator.next() % UInt64(alphabet.count))] })
      for type in types { if let value = try? Datum.parse(text, as: type) { _ = value.text(as: type) } }
    }
  }
}
