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
  /// Views that one statement reads, those that views read counted each time; bytes of their queries; levels of the queries of
  /// views that read each other.
  static let maximumViews = 1_000
  static let maximumViewBytes = 4 << 20
  static let maximumViewDepth = 640
  /// Parts of a value that a view computes and that is computed where the view's column is named.
  static let maximumPulledNodes = 40
  /// Subqueries within subqueries, and views within views.
  static let maximumSubqueryDepth = 32
}
