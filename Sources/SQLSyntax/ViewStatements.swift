/// Statements about views.
public enum ViewStatementSyntax: Hashable, Sendable {
  case create(CreateViewSyntax)
  case drop(names: [RelationNameSyntax], ifExists: Bool, isCascade: Bool)
  case rename(RelationNameSyntax, to: String, ifExists: Bool)
  case renameColumn(RelationNameSyntax, String, to: String, ifExists: Bool)
}

/// `CREATE [OR REPLACE] VIEW name [(columns)] AS query`.
public struct CreateViewSyntax: Hashable, Sendable {
  public var name: RelationNameSyntax
  public var isReplacing: Bool
  /// Empty, or names for the first of the query's columns.
  public var columnNames: [String]
  public var query: SelectStatement

  public init(name: RelationNameSyntax, isReplacing: Bool, columnNames: [String], query: SelectStatement) {
    self.name = name
    self.isReplacing = isReplacing
    self.columnNames = columnNames
    self.query = query
  }
}

/// A view's query in a form that survives renames: each relation is a `TableReference.dependency` under a name of its own, each of
/// its columns that is read is called after its place in the list of the columns that the view reads, every column is named with
/// its relation, `*` and `USING` are spelled out, every result has its name.
public enum StoredQuery {
  /// The name of a column of a dependency.
  public static func columnName(_ position: Int) -> String { "#\(position)" }

  /// Its place; nil: another name.
  public static func columnPosition(_ name: String) -> Int? { name.first == "#" ? Int(name.dropFirst()) : nil }
}
