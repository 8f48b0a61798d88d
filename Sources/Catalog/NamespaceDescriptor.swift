import Basics

/// A schema in the sense of SQL (PostgreSQL 15, 5.9): names of tables, indexes and sequences are unique within one. "Schema"
/// alone means in this code what the database looks like, so these go by PostgreSQL's other word.
///
/// Relations belong to a namespace by its id, so another name for it changes none of them.
public struct NamespaceDescriptor: Hashable, Sendable {
  public var id: NamespaceID
  public var databaseID: DatabaseID
  /// Unique within the database.
  public var name: String
  public var version: DescriptorVersion
  public var comment: String?

  public init(
    id: NamespaceID, databaseID: DatabaseID, name: String, version: DescriptorVersion = DescriptorVersion(1),
    comment: String? = nil
  ) {
    self.id = id
    self.databaseID = databaseID
    self.name = name
    self.version = version
    self.comment = comment
  }
}

/// What an entry does to a namespace.
public struct NamespaceChange: Hashable, Sendable {
  public var id: NamespaceID
  /// The version this change was planned against; any other version in force refuses the entry.
  public var from: DescriptorVersion
  /// The namespace after the change; nil when it is gone. Then nothing may be left in it.
  public var descriptor: NamespaceDescriptor?

  public init(id: NamespaceID, from: DescriptorVersion, descriptor: NamespaceDescriptor?) {
    self.id = id
    self.from = from
    self.descriptor = descriptor
  }
}

extension NamespaceID {
  /// `public` of the first database, which every cluster has from its first moment.
  public static let `public` = NamespaceID(rawValue: 0)
}

extension NamespaceDescriptor {
  /// That of a new cluster, as PostgreSQL describes it.
  static let `public` = NamespaceDescriptor(
    id: .public, databaseID: .defaultDatabase, name: "public", comment: "standard public schema")
}

/// Namespaces by name.
struct NamespaceName: Hashable, Comparable, Sendable {
  let databaseID: DatabaseID
  let name: String

  static func < (left: NamespaceName, right: NamespaceName) -> Bool {
    (left.databaseID, left.name) < (right.databaseID, right.name)
  }
}

// MARK: - For people

extension NamespaceChange {
  /// What it does, in sentences.
  public func sentences(from before: NamespaceDescriptor?) -> [String] {
    switch (before, descriptor) {
    case (nil, nil): return []
    case (nil, let after?): return ["schema \(after.name) is created"]
    case (let before?, nil): return ["schema \(before.name) is gone"]
    case (let before?, let after?):
      var result: [String] = []
      if before.name != after.name { result.append("schema \(before.name) is renamed to \(after.name)") }
      if before.comment != after.comment { result.append("schema \(after.name) is commented on") }
      return result
    }
  }
}
