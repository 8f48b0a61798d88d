import Basics
import Catalog
import SchemaChange

/// The state whole, for checkpoints and Raft snapshots. Tagged fields.
extension MetadataState {
  public func encoded() -> [UInt8] {
    var writer = ByteWriter(capacity: 4_096)
    writer.field(1, clusterID)
    writer.field(2, timestampBound)
    writer.field(3) { catalog.encode(into: &$0) }
    log.forEach { _, entry in
      writer.field(4) { entry.encode(into: &$0) }
      return true
    }
    jobs.forEach { _, job in
      writer.field(5) { job.encode(into: &$0) }
      return true
    }
    nodes.forEach { _, node in
      writer.field(6) { node.encode(into: &$0) }
      return true
    }
    retiredRanges.forEach { range, since in
      writer.field(7) {
        $0.field(1, range)
        $0.field(2, since)
      }
      return true
    }
    writer.field(8, nextTableID)
    writer.field(9, nextRangeID)
    writer.field(10, nextJobID)
    writer.field(11, nextNodeID)
    writer.field(12, nextEpoch)
    waysBack.forEach { _, way in
      writer.field(13) { way.encode(into: &$0) }
      return true
    }
    return writer.bytes
  }

  public init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
    var reader = ByteReader(ArraySlice(bytes))
    self.init()
    while let field = try reader.nextField() {
      switch field.number {
      case 1: clusterID = try field.string()
      case 2: timestampBound = try field.timestamp()
      case 3: catalog = try CatalogState(decoding: try field.slice())
      case 4:
        let entry = try SchemaEntry(decoding: try field.slice())
        log[entry.index] = entry
      case 5:
        let job = try JobRecord(decoding: try field.slice())
        jobs[job.id] = job
        if let operation = job.operationID { operations[operation.text] = job.id }
        if !job.state.isFinished { unfinishedJobs[job.id] = true }
      case 6:
        let node = try NodeRecord(decoding: try field.slice())
        nodes[node.id] = node
      case 7:
        var nested = try field.reader()
        var range = RangeID(0)
        var since: UInt64 = 0
        while let part = try nested.nextField() {
          switch part.number {
          case 1: range = try part.identifier()
          case 2: since = try part.integer()
          default: break
          }
        }
        retiredRanges[range] = since
      case 8: nextTableID = try field.identifier()
      case 9: nextRangeID = try field.identifier()
      case 10: nextJobID = try field.identifier()
      case 11: nextNodeID = try field.identifier()
      case 12: nextEpoch = try field.identifier()
      case 13:
        let way = try WayBack(decoding: try field.slice())
        waysBack[way.job] = way
      default: break
      }
    }
  }
}
