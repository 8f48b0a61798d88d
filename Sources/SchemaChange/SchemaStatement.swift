import Basics
import Catalog
import SQLExpressions
import SQLValues

/// A DDL statement after the gateway has resolved types and evaluated constants; names are still names, so that the
/// metadata leader resolves them against the newest catalog.
public enum SchemaStatement: Hashable, Sendable {
  case createTable(CreateTable)
  case dropTables(names: [ObjectName], ifExists: Bool, isCascade: Bool = false)
  /// `restartsIdentity`: the sequences of their columns begin again.
  case truncateTables(names: [ObjectName], restartsIdentity: Bool = false)
  case renameTable(ObjectName, to: String, ifExists: Bool)
  case alterTable(ObjectName, ifExists: Bool, changes: [TableAlteration])
  case createIndex(CreateIndex)
  case dropIndexes(names: [ObjectName], ifExists: Bool, isCascade: Bool = false)
  case renameIndex(ObjectName, to: String, ifExists: Bool)
  /// `ALTER INDEX … SET (visible = …)`.
  case setIndexVisibility(ObjectName, ifExists: Bool, isVisible: Bool)
  case createSequence(ObjectName, ifNotExists: Bool, SequenceOptions)
  case alterSequence(ObjectName, ifExists: Bool, SequenceOptions)
  case renameSequence(ObjectName, to: String, ifExists: Bool)
  case dropSequences(names: [ObjectName], ifExists: Bool, isCascade: Bool)
  /// Brings back what was dropped.
  case undrop(Undrop)
  /// Takes back what a finished job changed.
  case revertJob(JobID)
  case comment(CommentStatement)
  case namespace(NamespaceStatement)
  case database(DatabaseStatement)
  case setSchema(SetSchemaStatement)
  case view(ViewStatement)
  case type(TypeStatement)
  /// All or nothing, visible together.
  case transaction(SchemaTransaction)
}

extension SchemaStatement {
  /// Those that defaults bound at the gateway take values from.
  public var boundSequences: [TableID] {
    switch self {
    case .createTable(let create): create.columns.flatMap(\.sequences)
    case .alterTable(_, _, let changes):
      changes.flatMap { change -> [TableID] in
        switch change {
        case .addColumn(let column, _): column.sequences
        case .setDefault(_, _, _, let sequences): sequences
        default: []
        }
      }
    default: []
    }
  }

  /// With those under other ids: those of a draft are not those of the catalog. `id` is nil for one that stays as it is.
  func renumberingSequences(_ id: (TableID) -> TableID?) -> SchemaStatement {
    if boundSequences.allSatisfy({ id($0) == nil }) { return self }
    func bytes(_ encoded: [UInt8]?) -> [UInt8]? {
      guard let encoded, let expression = try? Expression(decoding: encoded) else { return encoded }
      return expression.renumberingSequences { number in
        UInt64(exactly: number).flatMap { id(TableID(rawValue: $0)) }.map { Int64(clamping: $0.rawValue) }
      }.encoded
    }
    func column(_ definition: ColumnDefinition) -> ColumnDefinition {
      var changed = definition
      changed.defaultExpression = bytes(definition.defaultExpression)
      changed.sequences = definition.sequences.map { id($0) ?? $0 }
      return changed
    }
    switch self {
    case .createTable(var create):
      create.columns = create.columns.map(column)
      return .createTable(create)
    case .alterTable(let name, let ifExists, let changes):
      let changed = changes.map { change -> TableAlteration in
        switch change {
        case .addColumn(let definition, let ifNotExists):
          .addColumn(column(definition), ifNotExists: ifNotExists)
        case .setDefault(let name, let expression, let text, let sequences):
          .setDefault(
            column: name, expression: bytes(expression), text: text, sequences: sequences.map { id($0) ?? $0 })
        default: change
        }
      }
      return .alterTable(name, ifExists: ifExists, changes: changed)
    default: return self
    }
  }
}

/// `schema.name`; the schema defaults to `public`.
public struct ObjectName: Hashable, Sendable, CustomStringConvertible {
  public var schema: String
  public var name: String
  /// The schema is the one that the search path led to; messages leave it out then.
  public var isFromSearchPath: Bool

  public init(schema: String = "public", name: String, isFromSearchPath: Bool = false) {
    self.schema = schema
    self.name = name
    self.isFromSearchPath = isFromSearchPath
  }

  public var description: String { schema == "public" || isFromSearchPath ? name : "\(schema).\(name)" }
}

public struct CreateTable: Hashable, Sendable {
  public var name: ObjectName
  public var ifNotExists: Bool
  public var columns: [ColumnDefinition]
  /// Column names; empty means the hidden row id.
  public var primaryKey: [String]
  public var primaryKeyName: String?
  /// `UNIQUE` constraints, inline and of the table: each becomes a unique index.
  public var uniqueConstraints: [UniqueConstraint]
  public var checks: [CheckDefinition]
  public var foreignKeys: [ForeignKeyDefinition]
  /// Besides those of constraints.
  public var indexes: [CreateIndex] = []

  public init(
    name: ObjectName, ifNotExists: Bool, columns: [ColumnDefinition], primaryKey: [String],
    primaryKeyName: String? = nil, uniqueConstraints: [UniqueConstraint] = [], checks: [CheckDefinition] = [],
    foreignKeys: [ForeignKeyDefinition] = []
  ) {
    self.name = name
    self.ifNotExists = ifNotExists
    self.columns = columns
    self.primaryKey = primaryKey
    self.primaryKeyName = primaryKeyName
    self.uniqueConstraints = uniqueConstraints
    self.checks = checks
    self.foreignKeys = foreignKeys
  }
}

/// An expression over columns that are still names.
public struct RowExpressionDefinition: Hashable, Sendable {
  public struct Column: Hashable, Sendable {
    public var name: String
    public var type: SQLType

    public init(name: String, type: SQLType) {
      self.name = name
      self.type = type
    }
  }
  /// What the expression's positions stand for.
  public var columns: [Column]
  /// Encoded (module SQLExpressions); calls immutable functions only.
  public var expression: [UInt8]

  public init(columns: [Column], expression: [UInt8]) {
    self.columns = columns
    self.expression = expression
  }
}

/// `CHECK (…)`.
public struct CheckDefinition: Hashable, Sendable {
  /// nil: made up of the table's and, if it reads only one, the column's name.
  public var name: String?
  /// Of type boolean.
  public var rule: RowExpressionDefinition
  public var comment: String?

  public init(name: String?, rule: RowExpressionDefinition) {
    self.name = name
    self.rule = rule
  }
}

/// `FOREIGN KEY (…) REFERENCES …`, or `REFERENCES …` of a column.
public struct ForeignKeyDefinition: Hashable, Sendable {
  /// nil: `table_column_fkey`.
  public var name: String?
  public var columns: [String]
  public var referencedTable: ObjectName
  /// Empty: the primary key.
  public var referencedColumns: [String]
  public var onDelete: ReferentialAction
  public var onUpdate: ReferentialAction

  public init(
    name: String?, columns: [String], referencedTable: ObjectName, referencedColumns: [String] = [],
    onDelete: ReferentialAction = .noAction, onUpdate: ReferentialAction = .noAction
  ) {
    self.name = name
    self.columns = columns
    self.referencedTable = referencedTable
    self.referencedColumns = referencedColumns
    self.onDelete = onDelete
    self.onUpdate = onUpdate
  }
}

/// `ALTER COLUMN … TYPE … [USING …]`.
public struct TypeChange: Hashable, Sendable {
  public var column: String
  public var type: SQLType
  /// The new value, of the new type.
  public var conversion: RowExpressionDefinition
  /// Not: the conversion is the cast.
  public var hasUsing: Bool
  /// What the statement was made for; another one in force is a conflict.
  public var oldDefault: [UInt8]?
  public var newDefault: [UInt8]?
  public var newDefaultText: String?

  public init(
    column: String, type: SQLType, conversion: RowExpressionDefinition, hasUsing: Bool, oldDefault: [UInt8]? = nil,
    newDefault: [UInt8]? = nil, newDefaultText: String? = nil
  ) {
    self.column = column
    self.type = type
    self.conversion = conversion
    self.hasUsing = hasUsing
    self.oldDefault = oldDefault
    self.newDefault = newDefault
    self.newDefaultText = newDefaultText
  }
}

public struct UniqueConstraint: Hashable, Sendable {
  public var name: String?
  public var columns: [String]

  public init(name: String?, columns: [String]) {
    self.name = name
    self.columns = columns
  }
}

public struct ColumnDefinition: Hashable, Sendable {
  public var name: String
  public var type: SQLType
  public var isNullable: Bool
  /// Encoded expression for later inserts, with its text.
  public var defaultExpression: [UInt8]?
  public var defaultText: String?
  /// The default's value if it is a constant: what existing rows read when the column is added to a table.
  public var constantDefault: Datum?
  /// Those that `defaultExpression` takes values from, ascending.
  public var sequences: [TableID]
  /// A sequence of its own: serial or identity. Then there is no `defaultExpression`.
  public var generator: ColumnGenerator?
  /// `GENERATED ALWAYS AS (…) STORED`, of the column's type. Then there is no `defaultExpression`; `defaultText` is its text.
  public var generation: RowExpressionDefinition?
  public var comment: String?

  public init(
    name: String, type: SQLType, isNullable: Bool = true, defaultExpression: [UInt8]? = nil,
    defaultText: String? = nil, constantDefault: Datum? = nil, sequences: [TableID] = [],
    generator: ColumnGenerator? = nil, generation: RowExpressionDefinition? = nil
  ) {
    self.name = name
    self.type = type
    self.isNullable = isNullable
    self.defaultExpression = defaultExpression
    self.defaultText = defaultText
    self.constantDefault = constantDefault
    self.sequences = sequences
    self.generator = generator
    self.generation = generation
  }
}

public enum TableAlteration: Hashable, Sendable {
  case addColumn(ColumnDefinition, ifNotExists: Bool)
  case dropColumn(name: String, ifExists: Bool, isCascade: Bool = false)
  case renameColumn(name: String, to: String)
  /// For later inserts: encoded expression with its text; nil: NULL.
  case setDefault(column: String, expression: [UInt8]?, text: String?, sequences: [TableID] = [])
  case setType(TypeChange)
  case setNotNull(column: String)
  case dropNotNull(column: String)
  /// Not `isValidated`: existing rows are not looked at.
  case addCheck(CheckDefinition, isValidated: Bool)
  case addUnique(UniqueConstraint)
  /// Not `isValidated`: existing rows are not looked at.
  case addForeignKey(ForeignKeyDefinition, isValidated: Bool)
  case addPrimaryKey(UniqueConstraint)
  case validateConstraint(name: String)
  case dropConstraint(name: String, ifExists: Bool, isCascade: Bool = false)
  case renameConstraint(name: String, to: String)
  /// `ALTER COLUMN … DROP EXPRESSION`.
  case dropGeneration(column: String, ifExists: Bool)
}

public struct CreateIndex: Hashable, Sendable {
  /// nil: `table_column_idx`, with a number where that is taken.
  public var name: String?
  public var ifNotExists: Bool
  public var table: ObjectName
  public var isUnique: Bool
  public var keyColumns: [IndexColumnDefinition]
  public var storedColumns: [String]
  /// Of type boolean; nil: every row has an entry.
  public var predicate: RowExpressionDefinition?
  public var isVisible: Bool
  public var comment: String?

  public init(
    name: String?, ifNotExists: Bool, table: ObjectName, isUnique: Bool, keyColumns: [IndexColumnDefinition],
    storedColumns: [String] = [], predicate: RowExpressionDefinition? = nil, isVisible: Bool = true
  ) {
    self.name = name
    self.ifNotExists = ifNotExists
    self.table = table
    self.isUnique = isUnique
    self.keyColumns = keyColumns
    self.storedColumns = storedColumns
    self.predicate = predicate
    self.isVisible = isVisible
  }
}

public struct IndexColumnDefinition: Hashable, Sendable {
  /// Of an expression: what the index is named after.
  public var columnName: String
  public var isDescending: Bool
  /// nil: the column.
  public var expression: IndexExpressionDefinition?

  public init(columnName: String, isDescending: Bool = false, expression: IndexExpressionDefinition? = nil) {
    self.columnName = columnName
    self.isDescending = isDescending
    self.expression = expression
  }
}

public struct IndexExpressionDefinition: Hashable, Sendable {
  public var value: RowExpressionDefinition
  public var type: SQLType
  /// For people.
  public var text: String

  public init(value: RowExpressionDefinition, type: SQLType, text: String) {
    self.value = value
    self.type = type
    self.text = text
  }
}
