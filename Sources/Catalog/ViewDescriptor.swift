import Basics
import SQLValues

/// What makes a relation a view: a query and what it reads. Its columns are those of the relation, in the order of the query's.
///
/// The query (module SQLSyntax, `StoredQuery`) names relations by their places in `dependencies` and columns by their places in
/// those lists, so it stays as it is whatever they are called, and the same text serves a transaction that makes a table and a
/// view of it before either has an id that others know.
public struct ViewDescriptor: Hashable, Sendable {
  /// Encoded.
  public var query: [UInt8]
  /// Each relation once.
  public var dependencies: [ViewDependency]

  public init(query: [UInt8], dependencies: [ViewDependency]) {
    self.query = query
    self.dependencies = dependencies
  }
}

/// A table, view or sequence that a view reads.
public struct ViewDependency: Hashable, Sendable {
  public var relation: TableID
  /// Each once. Empty: rows are counted, or numbers are taken.
  public var columns: [ColumnID]

  public init(relation: TableID, columns: [ColumnID]) {
    self.relation = relation
    self.columns = columns
  }
}

extension TableDescriptor {
  public var isView: Bool { view != nil }

  /// A new view. Columns are numbered from 1.
  public init(
    view: ViewDescriptor, columns: [ColumnDescriptor], id: TableID, databaseID: DatabaseID, namespaceID: NamespaceID,
    name: String
  ) {
    self.init(
      id: id, databaseID: databaseID, namespaceID: namespaceID, name: name, version: TableVersion(1), columns: columns,
      // Every relation has a primary index; that of a view has no columns, no name and no range.
      indexes: [IndexDescriptor(id: IndexID(1), name: "", isUnique: true, keyColumns: [], rangeID: RangeID(0))],
      nextColumnID: ColumnID(UInt64(columns.count + 1)), nextIndexID: IndexID(2), commitFloor: TableVersion(1))
    self.view = view
  }
}

extension ViewDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1, query)
    for dependency in dependencies {
      writer.field(2) {
        $0.field(1, dependency.relation)
        for column in dependency.columns { $0.field(2, column) }
      }
    }
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    self.init(query: [], dependencies: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: query = try field.bytes()
      case 2:
        var nested = try field.reader()
        var dependency = ViewDependency(relation: TableID(0), columns: [])
        while let part = try nested.nextField() {
          switch part.number {
          case 1: dependency.relation = try part.identifier()
          case 2: dependency.columns.append(try part.identifier())
          default: break
          }
        }
        dependencies.append(dependency)
      default: break
      }
    }
  }
}
