import Basics
import Convergence
import Wire

extension Acknowledgement {
  init(_ message: AckMessage) {
    self.init(
      node: NodeID(message.nodeID), epoch: SessionEpoch(message.sessionEpoch), sequence: message.sequence,
      appliedIndex: SchemaIndex(message.appliedSchemaIndex),
      held: message.held.map {
        HeldTable(table: TableID($0.tableID), oldestIndex: SchemaIndex($0.oldestSchemaIndex))
      })
  }
}

extension AckMessage {
  init(_ acknowledgement: Acknowledgement) {
    self.init(
      nodeID: acknowledgement.node.rawValue, sessionEpoch: acknowledgement.epoch.rawValue,
      appliedSchemaIndex: acknowledgement.appliedIndex.rawValue,
      held: acknowledgement.held.map {
        HeldPin(tableID: $0.table.rawValue, oldestSchemaIndex: $0.oldestIndex.rawValue)
      },
      sequence: acknowledgement.sequence)
  }
}
