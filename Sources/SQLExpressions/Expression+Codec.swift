import Basics
import SQLValues

/// Layout: one tag byte per node, then its parts in declaration order; lists are preceded by their count as varint.
extension Expression {
  private enum Tag: UInt8 {
    case constant = 1
    case column, parameter, call, comparison, and, or, not, isNull, isDistinct, isTruth, inList, conditional, coalesce
    case greatest, least, nullIf, cast
  }

  /// Deeper expressions in bytes from outside are refused, so that evaluation cannot exhaust the stack.
  public static let maximumDepth = 1_000

  public func encode(into writer: inout ByteWriter) {
    func list(_ items: [Expression]) {
      writer.writeVarint(UInt64(items.count))
      for item in items { item.encode(into: &writer) }
    }
    func tag(_ tag: Tag) { writer.write(tag.rawValue) }
    switch self {
    case .constant(let value, let type):
      tag(.constant)
      value.encode(into: &writer)
      type.encode(into: &writer)
    case .column(let position, let type):
      tag(.column)
      writer.writeVarint(UInt64(clamping: position))
      type.encode(into: &writer)
    case .parameter(let position, let type):
      tag(.parameter)
      writer.writeVarint(UInt64(clamping: position))
      type.encode(into: &writer)
    case .call(let function, let arguments, let type):
      tag(.call)
      writer.writeVarint(UInt64(function.rawValue))
      list(arguments)
      type.encode(into: &writer)
    case .comparison(let name, let left, let right):
      tag(.comparison)
      writer.write(name.rawValue)
      left.encode(into: &writer)
      right.encode(into: &writer)
    case .and(let items):
      tag(.and)
      list(items)
    case .or(let items):
      tag(.or)
      list(items)
    case .not(let operand):
      tag(.not)
      operand.encode(into: &writer)
    case .isNull(let operand):
      tag(.isNull)
      operand.encode(into: &writer)
    case .isDistinct(let left, let right):
      tag(.isDistinct)
      left.encode(into: &writer)
      right.encode(into: &writer)
    case .isTruth(let operand, let test):
      tag(.isTruth)
      operand.encode(into: &writer)
      writer.write(test.rawValue)
    case .inList(let operand, let items):
      tag(.inList)
      operand.encode(into: &writer)
      list(items)
    case .conditional(let branches, let otherwise, let type):
      tag(.conditional)
      list(branches.flatMap { [$0.condition, $0.value] })
      writer.write(otherwise != nil)
      otherwise?.encode(into: &writer)
      type.encode(into: &writer)
    case .coalesce(let items, let type):
      tag(.coalesce)
      list(items)
      type.encode(into: &writer)
    case .greatest(let items, let type):
      tag(.greatest)
      list(items)
      type.encode(into: &writer)
    case .least(let items, let type):
      tag(.least)
      list(items)
      type.encode(into: &writer)
    case .nullIf(let left, let right, let type):
      tag(.nullIf)
      left.encode(into: &writer)
      right.encode(into: &writer)
      type.encode(into: &writer)
    case .cast(let operand, let from, let to, let isExplicit):
      tag(.cast)
      operand.encode(into: &writer)
      from.encodeWithLabels(into: &writer)
      to.encodeWithLabels(into: &writer)
      writer.write(isExplicit)
    }
  }

  public var encoded: [UInt8] {
    var writer = ByteWriter()
    encode(into: &writer)
    return writer.bytes
  }

  public init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self = try Self.decode(from: &reader)
    try reader.requireEnd()
  }

  public static func decode(from reader: inout ByteReader) throws(MalformedBytes) -> Expression {
    try decode(from: &reader, depth: 0)
  }

  private static func decode(from reader: inout ByteReader, depth: Int) throws(MalformedBytes) -> Expression {
    guard depth < maximumDepth else { throw reader.failure("expression deeper than \(maximumDepth)") }
    func one() throws(MalformedBytes) -> Expression { try decode(from: &reader, depth: depth + 1) }
    func list() throws(MalformedBytes) -> [Expression] {
      var items: [Expression] = []
      for _ in 0..<(try reader.readCount()) { items.append(try one()) }
      return items
    }
    func position() throws(MalformedBytes) -> Int {
      let value = try reader.readVarint()
      guard value <= 65_535 else { throw reader.failure("position \(value)") }
      return Int(value)
    }
    let raw = try reader.readUInt8()
    guard let tag = Tag(rawValue: raw) else { throw reader.failure("expression tag \(raw)") }
    switch tag {
    case .constant: return .constant(try Datum.decode(from: &reader), try SQLType.decode(from: &reader))
    case .column: return .column(try position(), try SQLType.decode(from: &reader))
    case .parameter: return .parameter(try position(), try SQLType.decode(from: &reader))
    case .call:
      let number = try reader.readVarint()
      guard let function = UInt16(exactly: number).flatMap(FunctionID.init(rawValue:)) else {
        throw reader.failure("function \(number)")
      }
      let arguments = try list()
      guard FunctionTable.accepts(argumentCount: arguments.count, for: function) else {
        throw reader.failure("function \(number) with \(arguments.count) arguments")
      }
      return .call(function, arguments, try SQLType.decode(from: &reader))
    case .comparison:
      let raw = try reader.readUInt8()
      guard let name = ComparisonOperator(rawValue: raw) else { throw reader.failure("comparison \(raw)") }
      return .comparison(name, try one(), try one())
    case .and: return .and(try list())
    case .or: return .or(try list())
    case .not: return .not(try one())
    case .isNull: return .isNull(try one())
    case .isDistinct: return .isDistinct(try one(), try one())
    case .isTruth:
      let operand = try one()
      let raw = try reader.readUInt8()
      guard let test = TruthTest(rawValue: raw) else { throw reader.failure("truth test \(raw)") }
      return .isTruth(operand, test)
    case .inList: return .inList(try one(), try list())
    case .conditional:
      let parts = try list()
      guard parts.count % 2 == 0 else { throw reader.failure("a branch without a value") }
      let branches = stride(from: 0, to: parts.count, by: 2).map {
        ConditionalBranch(condition: parts[$0], value: parts[$0 + 1])
      }
      let otherwise = try reader.readBool() ? try one() : nil
      return .conditional(branches, otherwise: otherwise, try SQLType.decode(from: &reader))
    case .coalesce: return .coalesce(try list(), try SQLType.decode(from: &reader))
    case .greatest: return .greatest(try list(), try SQLType.decode(from: &reader))
    case .least: return .least(try list(), try SQLType.decode(from: &reader))
    case .nullIf: return .nullIf(try one(), try one(), try SQLType.decode(from: &reader))
    case .cast:
      let operand = try one()
      let from = try SQLType.decode(from: &reader)
      let to = try SQLType.decode(from: &reader)
      return .cast(operand, from: from, to: to, isExplicit: try reader.readBool())
    }
  }
}
