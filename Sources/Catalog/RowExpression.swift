import Basics

/// An expression over columns of one row: what a CHECK demands, what a column is converted by.
public struct RowExpression: Hashable, Sendable {
  /// The columns that the expression's positions stand for.
  public var columns: [ColumnID]
  /// Encoded expression (module SQLExpressions); calls immutable functions only.
  public var expression: [UInt8]

  public init(columns: [ColumnID], expression: [UInt8]) {
    self.columns = columns
    self.expression = expression
  }
}

extension RowExpression {
  public func encode(into writer: inout ByteWriter) {
    for column in columns { writer.field(1, column) }
    writer.field(2, expression)
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    self.init(columns: [], expression: [])
    while let field = try reader.nextField() {
      switch field.number {
      case 1: columns.append(try field.identifier())
      case 2: expression = try field.bytes()
      default: break
      }
    }
  }
}
