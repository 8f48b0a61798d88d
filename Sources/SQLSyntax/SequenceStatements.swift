/// The options of `CREATE SEQUENCE`, `ALTER SEQUENCE` and identity columns; nil is "not said".
public struct SequenceOptionsSyntax: Hashable, Sendable {
  public enum Bound: Hashable, Sendable {
    /// `NO MINVALUE`, `NO MAXVALUE`.
    case none
    case value(Int64)
  }
  public enum Restart: Hashable, Sendable {
    case atStart
    case value(Int64)
  }
  public enum Owner: Hashable, Sendable {
    case none
    case column(table: RelationNameSyntax, name: String)
  }
  public var type: TypeNameSyntax?
  public var increment: Int64?
  public var minimum: Bound?
  public var maximum: Bound?
  public var start: Int64?
  public var restart: Restart?
  public var cache: Int64?
  public var isCycling: Bool?
  public var owner: Owner?

  public init() {}
}

public struct CreateSequenceStatement: Hashable, Sendable {
  public var name: RelationNameSyntax
  public var ifNotExists: Bool
  public var options: SequenceOptionsSyntax

  public init(name: RelationNameSyntax, ifNotExists: Bool, options: SequenceOptionsSyntax) {
    self.name = name
    self.ifNotExists = ifNotExists
    self.options = options
  }
}

public struct AlterSequenceStatement: Hashable, Sendable {
  public var name: RelationNameSyntax
  public var ifExists: Bool
  public var options: SequenceOptionsSyntax

  public init(name: RelationNameSyntax, ifExists: Bool, options: SequenceOptionsSyntax) {
    self.name = name
    self.ifExists = ifExists
    self.options = options
  }
}
