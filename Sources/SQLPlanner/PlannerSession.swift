import Basics
import Catalog
import SQLExpressions

/// What a statement's meaning depends on besides the catalog.
public struct PlannerSession: Hashable, Sendable {
  public var databaseID: DatabaseID
  public var databaseName: String
  public var userName: String
  /// Schemas that unqualified names are looked up in, after `pg_catalog`.
  public var searchPath: [String]
  /// See `LiveInput.indexBuilds`.
  public var indexBuilds: [IndexBuild]

  public init(
    databaseID: DatabaseID = .defaultDatabase, databaseName: String = "defaultdb", userName: String = "root",
    searchPath: [String] = ["public"], indexBuilds: [IndexBuild] = []
  ) {
    self.databaseID = databaseID
    self.databaseName = databaseName
    self.userName = userName
    self.searchPath = searchPath
    self.indexBuilds = indexBuilds
  }
}

/// Bounds of planning; beyond them statements are refused with 54xxx or planned more simply.
enum PlannerLimits {
  /// Relations in one `FROM`.
  static let maximumRelations = 200
  /// Columns of a result or derived table (as PostgreSQL).
  static let maximumColumns = 1_664
  /// Key ranges that `IN` lists are expanded to.
  static let maximumKeyRanges = 4_096
  /// Subqueries within subqueries.
  static let maximumSubqueryDepth = 32
}
