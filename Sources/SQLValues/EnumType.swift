import Basics

/// An enumerated type (PostgreSQL 15, 8.7) as values of it are read, written and compared: its labels in their order.
///
/// A value is kept as its *sort key* (`Datum.bytes`), which never changes: so values compare, and are kept in keys, without
/// knowing the type; another name for a label touches no row; and between any two keys there is room for another. Two
/// references to a type are equal whatever they know of its labels.
public final class EnumType: Hashable, Sendable {
  public struct Value: Hashable, Sendable {
    public var label: String
    public var key: [UInt8]
    /// Not while the label is on its way in: some gateways do not know it yet, so nobody gives it to a row.
    public var isUsable: Bool

    public init(label: String, key: [UInt8], isUsable: Bool = true) {
      self.label = label
      self.key = key
      self.isUsable = isUsable
    }
  }

  public let id: TableID
  public let name: String
  /// In their order, which is that of their keys.
  public let values: [Value]
  /// By the bytes of the labels: Swift takes two spellings of a character for one.
  private let positions: [[UInt8]: Int]

  public init(id: TableID, name: String, values: [Value]) {
    self.id = id
    self.name = name
    self.values = values
    positions = Dictionary(
      values.enumerated().map { (Array($1.label.utf8), $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Known by its id only.
  public convenience init(id: TableID) { self.init(id: id, name: "enum \(id)", values: []) }

  public static func == (left: EnumType, right: EnumType) -> Bool { left.id == right.id }
  public func hash(into hasher: inout Hasher) { hasher.combine(id) }

  /// Far away from the numbers of tables and of PostgreSQL's types; those of types that a transaction has not made yet are among
  /// the last ones.
  public var oid: UInt32 {
    let isDraft = id.rawValue >> 62 != 0
    return 1 << 28 | (isDraft ? 1 << 24 : 0) | UInt32(truncatingIfNeeded: id.rawValue & 0xff_ffff)
  }

  /// The value with this label. Throws 22P02 if there is none, 55P04 while it is on its way in.
  public func value(of label: String) throws(SQLError) -> Datum {
    guard let position = positions[Array(label.utf8)] else {
      throw SQLError(.invalidTextRepresentation, "invalid input value for enum \(name): \"\(label)\"")
    }
    guard values[position].isUsable else {
      throw SQLError(
        .unsafeNewEnumValueUsage, "unsafe use of new value \"\(label)\" of enum type \(name)",
        hint: "New enum values must be committed before they can be used.")
    }
    return .bytes(values[position].key)
  }

  /// nil: no value of the type.
  public func label(of key: [UInt8]) -> String? {
    var low = 0
    var high = values.count
    while low < high {
      let middle = (low + high) / 2
      let found = values[middle].key
      if found == key { return values[middle].label }
      if found.lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// Of the values that may be used.
  public var labels: [String] { values.filter(\.isUsable).map(\.label) }
}

// MARK: - Sort keys

extension EnumType {
  /// Ascending keys of so many values, with room on all sides. Keys are fractions in base 256: none ends with a zero.
  public static func keys(count: Int) -> [[UInt8]] {
    // Of one byte as long as there is room between them.
    if count <= 96 { return (0..<count).map { [UInt8(truncatingIfNeeded: ($0 + 1) * max(2, 192 / (count + 1)))] } }
    var keys: [[UInt8]] = []
    keys.reserveCapacity(count)
    let step = max(2, 49_152 / (count + 1))
    for number in 1...count {
      let fraction = number * step
      let low = UInt8(truncatingIfNeeded: fraction)
      keys.append([UInt8(truncatingIfNeeded: fraction >> 8), low == 0 ? 1 : low])
    }
    return keys
  }

  /// The most values that a type can begin with, so that their keys have two bytes.
  public static let maximumInitialValues = 16_000

  /// A key between two others, of which the first is the smaller; nil: the beginning and the end.
  public static func key(between low: [UInt8]?, and high: [UInt8]?) -> [UInt8] {
    var key: [UInt8] = []
    var upper = high
    var position = 0
    while true {
      let from = low.flatMap { position < $0.count ? Int($0[position]) : nil } ?? 0
      let to = upper.map { position < $0.count ? Int($0[position]) : 0 } ?? 256
      if to - from > 1 {
        // Most values are added at the end: small steps leave room there.
        let step = high == nil ? min(8, (to - from) / 2) : (to - from) / 2
        key.append(UInt8(truncatingIfNeeded: from + step))
        return key
      }
      key.append(UInt8(truncatingIfNeeded: from))
      if to > from { upper = nil }
      position += 1
    }
  }
}
