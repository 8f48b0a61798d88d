public struct CreateTableStatement: Hashable, Sendable {
  public var table: RelationNameSyntax
  public var ifNotExists: Bool
  public var columns: [ColumnSyntax]
  public var constraints: [TableConstraintSyntax]
  /// In the order of writing.
  public var likes: [TableLikeSyntax]

  public init(
    table: RelationNameSyntax, ifNotExists: Bool, columns: [ColumnSyntax], constraints: [TableConstraintSyntax],
    likes: [TableLikeSyntax] = []
  ) {
    self.table = table
    self.ifNotExists = ifNotExists
    self.columns = columns
    self.constraints = constraints
    self.likes = likes
  }
}

/// `CREATE TABLE … AS query`, also written `SELECT … INTO`.
public struct CreateTableAsStatement: Hashable, Sendable {
  public var table: RelationNameSyntax
  public var ifNotExists: Bool
  /// Of the first columns; the rest is named by the query.
  public var columnNames: [String]
  public var query: SelectStatement
  /// Not: `WITH NO DATA`.
  public var hasData: Bool

  public init(
    table: RelationNameSyntax, ifNotExists: Bool = false, columnNames: [String] = [], query: SelectStatement,
    hasData: Bool = true
  ) {
    self.table = table
    self.ifNotExists = ifNotExists
    self.columnNames = columnNames
    self.query = query
    self.hasData = hasData
  }
}

/// `LIKE table INCLUDING …`, among the columns of a new table.
public struct TableLikeSyntax: Hashable, Sendable {
  public struct Options: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    public static let comments = Options(rawValue: 1)
    public static let constraints = Options(rawValue: 2)
    public static let defaults = Options(rawValue: 4)
    public static let identity = Options(rawValue: 8)
    public static let indexes = Options(rawValue: 16)
    public static let generated = Options(rawValue: 32)
  }
  public var table: RelationNameSyntax
  public var options: Options
  /// Columns written before it.
  public var columnCount: Int

  public init(table: RelationNameSyntax, options: Options, columnCount: Int) {
    self.table = table
    self.options = options
    self.columnCount = columnCount
  }
}

public struct ColumnSyntax: Hashable, Sendable {
  public var name: String
  public var type: TypeNameSyntax
  public var constraints: [ColumnConstraintSyntax]
  public var position: Int?

  public init(name: String, type: TypeNameSyntax, constraints: [ColumnConstraintSyntax], at position: Int? = nil) {
    self.name = name
    self.type = type
    self.constraints = constraints
    self.position = position
  }
}

public struct ColumnConstraintSyntax: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case null
    case notNull
    case defaultValue(ExpressionSyntax)
    case primaryKey
    case unique
    case check(ExpressionSyntax)
    case references(ForeignKeySyntax)
    /// `GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY`.
    case identity(isAlways: Bool, SequenceOptionsSyntax)
    /// `GENERATED ALWAYS AS (…) STORED`.
    case generated(ExpressionSyntax)
  }
  public var name: String?
  public var kind: Kind
  public var position: Int?

  public init(name: String?, kind: Kind, at position: Int? = nil) {
    self.name = name
    self.kind = kind
    self.position = position
  }
}

/// `REFERENCES table (columns) ON DELETE … ON UPDATE …`.
public struct ForeignKeySyntax: Hashable, Sendable {
  public enum Action: Hashable, Sendable {
    case noAction
    case restrict
    case cascade
    case setNull
    case setDefault
  }
  public var table: RelationNameSyntax
  /// Empty: the primary key.
  public var columns: [String]
  public var onDelete: Action
  public var onUpdate: Action
  /// Not (`NOT VALID`): existing rows are not looked at.
  public var isValidated: Bool

  public init(
    table: RelationNameSyntax, columns: [String], onDelete: Action, onUpdate: Action, isValidated: Bool = true
  ) {
    self.table = table
    self.columns = columns
    self.onDelete = onDelete
    self.onUpdate = onUpdate
    self.isValidated = isValidated
  }
}

public struct TableConstraintSyntax: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case primaryKey([String])
    case unique([String])
    /// Not `isValidated` (`NOT VALID`): existing rows are not looked at.
    case check(ExpressionSyntax, isValidated: Bool)
    case foreignKey([String], ForeignKeySyntax)
  }
  public var name: String?
  public var kind: Kind
  public var position: Int?

  public init(name: String?, kind: Kind, at position: Int? = nil) {
    self.name = name
    self.kind = kind
    self.position = position
  }
}

public struct AlterTableStatement: Hashable, Sendable {
  public enum Change: Hashable, Sendable {
    case addColumn(ColumnSyntax, ifNotExists: Bool)
    case dropColumn(String, ifExists: Bool, isCascade: Bool = false)
    /// nil: `DROP DEFAULT`.
    case setDefault(String, ExpressionSyntax?)
    /// nil: the cast.
    case setType(String, TypeNameSyntax, using: ExpressionSyntax?)
    case setNotNull(String)
    case dropNotNull(String)
    case addConstraint(TableConstraintSyntax)
    case validateConstraint(String)
    case dropConstraint(String, ifExists: Bool, isCascade: Bool = false)
    case dropExpression(String, ifExists: Bool)
  }
  public var table: RelationNameSyntax
  public var ifExists: Bool
  public var changes: [Change]

  public init(table: RelationNameSyntax, ifExists: Bool, changes: [Change]) {
    self.table = table
    self.ifExists = ifExists
    self.changes = changes
  }
}

public struct RenameStatement: Hashable, Sendable {
  public enum Object: Hashable, Sendable {
    case table
    case index
    case column(String)
    case constraint(String)
    case sequence
  }
  public var object: Object
  public var relation: RelationNameSyntax
  public var newName: String
  public var ifExists: Bool

  public init(object: Object, relation: RelationNameSyntax, newName: String, ifExists: Bool) {
    self.object = object
    self.relation = relation
    self.newName = newName
    self.ifExists = ifExists
  }
}

public struct CreateIndexStatement: Hashable, Sendable {
  public var name: String?
  public var table: RelationNameSyntax
  public var isUnique: Bool
  public var ifNotExists: Bool
  public var keyColumns: [IndexKeySyntax]
  public var storedColumns: [String]
  public var predicate: ExpressionSyntax?
  /// `WITH (visible = …)`.
  public var isVisible: Bool

  public init(
    name: String?, table: RelationNameSyntax, isUnique: Bool, ifNotExists: Bool, keyColumns: [IndexKeySyntax],
    storedColumns: [String], predicate: ExpressionSyntax? = nil, isVisible: Bool = true
  ) {
    self.name = name
    self.table = table
    self.isUnique = isUnique
    self.ifNotExists = ifNotExists
    self.keyColumns = keyColumns
    self.storedColumns = storedColumns
    self.predicate = predicate
    self.isVisible = isVisible
  }
}

/// `ALTER INDEX … SET (visible = …)`, or `RESET (visible)`.
public struct AlterIndexStatement: Hashable, Sendable {
  public var index: RelationNameSyntax
  public var ifExists: Bool
  public var isVisible: Bool

  public init(index: RelationNameSyntax, ifExists: Bool, isVisible: Bool) {
    self.index = index
    self.ifExists = ifExists
    self.isVisible = isVisible
  }
}

public struct IndexKeySyntax: Hashable, Sendable {
  /// Empty for an expression.
  public var column: String
  public var isDescending: Bool
  public var expression: ExpressionSyntax?

  public init(column: String, isDescending: Bool, expression: ExpressionSyntax? = nil) {
    self.column = column
    self.isDescending = isDescending
    self.expression = expression
  }
}

/// `DROP TABLE`, `DROP INDEX` or `DROP SEQUENCE`.
public struct DropStatement: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case table, index, sequence }
  public var kind: Kind
  public var names: [RelationNameSyntax]
  public var ifExists: Bool
  public var isCascade: Bool

  public init(kind: Kind, names: [RelationNameSyntax], ifExists: Bool, isCascade: Bool) {
    self.kind = kind
    self.names = names
    self.ifExists = ifExists
    self.isCascade = isCascade
  }
}
