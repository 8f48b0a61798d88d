import Basics

extension Datum {
  /// The value converted from one type to another, with the target's modifiers applied.
  public func cast(from: SQLType, to: SQLType, isExplicit: Bool) throws(SQLError) -> Datum {
    if isNull || from == to { return self }
    throw .unsupported("cast from \(from) to \(to)")
  }

  public static func containsDateTimeWord(_ text: String) -> Bool { false }
}

extension Datum {
  /// As PostgreSQL prints a value of the type; empty for NULL.
  public func text(as type: SQLType) -> String { "" }
}
