import Basics

/// A part of a snapshot on its way between two hosts.
public struct SnapshotChunk: Hashable, Sendable {
  /// Distinguishes transfers to one replica.
  public var transfer: UInt64
  /// The leader's term.
  public var term: Term
  public var state: TruncatedState
  /// Counts from 0 without gaps.
  public var number: UInt64
  public var isLast: Bool
  public var bytes: [UInt8]

  public init(transfer: UInt64, term: Term, state: TruncatedState, number: UInt64, isLast: Bool, bytes: [UInt8]) {
    self.transfer = transfer
    self.term = term
    self.state = state
    self.number = number
    self.isLast = isLast
    self.bytes = bytes
  }
}

/// What two hosts say to each other about one group.
public struct Packet: Hashable, Sendable {
  public enum Content: Hashable, Sendable {
    case message(Term, Message.Body)
    case snapshotChunk(SnapshotChunk)
    /// The receiver of a transfer has chunks below `next`, or gives the transfer up.
    case snapshotProgress(transfer: UInt64, next: UInt64, isRefused: Bool)
  }

  public var group: RangeID
  public var content: Content

  public init(group: RangeID, content: Content) {
    self.group = group
    self.content = content
  }
}

/// Packets of many groups between one pair of nodes, packed into one run of bytes.
///
///     1 byte    version (1)
///     varint    from node
///     varint    to node
///     packets, each: group (varint), kind (1 byte), fields of the kind
///
/// Cheaper than tagged fields on purpose: neighbouring releases agree on the version byte instead.
public struct PacketWriter: Sendable {
  static let version: UInt8 = 1

  private var writer: ByteWriter
  private let headerBytes: Int

  public init(from: NodeID, to: NodeID, capacity: Int = 256) {
    writer = ByteWriter(capacity: capacity)
    writer.write(Self.version)
    writer.writeVarint(from.rawValue)
    writer.writeVarint(to.rawValue)
    headerBytes = writer.bytes.count
  }

  public var bytes: [UInt8] { writer.bytes }
  public var isEmpty: Bool { writer.bytes.count == headerBytes }

  public mutating func append(_ packet: Packet) {
    switch packet.content {
    case .message(let term, let body): append(packet.group, term, body)
    case .snapshotChunk(let chunk):
      begin(packet.group, .snapshotChunk)
      writer.writeVarint(chunk.transfer)
      writer.writeVarint(chunk.term)
      writer.writeBytes(chunk.state.encoded())
      writer.writeVarint(chunk.number)
      writer.write(chunk.isLast)
      writer.writeBytes(chunk.bytes)
    case .snapshotProgress(let transfer, let next, let isRefused):
      begin(packet.group, .snapshotProgress)
      writer.writeVarint(transfer)
      writer.writeVarint(next)
      writer.write(isRefused)
    }
  }

  /// The hot path: a message of a core.
  public mutating func append(_ group: RangeID, _ term: Term, _ body: Message.Body) {
    begin(group, PacketKind(body))
    writer.writeVarint(term)
    switch body {
    case .preVoteRequest(let request), .voteRequest(let request):
      writer.writeVarint(request.lastIndex)
      writer.writeVarint(request.lastTerm)
      writer.write(request.isTransfer)
    case .preVoteResponse(let isGranted), .voteResponse(let isGranted): writer.write(isGranted)
    case .append(let append): write(append)
    case .appendAccepted(let matchIndex): writer.writeVarint(matchIndex)
    case .appendRejected(let rejection):
      writer.writeVarint(rejection.rejectedIndex)
      writer.writeVarint(rejection.hintIndex)
      writer.writeVarint(rejection.hintTerm)
    case .heartbeat(let commitIndex, let readRound):
      writer.writeVarint(commitIndex)
      writer.writeVarint(readRound)
    case .heartbeatResponse(let readRound): writer.writeVarint(readRound)
    case .snapshot(let state): writer.writeBytes(state.encoded())
    case .timeoutNow: break
    case .quiesce(let lastIndex, let lastTerm):
      writer.writeVarint(lastIndex)
      writer.writeVarint(lastTerm)
    }
  }

  private mutating func begin(_ group: RangeID, _ kind: PacketKind) {
    writer.writeVarint(group.rawValue)
    writer.write(kind.rawValue)
  }

  private mutating func write(_ append: Append) {
    writer.writeVarint(append.previousIndex)
    writer.writeVarint(append.previousTerm)
    writer.writeVarint(append.commitIndex)
    writer.writeVarint(UInt64(append.entries.count))
    for entry in append.entries {
      writer.writeVarint(entry.term)
      writer.write(entry.kind.rawValue)
      writer.writeBytes(entry.payload)
    }
  }
}

/// Reads what `PacketWriter` wrote.
public struct PacketReader: Sendable {
  public let from: NodeID
  public let to: NodeID
  private var reader: ByteReader

  public init(_ bytes: [UInt8]) throws(MalformedBytes) {
    reader = ByteReader(bytes)
    let version = try reader.readUInt8()
    guard version == PacketWriter.version else { throw reader.failure("packet version \(version)") }
    from = NodeID(try reader.readVarint())
    to = NodeID(try reader.readVarint())
  }

  /// The next packet, or nil at the end.
  public mutating func next() throws(MalformedBytes) -> Packet? {
    if reader.isAtEnd { return nil }
    let group = RangeID(try reader.readVarint())
    let raw = try reader.readUInt8()
    guard let kind = PacketKind(rawValue: raw) else { throw reader.failure("\(raw) is no kind of packet") }
    switch kind {
    case .snapshotChunk: return Packet(group: group, content: .snapshotChunk(try readChunk()))
    case .snapshotProgress:
      let transfer = try reader.readVarint()
      let next = try reader.readLogNumber()
      return Packet(
        group: group, content: .snapshotProgress(transfer: transfer, next: next, isRefused: try reader.readBool()))
    default:
      let term = try reader.readLogNumber()
      return Packet(group: group, content: .message(term, try readBody(kind)))
    }
  }

  private mutating func readBody(_ kind: PacketKind) throws(MalformedBytes) -> Message.Body {
    switch kind {
    case .preVoteRequest: return .preVoteRequest(try readVoteRequest())
    case .preVoteResponse: return .preVoteResponse(isGranted: try reader.readBool())
    case .voteRequest: return .voteRequest(try readVoteRequest())
    case .voteResponse: return .voteResponse(isGranted: try reader.readBool())
    case .append: return .append(try readAppend())
    case .appendAccepted: return .appendAccepted(matchIndex: try reader.readLogNumber())
    case .appendRejected:
      let rejected = try reader.readLogNumber()
      let hint = try reader.readLogNumber()
      return .appendRejected(
        AppendRejection(rejectedIndex: rejected, hintIndex: hint, hintTerm: try reader.readLogNumber()))
    case .heartbeat:
      let commitIndex = try reader.readLogNumber()
      return .heartbeat(commitIndex: commitIndex, readRound: try reader.readLogNumber())
    case .heartbeatResponse: return .heartbeatResponse(readRound: try reader.readLogNumber())
    case .snapshot: return .snapshot(try TruncatedState(encoded: try reader.readBytes()))
    case .timeoutNow: return .timeoutNow
    case .quiesce:
      let lastIndex = try reader.readLogNumber()
      return .quiesce(lastIndex: lastIndex, lastTerm: try reader.readLogNumber())
    case .snapshotChunk, .snapshotProgress: throw reader.failure("no message of a core")
    }
  }

  private mutating func readVoteRequest() throws(MalformedBytes) -> VoteRequest {
    let lastIndex = try reader.readLogNumber()
    let lastTerm = try reader.readLogNumber()
    return VoteRequest(lastIndex: lastIndex, lastTerm: lastTerm, isTransfer: try reader.readBool())
  }

  private mutating func readAppend() throws(MalformedBytes) -> Append {
    let previousIndex = try reader.readLogNumber()
    let previousTerm = try reader.readLogNumber()
    let commitIndex = try reader.readLogNumber()
    let count = try reader.readCount()
    var entries: [Entry] = []
    entries.reserveCapacity(min(count, 1024))
    for offset in 0..<LogIndex(count) {
      let term = try reader.readLogNumber()
      let kind = try Entry.Kind(from: &reader)
      let payload = Array(try reader.readBytes())
      entries.append(Entry(index: previousIndex + 1 + offset, term: term, kind: kind, payload: payload))
    }
    return Append(
      previousIndex: previousIndex, previousTerm: previousTerm, commitIndex: commitIndex, entries: entries)
  }

  private mutating func readChunk() throws(MalformedBytes) -> SnapshotChunk {
    let transfer = try reader.readVarint()
    let term = try reader.readLogNumber()
    let state = try TruncatedState(encoded: try reader.readBytes())
    let number = try reader.readLogNumber()
    let isLast = try reader.readBool()
    return SnapshotChunk(
      transfer: transfer, term: term, state: state, number: number, isLast: isLast,
      bytes: Array(try reader.readBytes()))
  }
}

enum PacketKind: UInt8 {
  case preVoteRequest = 1
  case preVoteResponse = 2
  case voteRequest = 3
  case voteResponse = 4
  case append = 5
  case appendAccepted = 6
  case appendRejected = 7
  case heartbeat = 8
  case heartbeatResponse = 9
  case snapshot = 10
  case timeoutNow = 11
  case quiesce = 12
  case snapshotChunk = 13
  case snapshotProgress = 14

  init(_ body: Message.Body) {
    self =
      switch body {
      case .preVoteRequest: .preVoteRequest
      case .preVoteResponse: .preVoteResponse
      case .voteRequest: .voteRequest
      case .voteResponse: .voteResponse
      case .append: .append
      case .appendAccepted: .appendAccepted
      case .appendRejected: .appendRejected
      case .heartbeat: .heartbeat
      case .heartbeatResponse: .heartbeatResponse
      case .snapshot: .snapshot
      case .timeoutNow: .timeoutNow
      case .quiesce: .quiesce
      }
  }
}
