import Basics
import SQLValues

/// What makes a relation of the catalog an enumerated type: its labels (PostgreSQL 15, CREATE TYPE).
///
/// It stands among the tables, as sequences do, because it changes as they do: by entries that name the version they were planned
/// against, in stages with barriers. It has neither columns nor rows, and its name is among those of types.
public struct EnumDescriptor: Hashable, Sendable {
  /// In their order, which is that of their keys.
  public var values: [EnumValueDescriptor]
  public var nextValueID: EnumValueID

  public init(values: [EnumValueDescriptor], nextValueID: EnumValueID) {
    self.values = values
    self.nextValueID = nextValueID
  }

  public init(labels: [String]) {
    let keys = EnumType.keys(count: labels.count)
    values = zip(labels, keys).enumerated().map { number, value in
      EnumValueDescriptor(id: EnumValueID(UInt64(number + 1)), label: value.0, key: value.1)
    }
    nextValueID = EnumValueID(UInt64(labels.count + 1))
  }

  /// The position of a label that people can name.
  public func position(of label: String) -> Int? { values.firstIndex { $0.label.utf8.elementsEqual(label.utf8) } }
}

public struct EnumValueDescriptor: Hashable, Sendable {
  public var id: EnumValueID
  public var label: String
  /// What rows hold (`EnumType`). Never changes.
  public var key: [UInt8]
  /// `deleteOnly`: whoever meets the value knows its label, and nobody gives it to a row. `public`: everybody may.
  public var state: ElementState

  public init(id: EnumValueID, label: String, key: [UInt8], state: ElementState = .public) {
    self.id = id
    self.label = label
    self.key = key
    self.state = state
  }
}

// MARK: - The relation

extension TableDescriptor {
  public var isType: Bool { enumeration != nil }

  public init(
    enumeration: EnumDescriptor, id: TableID, databaseID: DatabaseID, namespaceID: NamespaceID, name: String
  ) {
    self.init(
      id: id, databaseID: databaseID, namespaceID: namespaceID, name: name, version: TableVersion(1), columns: [],
      // Every relation has a primary index. That of a type has no range, as there are no rows.
      indexes: [IndexDescriptor(id: IndexID(1), name: "", isUnique: false, keyColumns: [], rangeID: RangeID(0))],
      nextColumnID: ColumnID(1), nextIndexID: IndexID(2), commitFloor: TableVersion(1))
    self.enumeration = enumeration
  }

  /// As its values are read and written.
  public var enumType: EnumType? {
    enumeration.map { enumeration in
      EnumType(
        id: id, name: name,
        values: enumeration.values.map {
          EnumType.Value(label: $0.label, key: $0.key, isUsable: $0.state == .public)
        })
    }
  }

  /// Enumerated types of columns that can be named, each once.
  public var namedTypes: Set<TableID> {
    var found: Set<TableID> = []
    for column in columns where !column.isHidden && !column.name.isEmpty {
      if case .enumerated(let type) = column.type { found.insert(type.id) }
    }
    return found
  }

  /// Of all its columns, as far as it knows them.
  public func enumType(_ id: TableID) -> EnumType? {
    for column in columns {
      if case .enumerated(let type) = column.type, type.id == id { return type }
    }
    return nil
  }

  /// False: it has no column of a type that has come to be known better.
  mutating func know(_ types: (TableID) -> EnumType?) -> Bool {
    var isChanged = false
    for position in columns.indices {
      guard case .enumerated(let type) = columns[position].type, let known = types(type.id) else { continue }
      columns[position].type = .enumerated(known)
      isChanged = true
    }
    return isChanged
  }
}

// MARK: - Stored form

extension EnumDescriptor {
  public func encode(into writer: inout ByteWriter) {
    for value in values { writer.field(1) { value.encode(into: &$0) } }
    writer.field(2, nextValueID)
  }

  public init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(values: [], nextValueID: EnumValueID(0))
    while let field = try reader.nextField() {
      switch field.number {
      case 1: values.append(try EnumValueDescriptor(decoding: try field.slice()))
      case 2: nextValueID = try field.identifier()
      default: break
      }
    }
    for (value, next) in zip(values, values.dropFirst()) where !value.key.lexicographicallyPrecedes(next.key) {
      throw reader.failure("labels out of order")
    }
  }
}

extension EnumValueDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, label)
    writer.field(3, key)
    writer.field(4, UInt64(state.rawValue))
  }

  public init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(id: EnumValueID(0), label: "", key: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: label = try field.string()
      case 3: key = try field.bytes()
      case 4: state = try ElementState(decoding: field)
      default: break
      }
    }
  }
}
