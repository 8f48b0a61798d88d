import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Values of columns that are on their way to replace others or that indexes compute: prepared once, used for every row.
public struct ColumnConversions: Sendable {
  fileprivate struct Conversion: Sendable {
    let position: Int
    let isWritable: Bool
    let value: Result<Expression, MalformedBytes>
    /// Nobody needs the value where none of them is true; nil: it is always needed.
    let predicates: [Result<Expression, MalformedBytes>]?
  }

  private let conversions: [Conversion]

  /// `rowColumns[i]` is the column whose value stands at position i of the rows to come.
  public init(of table: TableDescriptor, over rowColumns: [ColumnID]) {
    let found = rowColumns.enumerated().compactMap { position, id -> (isComputed: Bool, conversion: Conversion)? in
      guard let column = table.column(id), let conversion = column.conversion else { return nil }
      let prepared = Conversion(
        position: position, isWritable: column.state.isWritable, value: conversion.bound(to: rowColumns),
        predicates: Self.predicates(of: column, in: table)?.map { $0.bound(to: rowColumns) })
      return (column.isComputed, prepared)
    }
    // An index that comes with a converted column computes its expressions from that.
    conversions = (found.filter { !$0.isComputed } + found.filter(\.isComputed)).map(\.conversion)
  }

  /// Those of the indexes that compute the column; nil unless all of them are partial.
  private static func predicates(of column: ColumnDescriptor, in table: TableDescriptor) -> [RowExpression]? {
    guard column.isComputed else { return nil }
    var predicates: [RowExpression] = []
    for index in table.indexes where index.keyColumns.contains(where: { $0.columnID == column.id }) {
      guard let predicate = index.predicate else { return nil }
      predicates.append(predicate)
    }
    return predicates
  }

  public var isEmpty: Bool { conversions.isEmpty }

  /// For a row that is to be written: a value that has no counterpart is an error, unless nobody needs it any more.
  public func fill(_ row: inout [Datum], _ context: inout EvaluationContext) throws(SQLError) {
    for conversion in conversions {
      do throws(SQLError) {
        row[conversion.position] = try conversion.evaluate(row, &context)
      } catch {
        if conversion.isWritable { throw error }
        row[conversion.position] = .null
      }
    }
  }

  /// For a row that was found when the conversion came: names it when it has no new value.
  ///
  /// - Parameter row: of all columns of the table, in their order.
  public func fill(_ row: inout [Datum], of table: TableDescriptor, _ context: inout EvaluationContext) throws(SQLError)
  {
    if isEmpty { return }
    do throws(SQLError) {
      try fill(&row, &context)
    } catch {
      var named = error
      named.detail = "Failing row contains \(table.text(ofRow: row))."
      throw named
    }
  }

  /// For a row that exists: it may be older than the conversion, and then has no entry that could be missed.
  public func fillExisting(_ row: inout [Datum], _ context: inout EvaluationContext) {
    for conversion in conversions {
      row[conversion.position] = (try? conversion.evaluate(row, &context)) ?? .null
    }
  }
}

extension ColumnConversions.Conversion {
  /// NULL where no index has an entry with the value: as in PostgreSQL, the predicate is asked first, and may keep away rows for
  /// which the expression fails.
  fileprivate func evaluate(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Datum {
    guard let predicates else { return try Self.evaluate(value, row, &context) }
    for predicate in predicates where try Self.evaluate(predicate, row, &context) == .boolean(true) {
      return try Self.evaluate(value, row, &context)
    }
    return .null
  }

  private static func evaluate(
    _ stored: Result<Expression, MalformedBytes>, _ row: [Datum], _ context: inout EvaluationContext
  ) throws(SQLError) -> Datum {
    switch stored {
    case .success(let expression): return try expression.evaluate(row, &context)
    case .failure(let error):
      throw SQLError(.dataCorrupted, "a column's conversion cannot be read", detail: error.reason)
    }
  }
}
