/// Statements about objects other than the rows and the shape of one table.
public enum ObjectStatementSyntax: Hashable, Sendable {
  case comment(CommentSyntax)
  case createSchema(String, ifNotExists: Bool)
  case dropSchemas([String], ifExists: Bool, isCascade: Bool)
  case renameSchema(String, to: String)
  case createDatabase(CreateDatabaseSyntax)
  case dropDatabase(String, ifExists: Bool)
  case renameDatabase(String, to: String)
  case setSchema(SetSchemaSyntax)
  case view(ViewStatementSyntax)
  case type(TypeStatementSyntax)
}

/// `CREATE DATABASE`.
public struct CreateDatabaseSyntax: Hashable, Sendable {
  public struct Option: Hashable, Sendable {
    /// As the grammar calls it: `lc_collate`, `connection_limit`.
    public var name: String
    /// nil: `DEFAULT`.
    public var value: String?
    public var position: Int?

    public init(name: String, value: String?, at position: Int?) {
      self.name = name
      self.value = value
      self.position = position
    }
  }
  public var name: String
  public var ifNotExists = false
  public var options: [Option]

  public init(name: String, options: [Option]) {
    self.name = name
    self.options = options
  }
}

/// Statements about enumerated types.
public enum TypeStatementSyntax: Hashable, Sendable {
  public enum Neighbour: Hashable, Sendable {
    case before(String)
    case after(String)
  }

  case create(RelationNameSyntax, labels: [String])
  case addValue(RelationNameSyntax, String, ifNotExists: Bool, at: Neighbour?)
  case renameValue(RelationNameSyntax, String, to: String)
  case rename(RelationNameSyntax, to: String)
  case setSchema(RelationNameSyntax, String)
  case drop([RelationNameSyntax], ifExists: Bool, isCascade: Bool)
}

/// `COMMENT ON … IS …`.
public struct CommentSyntax: Hashable, Sendable {
  public enum Target: Hashable, Sendable {
    case table(RelationNameSyntax)
    case view(RelationNameSyntax)
    case sequence(RelationNameSyntax)
    case index(RelationNameSyntax)
    case column(RelationNameSyntax, String)
    case constraint(RelationNameSyntax, String)
    case schema(String)
    case database(String)
    case type(RelationNameSyntax)
  }
  public var target: Target
  /// nil: `NULL`.
  public var text: String?

  public init(target: Target, text: String?) {
    self.target = target
    self.text = text
  }
}

/// `ALTER {TABLE | SEQUENCE | VIEW} … SET SCHEMA …`.
public struct SetSchemaSyntax: Hashable, Sendable {
  public var relation: RelationNameSyntax
  public var isSequence: Bool
  public var isView = false
  public var ifExists: Bool
  public var schema: String

  public init(relation: RelationNameSyntax, isSequence: Bool, ifExists: Bool, schema: String) {
    self.relation = relation
    self.isSequence = isSequence
    self.ifExists = ifExists
    self.schema = schema
  }
}
