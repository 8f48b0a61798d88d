public struct InsertStatement: Hashable, Sendable {
  public enum Source: Hashable, Sendable {
    case defaultValues
    /// `VALUES` lists and queries alike.
    case query(SelectStatement)
  }
  public var table: RelationNameSyntax
  public var alias: String?
  /// Empty: all columns in their order.
  public var columns: [InsertColumn]
  public var source: Source
  public var overriding: Overriding?
  public var conflict: ConflictAction?
  public var returning: [SelectTarget]

  public init(
    table: RelationNameSyntax, alias: String? = nil, columns: [InsertColumn], source: Source,
    overriding: Overriding? = nil, conflict: ConflictAction? = nil, returning: [SelectTarget] = []
  ) {
    self.table = table
    self.alias = alias
    self.columns = columns
    self.source = source
    self.overriding = overriding
    self.conflict = conflict
    self.returning = returning
  }
}

/// What happens with values given to identity columns.
public enum Overriding: Hashable, Sendable {
  /// They are taken, whatever the column says.
  case systemValue
  /// They are not: the sequence's are.
  case userValue
}

public struct InsertColumn: Hashable, Sendable {
  public var name: String
  public var position: Int?

  public init(_ name: String, at position: Int? = nil) {
    self.name = name
    self.position = position
  }
}

/// `ON CONFLICT … DO NOTHING`.
public struct ConflictAction: Hashable, Sendable {
  public enum Target: Hashable, Sendable {
    case anyUnique
    case columns([String])
    case constraint(String)
  }
  public var target: Target
  /// `WHERE` behind the columns: partial indexes whose predicate it implies are meant too.
  public var predicate: ExpressionSyntax?
  public var position: Int?

  public init(target: Target, predicate: ExpressionSyntax? = nil, at position: Int? = nil) {
    self.target = target
    self.predicate = predicate
    self.position = position
  }
}

public struct UpdateStatement: Hashable, Sendable {
  public var table: RelationNameSyntax
  public var alias: String?
  public var assignments: [Assignment]
  public var filter: ExpressionSyntax?
  public var returning: [SelectTarget]

  public init(
    table: RelationNameSyntax, alias: String? = nil, assignments: [Assignment], filter: ExpressionSyntax? = nil,
    returning: [SelectTarget] = []
  ) {
    self.table = table
    self.alias = alias
    self.assignments = assignments
    self.filter = filter
    self.returning = returning
  }
}

public struct Assignment: Hashable, Sendable {
  public var column: String
  public var value: ExpressionSyntax
  public var position: Int?

  public init(column: String, value: ExpressionSyntax, at position: Int? = nil) {
    self.column = column
    self.value = value
    self.position = position
  }
}

public struct DeleteStatement: Hashable, Sendable {
  public var table: RelationNameSyntax
  public var alias: String?
  public var filter: ExpressionSyntax?
  public var returning: [SelectTarget]

  public init(
    table: RelationNameSyntax, alias: String? = nil, filter: ExpressionSyntax? = nil, returning: [SelectTarget] = []
  ) {
    self.table = table
    self.alias = alias
    self.filter = filter
    self.returning = returning
  }
}
