/// Object ids of PostgreSQL's built-in types (pg_type.dat), with their storage length in bytes (-1: variable).
public struct TypeObjectIdentifier: Hashable, Sendable {
  public let id: UInt32
  public let lengthBytes: Int16

  public init(_ id: UInt32, lengthBytes: Int16) {
    self.id = id
    self.lengthBytes = lengthBytes
  }

  public static let boolean = TypeObjectIdentifier(16, lengthBytes: 1)
  public static let bytea = TypeObjectIdentifier(17, lengthBytes: -1)
  public static let name = TypeObjectIdentifier(19, lengthBytes: 64)
  public static let int8 = TypeObjectIdentifier(20, lengthBytes: 8)
  public static let int2 = TypeObjectIdentifier(21, lengthBytes: 2)
  public static let int4 = TypeObjectIdentifier(23, lengthBytes: 4)
  public static let text = TypeObjectIdentifier(25, lengthBytes: -1)
  public static let oid = TypeObjectIdentifier(26, lengthBytes: 4)
  public static let float4 = TypeObjectIdentifier(700, lengthBytes: 4)
  public static let float8 = TypeObjectIdentifier(701, lengthBytes: 8)
  public static let unknown = TypeObjectIdentifier(705, lengthBytes: -2)
  public static let character = TypeObjectIdentifier(1042, lengthBytes: -1)
  public static let varchar = TypeObjectIdentifier(1043, lengthBytes: -1)
  public static let date = TypeObjectIdentifier(1082, lengthBytes: 4)
  public static let timestamp = TypeObjectIdentifier(1114, lengthBytes: 8)
  public static let timestampWithTimeZone = TypeObjectIdentifier(1184, lengthBytes: 8)
  public static let interval = TypeObjectIdentifier(1186, lengthBytes: 16)
  public static let numeric = TypeObjectIdentifier(1700, lengthBytes: -1)
  public static let void = TypeObjectIdentifier(2278, lengthBytes: 4)
  public static let uuid = TypeObjectIdentifier(2950, lengthBytes: 16)
}
