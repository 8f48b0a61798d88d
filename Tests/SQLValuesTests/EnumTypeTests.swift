import Basics
import SQLValues
import Testing

@Suite struct EnumTypeTests {
  private static let mood = EnumType(
    id: TableID(7), name: "mood",
    values: zip(["sad", "ok", "happy"], EnumType.keys(count: 3)).map { EnumType.Value(label: $0, key: $1) })

  private func error(of body: () throws(SQLError) -> Void) -> SQLError? {
    do throws(SQLError) { try body() } catch { return error }
    return nil
  }

  /// Keys ascend, none is twice there, none ends with a zero: so there is always room between two of them.
  private func expectSound(_ keys: [[UInt8]]) {
    for (key, next) in zip(keys, keys.dropFirst()) { #expect(key.lexicographicallyPrecedes(next)) }
    #expect(keys.allSatisfy { !$0.isEmpty && $0.last != 0 })
  }

  @Test(arguments: [0, 1, 2, 3, 95, 96, 97, 200, 1_000, EnumType.maximumInitialValues])
  func keysOfANewTypeAscend(_ count: Int) {
    let keys = EnumType.keys(count: count)
    #expect(keys.count == count)
    #expect(keys.allSatisfy { $0.count <= 2 })
    expectSound(keys)
  }

  @Test(arguments: 1...20 as ClosedRange<UInt64>) func thereIsRoomBetweenAnyTwoKeys(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var keys = EnumType.keys(count: Int(random.next() % 100))
    for _ in 0..<400 {
      // Often at the same place, which is the worst that can come.
      let place = seed % 3 == 0 ? min(1, keys.count) : Int(random.next() % UInt64(keys.count + 1))
      let key = EnumType.key(
        between: place > 0 ? keys[place - 1] : nil, and: place < keys.count ? keys[place] : nil)
      keys.insert(key, at: place)
    }
    expectSound(keys)
    #expect(keys.allSatisfy { $0.count < 60 })
  }

  @Test func keysOfValuesAddedAtTheEndStayShort() {
    var keys = EnumType.keys(count: 3)
    for _ in 0..<100 { keys.append(EnumType.key(between: keys.last, and: nil)) }
    expectSound(keys)
    #expect(keys.allSatisfy { $0.count <= 12 })
  }

  @Test func valuesAreReadAndWrittenAsLabels() throws {
    let type = SQLType.enumerated(Self.mood)
    for label in ["sad", "ok", "happy"] {
      let value = try Datum.parse(label, as: type)
      #expect(value.text(as: type) == label)
      var bytes: [UInt8] = []
      value.writeBinary(as: type, into: &bytes)
      #expect(bytes == Array(label.utf8))
      #expect(try Datum.parseBinary(bytes[...], as: type) == value)
      #expect(try value.cast(from: type, to: .text, isExplicit: false) == .text(label))
      #expect(try Datum.text(label).cast(from: .text, to: type, isExplicit: true) == value)
    }
    #expect(Datum.compare(try Datum.parse("sad", as: type), try Datum.parse("ok", as: type)) < 0)
    #expect(Datum.compare(try Datum.parse("happy", as: type), try Datum.parse("ok", as: type)) > 0)
    let wrong = error { () throws(SQLError) in _ = try Datum.parse("Sad", as: type) }
    #expect(wrong?.state.code == "22P02" && wrong?.message == "invalid input value for enum mood: \"Sad\"")
  }

  @Test func aLabelOnItsWayInIsToldAndNotTaken() throws {
    let type = EnumType(
      id: TableID(7), name: "mood", values: [EnumType.Value(label: "new", key: [9], isUsable: false)])
    #expect(Datum.bytes([9]).text(as: .enumerated(type)) == "new")
    let refused = error { () throws(SQLError) in _ = try type.value(of: "new") }
    #expect(refused?.state.code == "55P04")
    #expect(refused?.message == "unsafe use of new value \"new\" of enum type mood")
  }

  /// What Swift takes for one text may be two labels.
  @Test func labelsAreToldApartByTheirBytes() throws {
    let labels = ["caf\u{e9}", "cafe\u{301}"]
    let type = EnumType(
      id: TableID(7), name: "drink",
      values: zip(labels, EnumType.keys(count: 2)).map { EnumType.Value(label: $0, key: $1) })
    #expect(try type.value(of: labels[0]) != type.value(of: labels[1]))
  }

  @Test func formsKeepWhatTheySay() throws {
    var writer = ByteWriter()
    SQLType.enumerated(Self.mood).encode(into: &writer)
    var reader = ByteReader(writer.bytes)
    guard case .enumerated(let known) = try SQLType.decode(from: &reader) else { return #expect(Bool(false)) }
    #expect(known == Self.mood && known.values.isEmpty, "an id, for those who have the catalog")
    writer = ByteWriter()
    SQLType.enumerated(Self.mood).encodeWithLabels(into: &writer)
    reader = ByteReader(writer.bytes)
    guard case .enumerated(let whole) = try SQLType.decode(from: &reader) else { return #expect(Bool(false)) }
    #expect(whole.values == Self.mood.values && whole.name == "mood")
    // Labels out of order are none.
    writer = ByteWriter()
    let turned = EnumType(id: TableID(7), name: "mood", values: Self.mood.values.reversed())
    SQLType.enumerated(turned).encodeWithLabels(into: &writer)
    reader = ByteReader(writer.bytes)
    #expect(throws: MalformedBytes.self) { try SQLType.decode(from: &reader) }
  }
}
