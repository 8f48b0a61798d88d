import Basics
import SQLValues

extension SequenceDescriptor {
  public func encode(into writer: inout ByteWriter) {
    writer.field(1) { type.encode(into: &$0) }
    writer.field(2, signed: start)
    writer.field(3, signed: increment)
    writer.field(4, signed: minimum)
    writer.field(5, signed: maximum)
    writer.field(6, signed: cache)
    writer.field(7, isCycling)
    writer.field(8, generation)
    writer.field(9, signed: initialState.lastValue)
    writer.field(10, initialState.isCalled)
    if let owner {
      writer.field(11) {
        $0.field(1, owner.table)
        $0.field(2, owner.column)
        $0.field(3, owner.isIdentity)
      }
    }
  }

  public init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init()
    while let field = try reader.nextField() {
      switch field.number {
      case 1:
        var nested = try field.reader()
        type = try SQLType.decode(from: &nested)
      case 2: start = try field.signed()
      case 3: increment = try field.signed()
      case 4: minimum = try field.signed()
      case 5: maximum = try field.signed()
      case 6: cache = try field.signed()
      case 7: isCycling = try field.boolean()
      case 8: generation = try field.integer()
      case 9: initialState.lastValue = try field.signed()
      case 10: initialState.isCalled = try field.boolean()
      case 11:
        var nested = try field.reader()
        var found = SequenceOwner(table: TableID(0), column: ColumnID(0))
        while let part = try nested.nextField() {
          switch part.number {
          case 1: found.table = try part.identifier()
          case 2: found.column = try part.identifier()
          case 3: found.isIdentity = try part.boolean()
          default: break
          }
        }
        owner = found
      default: break
      }
    }
    guard increment != 0, minimum < maximum, cache > 0 else { throw reader.failure("contradictory sequence") }
  }
}
