import Basics

/// The name of a table, view, index or sequence: those of one schema share one namespace (PostgreSQL 15, 5.9 and `pg_class`).
public struct RelationName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let namespaceID: NamespaceID
  public let name: String

  public init(namespaceID: NamespaceID = .public, name: String) {
    self.namespaceID = namespaceID
    self.name = name
  }

  public static func < (left: RelationName, right: RelationName) -> Bool {
    (left.namespaceID, left.name) < (right.namespaceID, right.name)
  }

  public var description: String { namespaceID == .public ? name : "\(namespaceID).\(name)" }
}

/// What a relation name stands for.
public enum RelationReference: Hashable, Sendable {
  /// Or a sequence, or a view.
  case table(TableID)
  case index(TableID, IndexID)
}

extension DatabaseID {
  /// `defaultdb`, which every cluster has from its first moment.
  public static let defaultDatabase = DatabaseID(rawValue: 1)
}
