import Basics
import Catalog
import SQLValues

extension TableDescriptor {
  /// For messages: `(a, b)=(1, 2)`.
  public func text(ofKey ids: [ColumnID], _ values: [Datum]) -> String {
    let columns = ids.map { column($0) }
    let names = columns.map { $0?.name ?? "?" }.joined(separator: ", ")
    let texts = zip(columns, values).map { column, value in
      value.isNull ? "null" : value.text(as: column?.type ?? .text)
    }
    return "(\(names))=(\(texts.joined(separator: ", ")))"
  }

  /// 23503, in PostgreSQL's words: a row of this table refers to one that is not there. `values`: of the foreign key's columns.
  public func missingReference(
    constraint: String, _ rule: ForeignKeyRule, _ values: [Datum], referenced: String
  ) -> SQLError {
    SQLError(
      .foreignKeyViolation,
      "insert or update on table \"\(name)\" violates foreign key constraint \"\(constraint)\"",
      detail: "Key \(text(ofKey: rule.columns, values)) is not present in table \"\(referenced)\".",
      tableName: name, constraintName: constraint)
  }
}
