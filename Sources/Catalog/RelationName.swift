import Basics

/// The name of a table, index or sequence: those of one schema share one namespace (PostgreSQL 15, 5.9 and `pg_class`).
public struct RelationName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let databaseID: DatabaseID
  public let schema: String
  public let name: String

  public init(databaseID: DatabaseID = .defaultDatabase, schema: String = "public", name: String) {
    self.databaseID = databaseID
    self.schema = schema
    self.name = name
  }

  public static func < (left: RelationName, right: RelationName) -> Bool {
    (left.databaseID, left.name, left.schema) < (right.databaseID, right.name, right.schema)
  }

  public var description: String { schema == "public" ? name : "\(schema).\(name)" }
}

/// What a relation name stands for.
public enum RelationReference: Hashable, Sendable {
  /// Or a sequence.
  case table(TableID)
  case index(TableID, IndexID)
}

extension DatabaseID {
  /// `defaultdb`, which every cluster has from its first moment.
  public static let defaultDatabase = DatabaseID(rawValue: 1)
}
