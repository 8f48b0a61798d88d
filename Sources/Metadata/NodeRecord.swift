import Basics

public enum NodeRole: UInt8, Hashable, Sendable {
  case unspecified = 0
  case metadata = 1
  case gateway = 2
  case storage = 3
  case ack = 4

  /// Whether a barrier waits for it: who reads or writes rows by the catalog.
  public var usesSchema: Bool { self == .gateway || self == .storage }
}

/// A process that has registered, and how others reach it. Addresses are `host:port`, empty where the role has none.
public struct NodeRecord: Hashable, Sendable {
  public var id: NodeID
  public var name: String
  public var role: NodeRole
  /// Of its newest session.
  public var epoch: SessionEpoch
  /// False once the metadata leader has ended the session.
  public var isLive: Bool
  public var rpcAddress: String
  public var sqlAddress: String
  public var httpAddress: String

  /// Names and addresses are cut to this.
  public static let maximumTextBytes = 256

  public init(
    id: NodeID, name: String, role: NodeRole, epoch: SessionEpoch = SessionEpoch(0), isLive: Bool = false,
    rpcAddress: String = "", sqlAddress: String = "", httpAddress: String = ""
  ) {
    self.id = id
    self.name = name
    self.role = role
    self.epoch = epoch
    self.isLive = isLive
    self.rpcAddress = rpcAddress
    self.sqlAddress = sqlAddress
    self.httpAddress = httpAddress
  }

  func encode(into writer: inout ByteWriter) {
    writer.field(1, id)
    writer.field(2, name)
    writer.field(3, UInt64(role.rawValue))
    writer.field(4, epoch)
    writer.field(5, isLive)
    writer.field(6, rpcAddress)
    writer.field(7, sqlAddress)
    writer.field(8, httpAddress)
  }

  init(decoding bytes: ArraySlice<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    self.init(id: NodeID(0), name: "", role: .unspecified)
    while let field = try reader.nextField() {
      switch field.number {
      case 1: id = try field.identifier()
      case 2: name = try field.string()
      case 3: role = UInt8(exactly: try field.integer()).flatMap(NodeRole.init(rawValue:)) ?? .unspecified
      case 4: epoch = try field.identifier()
      case 5: isLive = try field.boolean()
      case 6: rpcAddress = try field.string()
      case 7: sqlAddress = try field.string()
      case 8: httpAddress = try field.string()
      default: break
      }
    }
  }
}
