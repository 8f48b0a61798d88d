import Basics
import Catalog
import SQLExpressions
import SQLValues

/// Values of columns that are on their way to replace others: prepared once, used for every row.
public struct ColumnConversions: Sendable {
  fileprivate struct Conversion: Sendable {
    let position: Int
    let isWritable: Bool
    let value: Result<Expression, MalformedBytes>
  }

  private let conversions: [Conversion]

  /// `rowColumns[i]` is the column whose value stands at position i of the rows to come.
  public init(of table: TableDescriptor, over rowColumns: [ColumnID]) {
    conversions = rowColumns.enumerated().compactMap { position, id in
      guard let column = table.column(id), let conversion = column.conversion else { return nil }
      return Conversion(
        position: position, isWritable: column.state.isWritable, value: conversion.bound(to: rowColumns))
    }
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
  fileprivate func evaluate(_ row: [Datum], _ context: inout EvaluationContext) throws(SQLError) -> Datum {
    switch value {
    case .success(let expression): try expression.evaluate(row, &context)
    case .failure(let error):
      throw SQLError(.dataCorrupted, "a column's conversion cannot be read", detail: error.reason)
    }
  }
}
