import Basics
import SQLExpressions
import SQLValues

/// What a scan returns of each entry: decoded by `layout`, kept if `filter` holds, reduced to `outputs`. Evaluated by
/// the storage node, so it holds immutable functions and no parameters (`binding(parameters:)` puts them in).
public struct ScanSpecification: Hashable, Sendable {
  /// The columns decoded; the filter and the outputs name their positions.
  public var layout: RowLayout
  public var filter: Expression?
  /// Positions in the layout, in the order returned; nil returns the layout as it is.
  public var outputs: [Int]?
  /// Return the key of each entry too.
  public var includesKeys: Bool

  public init(layout: RowLayout, filter: Expression? = nil, outputs: [Int]? = nil, includesKeys: Bool = false) {
    self.layout = layout
    self.filter = filter
    self.outputs = outputs
    self.includesKeys = includesKeys
  }

  public var outputCount: Int { outputs?.count ?? layout.columns.count }

  public func encode(into writer: inout ByteWriter) {
    writer.write(1 as UInt8)
    layout.encode(into: &writer)
    writer.write(filter != nil)
    filter?.encode(into: &writer)
    writer.write(outputs != nil)
    if let outputs {
      writer.writeVarint(UInt64(outputs.count))
      for position in outputs { writer.writeVarint(UInt64(clamping: position)) }
    }
    writer.write(includesKeys)
  }

  public var encoded: [UInt8] {
    var writer = ByteWriter(capacity: 128)
    encode(into: &writer)
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    guard try reader.readUInt8() == 1 else { throw reader.failure("unknown form of a scan specification") }
    layout = try RowLayout.decode(from: &reader)
    filter = try reader.readBool() ? try Expression.decode(from: &reader) : nil
    if try reader.readBool() {
      var positions: [Int] = []
      for _ in 0..<(try reader.readCount()) {
        let position = try reader.readVarint()
        guard position < UInt64(layout.columns.count) else { throw reader.failure("output \(position)") }
        positions.append(Int(position))
      }
      outputs = positions
    } else {
      outputs = nil
    }
    includesKeys = try reader.readBool()
    try reader.requireEnd()
  }
}

public enum ScanFailure: Error, Hashable, Sendable {
  /// The stored bytes are damaged.
  case malformed(MalformedBytes)
  /// The filter failed.
  case sql(SQLError)
}

/// Runs a `ScanSpecification` over raw entries; owned by one scan.
public struct ScanEvaluator: Sendable {
  private let specification: ScanSpecification
  private var context: EvaluationContext
  private var row: [Datum] = []
  private var output: [Datum] = []

  public init(_ specification: ScanSpecification, context: EvaluationContext = EvaluationContext()) {
    self.specification = specification
    self.context = context
  }

  public func makeBatch() -> DatumBatch {
    DatumBatch(columnCount: specification.outputCount, hasKeys: specification.includesKeys)
  }

  /// Appends the entry's row to the batch if the filter holds; returns whether it did.
  public mutating func consider(
    key: Span<UInt8>, value: Span<UInt8>, into batch: inout DatumBatch
  ) throws(ScanFailure) -> Bool {
    guard try load(value) else { return false }
    batch.append(output, key: key)
    return true
  }

  /// The row of one entry, or nil if the filter does not hold.
  public mutating func row(for value: Span<UInt8>) throws(ScanFailure) -> [Datum]? {
    try load(value) ? output : nil
  }

  private mutating func load(_ value: Span<UInt8>) throws(ScanFailure) -> Bool {
    do {
      try specification.layout.decode(value, into: &row)
    } catch {
      throw .malformed(error)
    }
    if let filter = specification.filter {
      do {
        guard try filter.holds(row, &context) else { return false }
      } catch {
        throw .sql(error)
      }
    }
    if let positions = specification.outputs {
      output.removeAll(keepingCapacity: true)
      for position in positions { output.append(position < row.count ? row[position] : .null) }
    } else {
      output = row
    }
    return true
  }
}
